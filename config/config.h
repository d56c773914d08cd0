/* SPDX-License-Identifier: MIT
 *
 * The door: one YAML file as an immutable, reference-counted tree. Any thread may read it. behaviour.md
 * section 1 names every option; options.c has a row for each, and the manual and the check read the same
 * rows. */
#ifndef DROVER_CONFIG_CONFIG_H
#define DROVER_CONFIG_CONFIG_H

#include <stdatomic.h>

#include "base/address.h"

#define WORKER_MEMORY (UINT64_C(150) << 20) /* what a worker is taken to need before any was seen */

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
/* After `auto` was decided by what the command names. NONE: a background pool, which nobody connects to. */
enum bind_kind { BIND_PORT, BIND_UNIX, BIND_FD, BIND_NONE };
enum protocol { PROTOCOL_H1, PROTOCOL_H2 };
enum balance { BALANCE_LEAST_CONN, BALANCE_RANDOM_TWO, BALANCE_HASH };
enum hash_key { HASH_CLIENT, HASH_HEADER, HASH_COOKIE };
enum measure { MEASURE_PROXY, MEASURE_STATSD }; /* who says what a pool is asked to carry */
enum same_site { SAME_SITE_LAX, SAME_SITE_STRICT, SAME_SITE_NONE };
enum buffering { BUFFERING_INHERIT, BUFFERING_AUTO, BUFFERING_ON, BUFFERING_OFF }; /* INHERIT: routes only */

/* A file that drover serves from. Its bytes are read by whoever loads the configuration, who may read keys. */
struct file_config {
    char *path;  /* absolute; NULL: none */
    char *bytes; /* followed by a NUL; NULL: not read (config_load_unread) */
    size_t size;
    uint64_t stamp; /* of the file as it was read */
};

struct pair_config {
    struct file_config certificate, key;
    struct file_config ocsp; /* an OCSP response to staple, DER */
};

enum tls_version { TLS_1_2, TLS_1_3 };

struct tls_config {
    struct pair_config single; /* while loading: the pair that stands beside the other options */
    unsigned pair_count;       /* 0: plain HTTP */
    struct pair_config *pairs;
    enum tls_version min_version;
    char *ciphers;                /* of TLS 1.2, in OpenSSL's words; NULL: ours */
    struct file_config client_ca; /* without a path: nobody is asked for a certificate */
};

struct listen_config {
    struct address address;
    char *text; /* as written */
    struct tls_config tls;
    bool proxy_protocol; /* from trusted proxies */
    bool http2;
    bool websocket_over_http2; /* RFC 8441 */
    unsigned redirect;         /* to https at this port; 0: off */
    unsigned expose_count;
    char **expose; /* admin pages shown here too: exact paths, "/health/..." only */
};

struct timeouts_config { /* milliseconds, 0 = never */
    unsigned header, body, keep_alive, send, connect, response, stall, tunnel, drain, drain_tunnel, shutdown;
};

struct limits_config {
    size_t header;
    unsigned headers;
    uint64_t body; /* bytes; 0 = no bound */
    unsigned connections;
    unsigned connections_per_ip; /* 0 = no bound */
    unsigned streams;            /* of one HTTP/2 connection */
};

struct route_config {
    char *host; /* lower case, without port; "*.example.org" matches any deeper name; NULL = any */
    /* A prefix by whole segments of the normalised path: "/ws" matches "/ws" and "/ws/x", not "/wsx"; "/" =
     * any. */
    char *path;
    unsigned pool; /* index */
    enum buffering buffering;
    char *where; /* "drover.yaml:12:5", for messages */
};

struct server_config {
    char *host; /* an IP or a name; NULL when unix */
    unsigned port;
    char *unix_path;
    unsigned weight; /* 1 to 1000 */
    bool is_tls;     /* https:// */
    char *text;      /* as written, without https:// and options */
};

