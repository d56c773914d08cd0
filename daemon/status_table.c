/* SPDX-License-Identifier: MIT
 *
 * `drover status` for people: one line about drover, a table of pools, a table of workers, and the last
 * words of those that fail. Nothing that a worker said can drive the terminal. */
#include "daemon/status_table.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "base/str.h"

#define COLUMNS_MOST 10
#define CELL         80

struct column {
    const char *title;
    bool to_the_right;
};
struct table {
    const struct column *columns;
    unsigned count;
    unsigned rows;
    char (*cells)[COLUMNS_MOST][CELL];
};

static void table_init(struct table *table, const struct column *columns, unsigned count)
{
    *table = (struct table){.columns = columns, .count = count};
}

static char (*table_row(struct table *table))[CELL]
{
    table->cells = mem_resize(table->cells, (table->rows + 1) * sizeof *table->cells);
    memset(table->cells[table->rows], 0, sizeof *table->cells);
    return table->cells[table->rows++];
}

static void print_cell(struct buffer *page, const struct table *table, unsigned column, int width,
                       const char *text)
{
    bool is_last = column + 1 == table->count;

    if (table->columns[column].to_the_right)
        buffer_print(page, "%*s", width, text);
    else
        buffer_print(page, "%-*s", is_last ? 0 : width, text);
    buffer_print(page, "%s", is_last ? "\n" : "  ");
}

static void table_print(struct buffer *page, const struct table *table)
{
    int widths[COLUMNS_MOST];

    for (unsigned column = 0; column < table->count; column++) {
        widths[column] = (int)strlen(table->columns[column].title);
        for (unsigned row = 0; row < table->rows; row++) {
            int width = (int)strlen(table->cells[row][column]);
            widths[column] = width > widths[column] ? width : widths[column];
        }
    }
    for (unsigned column = 0; column < table->count; column++)
        print_cell(page, table, column, widths[column], table->columns[column].title);
    for (unsigned row = 0; row < table->rows; row++) {
        for (unsigned column = 0; column < table->count; column++)
            print_cell(page, table, column, widths[column], table->cells[row][column]);
    }
}

static void table_fini(struct table *table)
{
    mem_free(table->cells);
}

void status_duration(char into[32], double seconds)
{
    unsigned long long whole = seconds > 0 && seconds < 1e15 ? (unsigned long long)seconds : 0;

    if (whole < 60)
        str_format(into, 32, "%llus", whole);
    else if (whole < 3600)
        str_format(into, 32, "%llum%02llus", whole / 60, whole % 60);
    else if (whole < 86400)
        str_format(into, 32, "%lluh%02llum", whole / 3600, whole / 60 % 60);
    else
        str_format(into, 32, "%llud%02lluh", whole / 86400, whole / 3600 % 24);
}

void status_size(char into[32], double bytes)
{
    static const char units[] = "BKMGT";
    unsigned unit = 0;

    while (bytes >= 1024 && unit < sizeof units - 2) {
        bytes /= 1024;
        unit++;
    }
    if (unit == 0)
        str_format(into, 32, "%.0f", bytes);
    else
        str_format(into, 32, "%.1f%c", bytes, units[unit]);
}

static void put_text(char cell[CELL], const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    if (text)
        str_escape_controls(cell, CELL, slice_of(text));
    else
        str_format(cell, CELL, "-");
}

static void put_count(char cell[CELL], const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (json_is_integer(value))
        str_format(cell, CELL, "%lld", (long long)json_integer_value(value));
    else
        str_format(cell, CELL, "-");
}

static void put_number(char cell[CELL], const json_t *object, const char *key,
                       void (*print)(char into[32], double number))
{
    const json_t *value = json_object_get(object, key);
    char text[32] = "-";

    if (json_is_number(value))
        print(text, json_number_value(value));
    str_format(cell, CELL, "%s", text);
}

static void print_drover(struct buffer *page, const json_t *status)
{
    char version[CELL], state[CELL], up[CELL], connections[CELL], file[CELL];

    put_text(version, status, "version");
    put_text(state, status, "status");
    put_number(up, status, "uptime", status_duration);
    put_count(connections, status, "active_connections");
    put_text(file, status, "config");
    buffer_print(page, "drover %s is %s%s, up %s, %s connection%s, %s\n\n", version, state,
                 json_is_true(json_object_get(status, "stopping")) ? " and stopping" : "", up, connections,
                 strcmp(connections, "1") == 0 ? "" : "s", file);
}

static void each_worker(json_t *pools, void (*visit)(void *argument, const json_t *worker), void *argument)
{
    for (void *at = json_object_iter(pools); at; at = json_object_iter_next(pools, at)) {
        const json_t *workers = json_object_get(json_object_iter_value(at), "workers");
        for (size_t i = 0; i < json_array_size(workers); i++)
            visit(argument, json_array_get(workers, i));
    }
}

