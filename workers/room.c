/* SPDX-License-Identifier: MIT
 *
 * The memory that all fleets of an engine share: what there is (base/memory_limit.h), who holds it (the slots), and what
 * follows from that (fit.h): may another worker be started, how many does `max: auto` come to, what does a kill
 * teach. Control thread. What was learned is the engine's: the next one learns anew. */
#include "workers/room.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/memory_limit.h"
#include "workers/fleet_internal.h"

#define STEP_US      1000000u
#define FRESH_US     100000u /* a look at the world that a start may go by */
#define SHORT_US     10000000u
#define UNCLAIMED_US 10000000u /* the news of a worker's end are here by then */
#define NOTE_MAX     400

struct room {
    char *root; /* "": the machine; else for tests */
    struct memory_state state;
    uint64_t read_us;
    bool are_kills_known;
    uint64_t kills_seen;        /* of the kernel's count */
    uint64_t unclaimed_from_us; /* when it was first seen to be larger; 0: it is not */
    unsigned count;
    struct fleet **fleets;  /* that share it; not owned */
    struct fit_pool *pools; /* of them, made anew at each question */
};

struct room *room_new(const char *root)
{
    struct room *room = mem_zero(sizeof *room);

    room->root = mem_dup(root);
    room->are_kills_known = memory_kills_below(root, &room->kills_seen);
    memory_read_below(&room->state, root);
    room->read_us = clock_us();
    return room;
}

void room_free(struct room **room)
{
    if (!*room)
        return;
    CHECK((*room)->count == 0);
    mem_free((*room)->root);
    mem_free((*room)->fleets);
    mem_free((*room)->pools);
    mem_free(*room);
    *room = NULL;
}

void fleet_share_room(struct fleet *fleet, struct room *room)
{
    room_leave(fleet);
    fleet->room.room = room;
    room->fleets = mem_resize(room->fleets, (room->count + 1) * sizeof(struct fleet *));
    room->pools = mem_resize(room->pools, (room->count + 1) * sizeof *room->pools);
    room->fleets[room->count++] = fleet;
}

void room_leave(struct fleet *fleet)
{
    struct room *room = fleet->room.room;

    for (unsigned i = 0; room && i < room->count; i++) {
        if (room->fleets[i] == fleet)
            room->fleets[i--] = room->fleets[--room->count];
    }
    fleet->room.room = NULL;
}

/* --- what there is, and who holds it --- */

static uint64_t each_of(const struct fleet *fleet)
{
    return fleet->room.size.bytes ? fleet->room.size.bytes : WORKER_MEMORY;
}

static bool has_process(const struct worker *worker)
{
    return worker->pid != 0 || worker->state == WORKER_STARTING;
}

/* Those that stay and have a process, without `but`. */
static unsigned count_alive(const struct fleet *fleet, const struct worker *but)
{
    unsigned alive = 0;

    for (unsigned i = 0; i < fleet->count; i++) {
        const struct worker *worker = fleet->workers[i];
        alive += worker != but && worker_counts(worker) && has_process(worker);
    }
    return alive;
}

static unsigned least_of(const struct fleet *fleet)
{
    unsigned min, max;

    if (fleet->is_abandoned || fleet->is_frozen)
        return 0;
    unsigned least = fleet_is_sized(fleet, &min, &max) ? min : fleet_wanted(fleet);
    return fleet_is_steered(fleet) && least > 1 ? 1 : least;
}

static struct fit_pool pool_of(const struct fleet *fleet)
{
    struct fit_pool pool = {.bound = fleet->pool->memory_pool, .each = each_of(fleet)};
    unsigned least = least_of(fleet), alive = count_alive(fleet, NULL);

    for (unsigned i = 0; i < fleet->count; i++) {
        const struct worker *worker = fleet->workers[i];
        uint64_t held = atomic_load(&worker->slot->memory);
        if (!has_process(worker))
            continue;
        pool.running++;
        pool.held += held;
        if (held < pool.each && (held == 0 || worker->state == WORKER_STARTING))
            pool.growing += pool.each - held;
    }
    pool.lacking = least > alive ? least - alive : 0;
    return pool;
}

static void read_world(struct room *room, uint64_t now_us)
{
    memory_read_below(&room->state, room->root);
    room->read_us = now_us;
}

/* All pools as they are now; the place of this one. */
static unsigned look(struct room *room, const struct fleet *fleet, struct fit_world *world)
{
    unsigned at = 0;

    *world = (struct fit_world){room->state.tight.limit, memory_left(&room->state)};
    for (unsigned i = 0; i < room->count; i++) {
        room->pools[i] = pool_of(room->fleets[i]);
        at = room->fleets[i] == fleet ? i : at;
    }
    return at;
}

/* --- in words --- */