/* Clients stay with their worker by a cookie. */
struct affinity_config {
    char *cookie; /* its name; NULL: they do not */
    struct file_config
        key; /* what its values are made with; without a path `secret`, without that a random key */
    char *secret;
    enum same_site same_site;
};

struct pool_config {
    char *name;
    bool is_launched;   /* has a command; else it has servers */
    bool is_background; /* launched, and no request goes there */

    /* local workers */
    unsigned argument_count;
    char **command;  /* worker texts: see config_worker_text */
    char *directory; /* absolute */
    unsigned environment_count;
    char **environment; /* "K=v", sorted; worker texts too */
    char *user;         /* NULL: as drover was started */
    enum bind_kind bind;
    unsigned first_port;  /* 0 = auto */
    unsigned workers;     /* a number; `auto` and WEB_CONCURRENCY are decided at load; the most, when sized */
    unsigned workers_min; /* the same number when not sized */
    bool is_sized;        /* `workers` is a range: the pool follows the demand */
    bool is_auto;         /* the number, or the most, was decided by CPUs and memory */
    uint64_t memory_pool; /* most bytes of all its workers together; 0: no bound of its own */
    unsigned spare;
    unsigned scale_window, scale_burst_window; /* ms */
    unsigned scale_idle;                       /* ms; 0: by the boot time */
    unsigned scale_burst, scale_headroom;      /* thousandths */
    bool dry_run;
    uint64_t memory_worker;                    /* bytes; a worker above is recycled; 0 = no bound */
    unsigned recycle_requests, recycle_jitter; /* 0 = no bound */
    unsigned recycle_age;                      /* ms; 0 = no bound */
    enum measure measure;
    unsigned start_timeout, start_backoff, start_backoff_max; /* ms */
    unsigned start_settle;                                    /* ms; background: who lived so long is ready */
    /* Bits of pools, by index, that are up before this one starts and end after it; and with those that these come
     * after. No circles. */
    uint64_t after, after_all;
    int stop_signal;
    unsigned stop_timeout; /* ms */
    /* Its one process has workers of its own, `workers` of them, and is told so by these: 0 = it has not. */
    int signal_up, signal_down;

    /* fixed servers */
    unsigned server_count;
    struct server_config *servers;
    struct file_config tls_ca; /* without a path: what the system trusts */
    bool tls_verify;
    char *tls_name; /* asked for and verified; NULL: each server's host */

    /* both */
    unsigned concurrency;                               /* 0 = no bound */
    unsigned queue_length, queue_timeout, queue_target; /* ms */
    unsigned target_concurrency;                        /* `auto` decided: concurrency where set, else 10 */
    unsigned target_tunnels;
    unsigned target_rps;    /* of one worker; 0 = not used */
    unsigned target_p95;    /* ms; 0 = not used */
    enum protocol protocol; /* that its workers or servers are spoken to in */
    enum balance balance;
    enum hash_key hash_key;
    char *hash_name; /* header's or cookie's name */
    struct affinity_config affinity;
    unsigned rebalance; /* tunnels moved a minute, in thousandths of a percent; 0: none. Workers only */
    unsigned max_fails; /* 0 = never ejected */
    unsigned fail_timeout, slow_start; /* ms */
    unsigned retries;
    char *probe_path; /* NULL or "" = only the start is probed */
    unsigned probe_interval, probe_timeout, probe_rise, probe_fall;
    enum buffering buffering;
    uint64_t response_max; /* buffering.response_max: most of a response kept in a temporary file */
};

struct config {
    _Atomic unsigned references;
    char *path;       /* the file, or "(command line)" */
    char *directory;  /* absolute; relative paths start there */
    unsigned threads; /* decided: at least 1 */
    char *user;       /* NULL: none */
    unsigned listen_count;
    struct listen_config *listens;
    unsigned trusted_count;
    struct network *trusted;
    bool admin_is_on;
    struct address admin;
    struct address statsd; /* size 0: off */
    char *control;         /* path of the unix socket, `auto` decided */
    char *acme;            /* directory of ACME challenges; NULL: none */
    char *access_log;      /* NULL = off, "stdout", or an absolute path */
    enum log_format log_format;
    bool via;
    bool keep_underscores;
    struct timeouts_config timeouts;
    struct limits_config limits;
    unsigned route_count;
    /* A catch-all to the first proxied pool is put in when the file has none; none: all pools are background. */
    struct route_config *routes;
    unsigned pool_count;
    struct pool_config *pools;
};