static void print_line(struct buffer *page, const char *before, const char *text)
{
    char line[1024];

    str_escape_controls(line, sizeof line, slice_of(text));
    buffer_print(page, "%s%s\n", before, line);
}

static void print_note(struct buffer *page, const char *pool, const json_t *note)
{
    if (!json_is_string(note))
        return;
    char name[CELL];
    str_escape_controls(name, sizeof name, slice_of(pool));
    buffer_print(page, "\n%s", name);
    print_line(page, ": ", json_string_value(note));
}

/* "down, waits for web": it has not been started yet. */
static void put_pool_state(char cell[CELL], const json_t *pool)
{
    const json_t *waits_for = json_object_get(pool, "waits_for");
    char state[CELL], name[CELL];

    put_text(state, pool, "status");
    size_t size = str_format(cell, CELL, "%s", state);
    for (size_t i = 0; i < json_array_size(waits_for); i++) {
        const char *text = json_string_value(json_array_get(waits_for, i));
        str_escape_controls(name, CELL, slice_of(text ? text : "?"));
        size += str_format(cell + size, CELL - size, "%s%s", i == 0 ? ", waits for " : " and ", name);
    }
}

static void print_pools(struct buffer *page, json_t *pools)
{
    static const struct column columns[] = {{"POOL", false},  {"STATE", false}, {"READY", true},
                                            {"WANTED", true}, {"QUEUED", true}, {"SIZE BY", false}};
    struct table table;

    table_init(&table, columns, sizeof columns / sizeof columns[0]);
    for (void *at = json_object_iter(pools); at; at = json_object_iter_next(pools, at)) {
        const json_t *pool = json_object_iter_value(at);
        char(*row)[CELL] = table_row(&table);
        str_escape_controls(row[0], CELL, slice_of(json_object_iter_key(at)));
        put_pool_state(row[1], pool);
        put_count(row[2], pool, "ready");
        put_count(row[3], pool, "wanted");
        put_count(row[4], pool, "queued");
        str_format(row[5], CELL, "%s",
                   json_is_true(json_object_get(pool, "overridden")) ? "drover scale"
                   : json_object_get(pool, "max")                    ? "demand"
                                                                     : "file");
    }
    table_print(page, &table);
    table_fini(&table);
    for (void *at = json_object_iter(pools); at; at = json_object_iter_next(pools, at))
        print_note(page, json_object_iter_key(at),
                   json_object_get(json_object_iter_value(at), "memory_note"));
}

static void add_worker(void *table, const json_t *worker)
{
    char(*row)[CELL] = table_row(table);

    put_text(row[0], worker, "name");
    put_text(row[1], worker, "status");
    if (json_is_integer(json_object_get(worker, "children"))) {
        size_t size = strlen(row[1]);
        str_format(row[1] + size, CELL - size, " (%lld)",
                   (long long)json_integer_value(json_object_get(worker, "children")));
    }
    put_count(row[2], worker, "worker_id");
    put_text(row[3], worker, "address");
    put_number(row[4], worker, "uptime", status_duration);
    put_count(row[5], worker, "requests_in_flight");
    put_count(row[6], worker, "tunnels");
    put_count(row[7], worker, "requests");
    put_count(row[8], worker, "fails");
    put_number(row[9], worker, "memory", status_size);
}

static void print_workers(struct buffer *page, json_t *pools)
{
    static const struct column columns[COLUMNS_MOST] = {
        {"WORKER", false}, {"STATE", false},  {"PID", true},      {"ADDRESS", false}, {"UPTIME", true},
        {"ACTIVE", true},  {"TUNNELS", true}, {"REQUESTS", true}, {"FAILS", true},    {"MEMORY", true}};
    struct table table;

    table_init(&table, columns, COLUMNS_MOST);
    each_worker(pools, add_worker, &table);
    table_print(page, &table);
    table_fini(&table);
}

/* What a worker that does not run said last: most often all that is needed to see why. */
static void print_last_words(void *argument, const json_t *worker)
{
    struct buffer *page = argument;
    const json_t *output = json_object_get(worker, "output");
    const char *ended = json_string_value(json_object_get(worker, "last_exit"));
    char name[CELL];

    if (!json_is_array(output) && !ended)
        return;
    put_text(name, worker, "name");
    buffer_print(page, "\n%s", name);
    print_line(page, ended ? ": " : "", ended ? ended : "");
    for (size_t i = 0; i < json_array_size(output); i++) {
        const char *line = json_string_value(json_array_get(output, i));
        print_line(page, "  | ", line ? line : "");
    }
}

char *status_table(const json_t *status)
{
    struct buffer page = {0};
    json_t *pools = json_object_get(status, "pools");

    print_drover(&page, status);
    print_pools(&page, pools);
    buffer_print(&page, "\n");
    print_workers(&page, pools);
    each_worker(pools, print_last_words, &page);
    char *text = slice_dup(buffer_slice(&page));
    buffer_release(&page);
    return text;
}