static void print_state(const struct room *room, char *into, size_t size)
{
    char left[MEMORY_TEXT], limit[MEMORY_TEXT], kept[MEMORY_TEXT];

    memory_text(left, memory_left(&room->state));
    memory_text(limit, room->state.tight.limit);
    memory_text(kept, fit_kept_free(room->state.tight.limit));
    str_format(into, size, "%s left of %s, %s of it kept free, by %s", left, limit, kept,
               room->state.tight.from);
}

static void print_short(const struct fleet *fleet, char *into, size_t size)
{
    char each[MEMORY_TEXT], bound[MEMORY_TEXT], state[NOTE_MAX];

    memory_text(each, each_of(fleet));
    memory_text(bound, fleet->pool->memory_pool);
    print_state(fleet->room.room, state, sizeof state);
    str_format(into, size, "another one (%s%s) does not fit: %s%s%s%s", each,
               fleet->room.size.bytes ? "" : " until one is measured",
               fleet->pool->memory_pool ? "memory.pool " : "", fleet->pool->memory_pool ? bound : "",
               fleet->pool->memory_pool ? ", " : "", state);
}

static void print_ceiling(const struct fleet *fleet, char *into, size_t size)
{
    uint64_t now_us = clock_us(), until_us = fleet->room.ceiling.until_us;

    str_format(into, size, "at most %u for another %llu s, as one was killed for memory",
               fleet->room.ceiling.most,
               (unsigned long long)(until_us > now_us ? (until_us - now_us) / 1000000 : 0));
}

bool fleet_memory_note(const struct fleet *fleet, char *into, size_t size)
{
    if (fleet->room.room && fleet->room.is_short)
        print_short(fleet, into, size);
    else if (fleet->room.ceiling.most > 0)
        print_ceiling(fleet, into, size);
    else
        return false;
    return true;
}

/* --- a start --- */

static bool fits_by_now(const struct fleet *fleet)
{
    struct room *room = fleet->room.room;
    struct fit_world world;
    unsigned at = look(room, fleet, &world);

    return fit_another(&world, room->pools, room->count, at);
}

/* Nothing is started by an old look at the world; while it does not fit, the look of each second is enough. */
static bool fits(const struct fleet *fleet)
{
    struct room *room = fleet->room.room;
    uint64_t now_us = clock_us();

    if (now_us - room->read_us < FRESH_US)
        return fits_by_now(fleet);
    if (fleet->room.is_short && !fits_by_now(fleet))
        return false;
    read_world(room, now_us);
    return fits_by_now(fleet);
}

static void tell_short(struct fleet *fleet)
{
    char note[NOTE_MAX];
    unsigned alive = count_alive(fleet, NULL), wanted = fleet_processes(fleet);

    print_short(fleet, note, sizeof note);
    if (wanted > alive)
        fleet_decide(fleet, DECISION_MEMORY, NULL, "no room", "%u of %u run: %s", alive, wanted, note);
    else
        fleet_decide(fleet, DECISION_MEMORY, NULL, "no room", "a replacement waits: %s", note);
}

static bool is_anybody_leaving(const struct fleet *fleet)
{
    for (unsigned i = 0; i < fleet->count; i++) {
        if (fleet->workers[i]->fate == FATE_GOES)
            return true;
    }
    return false;
}

bool room_has_seat(const struct fleet *fleet)
{
    return fleet->room.ceiling.most == 0 || count_alive(fleet, NULL) < fleet->room.ceiling.most;
}

bool room_lets_start(struct fleet *fleet)
{
    struct fleet_room *part = &fleet->room;

    if (!part->room)
        return true;
    if (fits(fleet)) {
        if (part->is_short)
            log_info("%s: there is room for another worker again", fleet->pool->name);
        part->is_short = false;
        return true;
    }
    if (!part->is_short || is_anybody_leaving(fleet))
        part->short_us = clock_us();
    if (!part->is_short)
        tell_short(fleet);
    part->is_short = true;
    return false;
}

bool room_is_short_for_long(const struct fleet *fleet)
{
    return fleet->room.is_short && clock_us() - fleet->room.short_us >= SHORT_US;
}

/* --- how many --- */

unsigned room_bound(const struct fleet *fleet, unsigned most)
{
    const struct fleet_room *part = &fleet->room;

    if (part->most.is_begun && fleet->pool->is_auto && fleet->pool->is_sized && !fleet->is_overridden &&
        part->most.most < most)
        most = part->most.most;
    return part->ceiling.most > 0 && part->ceiling.most < most ? part->ceiling.most : most;
}

/* Of a master (`signals`) what one of its own workers holds: those are what is counted. */
static unsigned sharers_of(const struct worker *worker)
{
    unsigned children = atomic_load(&worker->slot->children);

    return fleet_is_steered(worker->fleet) && children > 2 ? children - 1 : 1;
}

static uint64_t largest_of(const struct fleet *fleet)
{
    uint64_t largest = 0;

    for (unsigned i = 0; i < fleet->count; i++) {
        uint64_t held = atomic_load(&fleet->workers[i]->slot->memory) / sharers_of(fleet->workers[i]);
        if (fleet->workers[i]->state != WORKER_STARTING && held > largest)
            largest = held;
    }
    return largest;
}