/* What is wrong, all of it, a line each: `drover.yaml:12:14: pools.web.workers: expected a count or 'auto',
 * got 'four'`. Warnings have "warning: " after the position. */
struct config_report {
    unsigned errors, warnings;
    char *text; /* lines, each ended by \n; owned by the report; NULL when there are none */
};
void config_report_fini(struct config_report *report);

/* Reads `bytes` (YAML). `path` names it in messages and gives the directory that relative paths start from.
 * NULL when report->errors > 0. The result has one reference. Pure but for getenv, the checks that
 * directories and users exist, and CPUs. */
struct config *config_load(const char *path, const char *bytes, size_t size, struct config_report *report);
/* The same, but the files that it names (certificates, keys) are not read: an engine may run as a user who may
 * not. The keeper's bytes of them are put in by config_unpack_files. */
struct config *config_load_unread(const char *path, const char *bytes, size_t size,
                                  struct config_report *report);
/* The bytes of all those files, in the order in which the configuration names them, as one block (mem_free). */
char *config_pack_files(const struct config *config, size_t *size);
/* Into a configuration that was loaded unread from the same YAML. False, and nothing changed: it does not fit. */
bool config_unpack_files(struct config *config, const char *bytes, size_t size);
/* Tells whether one of those files changed: another number for other inodes, sizes or times. As they are now, and as they were when they
 * were read. */
uint64_t config_files_stamp(const struct config *config);
uint64_t config_files_stamp_read(const struct config *config);
/* Finds and reads the file: `path`, or when NULL ./drover.yaml, else /etc/drover/drover.yaml. The caller
 * frees *bytes and *found (mem_free). False with a line in the report when there is none or it cannot be
 * read. */
bool config_find(const char *path, char **found, char **bytes, size_t *size, struct config_report *report);
/* The YAML that `drover [-l ADDRESS] [-w N|auto] -- COMMAND...` stands for; the caller frees it (mem_free).
 * */
char *config_from_command_line(const char *listen, const char *workers, char **command, unsigned count);
struct config *config_ref(struct config *config);
void config_unref(struct config **config);

/* A worker text (pool->command, pool->environment) with PORT, SOCKET and WORKER ($NAME or ${NAME}) filled in,
 * and $$ made the dollar that it stands for; a NULL value leaves nothing in its place. Never use such a text
 * without this. Caller frees. */
char *config_worker_text(const char *text, const char *port, const char *socket, const char *worker);

unsigned
config_processes(const struct pool_config *pool); /* most that drover itself starts, replacements aside */
/* What of a limit on memory is taken to be for workers: the rest, an eighth of it (64m to 1g), is for everything else. What is really in
 * use cannot be asked while loading: at a reload it holds the workers themselves, and `auto` must not move by itself. */
uint64_t config_memory_for_workers(uint64_t limit);

/* Comparing, for a reload. */
/* command, environment, directory, user, bind, port, signals */
bool config_same_worker(const struct pool_config *a, const struct pool_config *b);
/* What changed but needs a restart (user, control, admin, statsd): lines into the report as errors. */
void config_compare_fixed(const struct config *running, const struct config *next,
                          struct config_report *report);
const struct pool_config *config_find_pool(const struct config *config, const char *name);

/* every option as decided, as YAML (drover check --print) */
void config_print(const struct config *config, struct config_report *into);
char *config_manual(void); /* docs/options.md: generated from the rows of options.c; caller frees */
/* `drover init`: a commented drover.yaml for the app found there; caller frees */
char *config_sample(const char *directory);

#endif