static void follow_most(struct fleet *fleet, uint64_t now_us)
{
    struct fleet_room *part = &fleet->room;
    struct room *room = part->room;
    struct fit_world world;
    char each[MEMORY_TEXT], state[NOTE_MAX];
    unsigned before = room_bound(fleet, fleet->pool->workers), at = look(room, fleet, &world);
    bool was_begun = part->most.is_begun;

    fit_follow(&part->most, fit_allows(&world, room->pools, room->count, at, 100),
               fit_allows(&world, room->pools, room->count, at, 110), part->size.bytes > 0, now_us);
    unsigned after = room_bound(fleet, fleet->pool->workers);
    if (after == before && (was_begun || after == fleet->pool->workers))
        return;
    memory_text(each, each_of(fleet));
    print_state(room, state, sizeof state);
    log_info("%s: at most %u workers: memory allows %u of %s%s, by CPUs %u; %s", fleet->pool->name, after,
             part->most.most, each, part->size.bytes ? "" : " (until one is measured)", fleet->pool->workers,
             state);
}

static void lift(struct fleet *fleet, uint64_t now_us)
{
    struct fleet_room *part = &fleet->room;

    if (!fit_lift(&part->ceiling, fleet_most(fleet), now_us))
        return;
    if (part->ceiling.most > 0)
        fleet_decide(fleet, DECISION_MEMORY, NULL, "lifted", "none was killed for ten minutes: %u may run",
                     part->ceiling.most);
    else
        fleet_decide(fleet, DECISION_MEMORY, NULL, "lifted", "none was killed for ten minutes: all may run");
}

/* The kernel has ended something for memory, and it was no worker's first process: perhaps what one of them started. */
static void watch_kills(struct room *room, uint64_t now_us)
{
    uint64_t count;

    if (!memory_kills_below(room->root, &count) || count <= room->kills_seen) {
        room->unclaimed_from_us = 0;
        return;
    }
    if (room->unclaimed_from_us == 0)
        room->unclaimed_from_us = now_us;
    if (now_us - room->unclaimed_from_us < UNCLAIMED_US)
        return;
    log_warning("the kernel ended %llu processes here for want of memory that were not themselves workers",
                (unsigned long long)(count - room->kills_seen));
    room->kills_seen = count;
    room->unclaimed_from_us = 0;
}

void room_step(struct fleet *fleet, uint64_t now_us)
{
    struct fleet_room *part = &fleet->room;

    if (!part->room || now_us - part->stepped_us < STEP_US)
        return;
    part->stepped_us = now_us;
    if (now_us - part->room->read_us >= STEP_US) {
        read_world(part->room, now_us);
        watch_kills(part->room, now_us);
    }
    fit_learn(&part->size, largest_of(fleet), now_us);
    if (fleet->pool->is_sized && fleet->pool->is_auto)
        follow_most(fleet, now_us);
    lift(fleet, now_us);
}

void room_forget(struct fleet *fleet)
{
    fleet->room.ceiling = (struct fit_ceiling){0, 0};
    fleet->room.most = (struct fit_most){0};
    fleet->room.is_short = false;
}

/* --- an end --- */

/* One of the kernel's kills was this worker's. */
static bool claim_kill(struct room *room)
{
    uint64_t count;

    if (!memory_kills_below(room->root, &count) || count <= room->kills_seen)
        return false;
    room->kills_seen++;
    return true;
}

static void learn_kill(struct worker *worker)
{
    struct fleet *fleet = worker->fleet;
    struct fleet_room *part = &fleet->room;
    uint64_t now_us = clock_us(), size = atomic_load(&worker->slot->memory);
    unsigned before = fleet_wanted(fleet), sharers = sharers_of(worker);
    unsigned others = fleet_is_steered(fleet) ? sharers - 1 : count_alive(fleet, worker);
    char held[MEMORY_TEXT], state[NOTE_MAX];

    fit_learn(&part->size, size / sharers, now_us);
    fit_lower(&part->ceiling, others, now_us);
    memory_text(held, size);
    read_world(part->room, now_us);
    print_state(part->room, state, sizeof state);
    fleet_decide(fleet, DECISION_MEMORY, worker->slot->name, "killed",
                 "killed for memory at %s (%s): at most %u workers instead of %u for ten minutes", held,
                 state, part->ceiling.most, before);
}

enum ending room_on_exited(struct worker *worker, int status)
{
    struct room *room = worker->fleet->room.room;

    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL || worker->was_killed || worker->fleet->is_frozen)
        return ENDING_PLAIN;
    if (!room || !room->are_kills_known)
        return ENDING_UNKNOWN;
    if (!claim_kill(room))
        return ENDING_OUTSIDE;
    learn_kill(worker);
    return ENDING_MEMORY;
}
