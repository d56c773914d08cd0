/* SPDX-License-Identifier: MIT
 *
 * Every option of drover.yaml, a row each, in the order of the manual. Constant. */
#include "config/options.h"

#include <stddef.h>

#define MS      1u
#define SECOND  1000u
#define HOUR    3600000u
#define DAY     (24u * HOUR)
#define KIB     1024u
#define GIB     (1024u * 1024u * 1024u)
#define LANE    65535u /* what a slot's count can hold */
#define MILLION 1000000u
#define WORKERS 512u /* half of the slot table: replacements sit beside those they replace */

#define FIELD(type, member)                                                                                  \
    .offset = offsetof(struct type, member), .width = sizeof(((struct type *)0)->member)
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define SECTION(table)  (&(const struct option_section){table, COUNT_OF(table), NULL})

#define TOP(member)  FIELD(config, member)
#define POOL(member) FIELD(pool_config, member)

#define COUNT(from, to)    .kind = OPTION_COUNT, .low = (from), .high = (to)
#define DURATION(from, to) .kind = OPTION_DURATION, .low = (from), .high = (to)
#define SIZE(from, to)     .kind = OPTION_SIZE, .low = (from), .high = (to)

static const struct option_word log_formats[] = {
    {"text", LOG_FORMAT_TEXT}, {"json", LOG_FORMAT_JSON}, {NULL, 0}};
static const struct option_word drop_pass[] = {{"drop", false}, {"pass", true}, {NULL, 0}};
static const struct option_word binds[] = {
    {"auto", BIND_AUTO}, {"port", BIND_PORT}, {"unix", BIND_UNIX}, {"fd", BIND_FD}, {NULL, 0}};
static const struct option_word protocols[] = {{"h1", PROTOCOL_H1}, {"h2", PROTOCOL_H2}, {NULL, 0}};
static const struct option_word balances[] = {{"least_conn", BALANCE_LEAST_CONN},
                                              {"random_two", BALANCE_RANDOM_TWO},
                                              {"hash", BALANCE_HASH},
                                              {NULL, 0}};
static const struct option_word measures[] = {
    {"proxy", MEASURE_PROXY}, {"statsd", MEASURE_STATSD}, {NULL, 0}};
static const struct option_word bufferings[] = {
    {"auto", BUFFERING_AUTO}, {"on", BUFFERING_ON}, {"off", BUFFERING_OFF}, {NULL, 0}};

static const struct option_word same_sites[] = {
    {"lax", SAME_SITE_LAX}, {"strict", SAME_SITE_STRICT}, {"none", SAME_SITE_NONE}, {NULL, 0}};

static const struct option timeouts[] = {
    {"header", DURATION(1, HOUR), TOP(timeouts.header), .preset = "10s",
     .help = "From accepting a connection, or from the first byte of a later request, to the end of the "
             "request's head."},
    {"body", DURATION(0, DAY), TOP(timeouts.body), .preset = "30s",
     .help = "Between two bytes of a request's body. 0: no bound."},
    {"keep_alive", DURATION(1, DAY), TOP(timeouts.keep_alive), .preset = "75s",
     .help = "How long a client's connection may stay open without a request."},
    {"send", DURATION(0, DAY), TOP(timeouts.send), .preset = "30s",
     .help = "Between two bytes of progress while sending to a client or a worker. 0: no bound."},
    {"connect", DURATION(1, HOUR), TOP(timeouts.connect), .preset = "2s",
     .help = "To connect to a worker or server."},
    {"response", DURATION(0, DAY), TOP(timeouts.response), .preset = "60s",
     .help = "From the request's end to the end of the response's head. 0: no bound."},
    {"stall", DURATION(0, DAY), TOP(timeouts.stall), .preset = "60s",
     .help = "Between two bytes of a response's body (not for text/event-stream and gRPC). 0: no bound."},
    {"tunnel", DURATION(0, 30u * DAY), TOP(timeouts.tunnel), .preset = "1h",
     .help = "How long a WebSocket may be idle in both directions. 0: no bound."},
    {"drain", DURATION(1, DAY), TOP(timeouts.drain), .preset = "30s",
     .help = "How long a retiring worker may finish its requests."},
    {"drain_tunnel", DURATION(1, DAY), TOP(timeouts.drain_tunnel), .preset = "5m",
     .help = "How long the WebSockets of a retiring worker may stay open."},
    {"shutdown", DURATION(1, DAY), TOP(timeouts.shutdown), .preset = "25s",
     .help = "Bounds the whole stop of drover. Keep it below what ends drover from outside: Docker's "
             "stop_grace_period "
             "(10s unless set), Kubernetes' terminationGracePeriodSeconds (30s)."},
};

static const struct option limits[] = {
    {"header", SIZE(KIB, 256u * KIB), TOP(limits.header), .preset = "32k",
     .help = "Most bytes of a request's head: the line and all fields."},
    {"headers", COUNT(1, 256), TOP(limits.headers), .preset = "100", .help = "Most fields of a request."},
    {"body", SIZE(0, 1024ull * GIB), TOP(limits.body), .preset = "10m",
     .help = "Most bytes of a request's body; more is answered 413. 0: no bound."},
    {"connections", COUNT(1, MILLION), TOP(limits.connections), .preset = "16384",
     .help = "Most client connections at once; more are answered 503."},
    {"connections_per_ip", COUNT(0, MILLION), TOP(limits.connections_per_ip), .preset = "0",
     .help = "Most connections of one client address (of one /64 in IPv6) at once; more are answered 503, or "
             "closed where TLS is spoken. Trusted proxies "
             "are not counted. 0: no bound."},
    {"streams", COUNT(1, 1000), TOP(limits.streams), .preset = "100",
     .help = "Most requests of one HTTP/2 connection at once; those that the client has cancelled count "
             "until their "
             "worker has answered."},
};

static const struct option_word tls_versions[] = {{"1.2", TLS_1_2}, {"1.3", TLS_1_3}, {NULL, 0}};

static const struct option pairs[] = {
    {"certificate", .kind = OPTION_FILE, FIELD(pair_config, certificate),
     .help = "PEM: the certificate, then those of its chain.", .example = "cert.pem"},
    {"key", .kind = OPTION_FILE, FIELD(pair_config, key), .help = "PEM: its private key, not encrypted.",
     .example = "key.pem"},
    {"ocsp", .kind = OPTION_OCSP, FIELD(pair_config, ocsp),
     .help =
         "An OCSP response (DER) that clients are shown with the certificate, for as long as it is valid.",
     .example = "cert.ocsp"},
};

const struct option_section options_pair = {pairs, COUNT_OF(pairs), NULL};

static const struct option tls[] = {
    {"certificate", .kind = OPTION_FILE, FIELD(tls_config, single.certificate),
     .help = "PEM: the certificate, then those of its chain.", .example = "cert.pem"},
    {"key", .kind = OPTION_FILE, FIELD(tls_config, single.key),
     .help = "PEM: its private key, not encrypted.", .example = "key.pem"},
    {"ocsp", .kind = OPTION_OCSP, FIELD(tls_config, single.ocsp),
     .help =
         "An OCSP response (DER) that clients are shown with the certificate, for as long as it is valid.",
     .example = "cert.ocsp"},
    {"pairs", .kind = OPTION_PAIRS, .section = &options_pair, FIELD(tls_config, pairs),
     .help = "Several certificates with their keys, chosen by the name that the client asks for (SNI): "
             "exact, then "
             "wildcard, then the first.",
     .example = "[{certificate: a.pem, key: a.key}, {certificate: b.pem, key: b.key}]"},
    {"min_version", .kind = OPTION_WORD, .words = tls_versions, FIELD(tls_config, min_version),
     .preset = "1.2", .help = "The oldest TLS that is spoken."},
    {"ciphers", .kind = OPTION_CIPHERS, FIELD(tls_config, ciphers),
     .help = "The cipher suites of TLS 1.2 as OpenSSL writes them. Not given: ECDHE with AES-GCM or "
             "ChaCha20-Poly1305. Those of TLS 1.3 are always OpenSSL's.",
     .example = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"},
    {"client_ca", .kind = OPTION_TRUSTED, FIELD(tls_config, client_ca),
     .help = "PEM: who signs the certificates that clients must have. Workers find a client's subject in "
             "X-Client-Subject.",
     .example = "clients.pem"},
};

const struct option_section options_tls = {tls, COUNT_OF(tls), NULL};

static const struct option listens[] = {
    {"address", .kind = OPTION_ADDRESS, FIELD(listen_config, address),
     .help = "`IP:port`, `[v6]:port`, `unix:/path`; `:port` or a port alone is every IPv4 address of the "
             "machine, "
             "`localhost:port` is 127.0.0.1.",
     .example = "0.0.0.0:8000"},
    {"tls", .kind = OPTION_TLS, .section = &options_tls, FIELD(listen_config, tls),
     .help = "HTTPS with this certificate. A list of `{certificate, key}` is short for `tls: {pairs: ...}`. "
             "Files are "
             "read again at a reload and when they change.",
     .example = "{certificate: cert.pem, key: key.pem}"},
    {"proxy_protocol", .kind = OPTION_SWITCH, FIELD(listen_config, proxy_protocol), .preset = "off",
     .help = "Connections from `trusted_proxies` begin with a PROXY header (version 1 or 2) that names the "
             "client; one without is closed. From anybody "
             "else there is none, and one that is sent is no HTTP."},
    {"http2", .kind = OPTION_SWITCH, FIELD(listen_config, http2), .preset = "on",
     .help = "HTTP/2 is spoken too: with `tls` where the client asks for it (ALPN), without where it begins "
             "with HTTP/2's "
             "preface (prior knowledge). off: HTTP/1 only."},
    {"websocket_over_http2", .kind = OPTION_SWITCH, FIELD(listen_config, websocket_over_http2),
     .preset = "on",
     .help = "WebSockets may be opened on streams of HTTP/2 connections (RFC 8441); workers see an HTTP/1.1 "
             "handshake. off: "
             "clients open an HTTP/1.1 connection for each."},
    {"redirect", .kind = OPTION_REDIRECT, FIELD(listen_config, redirect), .preset = "off",
     .help = "https: every request is answered 308 to the same place under https, at the port of the first "
             "listener with `tls`, or at the port that is "
             "named (`https:443`). ACME challenges and what `expose` shows are answered here all the same.",
     .example = "https"},
    {"expose", .kind = OPTION_EXPOSE, FIELD(listen_config, expose),
     .help =
         "Admin pages shown on this listener too, without process ids, addresses or output: /health/worker, "
         "/health/live, /health/ready.",
     .example = "[/health/ready]"},
};

static const struct option routes[] = {
    {"host", .kind = OPTION_HOST, FIELD(route_config, host),
     .help = "The host that the request names, without port; `*.example.org` is every name below "
             "example.org. Not given: any.",
     .example = "api.example.org"},
    {"path", .kind = OPTION_ROUTE_PATH, FIELD(route_config, path), .preset = "/",
     .help = "Start of the path, by whole segments: /ws matches /ws and /ws/x, not /wsx.", .example = "/ws"},
    {"pool", .kind = OPTION_ROUTE_POOL, FIELD(route_config, pool), .help = "The pool that answers.",
     .example = "web"},
    {"buffering", .kind = OPTION_WORD, .words = bufferings, FIELD(route_config, buffering),
     .help = "As the pool's buffering, for this route. Not given: as the pool has it."},
};

static const struct option queue[] = {
    {"length", COUNT(0, MILLION), POOL(queue_length), .preset = "1024",
     .help = "Most requests that wait; more are answered 503 at once."},
    {"timeout", DURATION(1, HOUR), POOL(queue_timeout), .preset = "10s", .help = "Longest wait; then 503."},
    {"target", DURATION(1, HOUR), POOL(queue_target), .preset = "250ms",
     .help =
         "A queue that stood above this for ten times as long serves the newest first until it is below."},
};

static const struct option range[] = {
    {"min", COUNT(0, WORKERS), POOL(workers_min), .preset = "1",
     .help =
         "Never fewer. 0: without requests for `scale.idle` there is no worker; the next request waits while "
         "one starts."},
    {"max", .kind = OPTION_AUTO, .low = 1, .high = WORKERS, POOL(workers), .preset = "auto",
     .help = "Never more. auto: the smaller of 2 x CPUs + 1 and what memory allows."},
    {"spare", COUNT(0, WORKERS), POOL(spare), .preset = "0",
     .help = "So many more than the demand needs are kept ready."},
};

static const struct option scale[] = {
    {"window", DURATION(10u * SECOND, 600u * SECOND), POOL(scale_window), .preset = "60s",
     .help = "The longest that the demand is measured over: what counts while nothing changes."},
    {"burst_window", DURATION(SECOND, 60u * SECOND), POOL(scale_burst_window), .preset = "6s",
     .help = "The shortest, while nobody waits and there is no burst."},
    {"burst", .kind = OPTION_FACTOR, .low = 1000, .high = 100000, POOL(scale_burst), .preset = "2",
     .help = "When the load of the last moments needs so many times the workers that are there, it is "
             "believed at "
             "once."},
    {"idle", .kind = OPTION_AUTO_DURATION, .low = SECOND, .high = DAY, POOL(scale_idle), .preset = "auto",
     .help =
         "A worker that was not needed for so long is let go. auto: 5 x the measured boot time, 10s to 2m."},
    {"headroom", .kind = OPTION_FACTOR, .low = 0, .high = 100000, POOL(scale_headroom), .preset = "2",
     .help = "Places above the load: so many times its square root."},
    {"dry_run", .kind = OPTION_SWITCH, POOL(dry_run), .preset = "off",
     .help = "Decides and records, but keeps `max` workers."},
};

static const struct option memory[] = {
    {"worker", SIZE(0, 1024ull * GIB), POOL(memory_worker), .preset = "0", .background = ALSO_BACKGROUND,
     .help =
         "A worker that holds more, with all that it has started itself, for some seconds is recycled. 0: "
         "no bound."},
    {"pool", SIZE(0, 1024ull * GIB), POOL(memory_pool), .preset = "0", .background = ALSO_BACKGROUND,
     .help = "What all workers of the pool may hold together: none is started that would not fit. 0: what "
             "the machine and the cgroups leave."},
};

static const struct option recycle[] = {
    {"requests", COUNT(0, 1000u * MILLION), POOL(recycle_requests), .preset = "0",
     .help = "A worker that has answered so many is recycled; a WebSocket's handshake is one. 0: no bound."},
    {"jitter", COUNT(0, 1000u * MILLION), POOL(recycle_jitter), .preset = "0",
     .help = "Up to so many requests more, drawn for each process, so that workers are not due together."},
    {"age", DURATION(0, 40u * DAY), POOL(recycle_age), .preset = "0s", .background = ALSO_BACKGROUND,
     .help = "A process that is older is recycled; each has up to a tenth more. 0: no bound."},
};

static const struct option target[] = {
    {"concurrency", .kind = OPTION_AUTO, .low = 1, .high = LANE, POOL(target_concurrency), .preset = "auto",
     .help = "Requests that one worker carries well. auto: `concurrency` where that is set, else 10."},
    {"tunnels", COUNT(1, LANE), POOL(target_tunnels), .preset = "100",
     .help =
         "WebSockets that one worker carries well; for a request one of them counts as target.concurrency / "
         "target.tunnels of a request."},
    {"rps", COUNT(0, MILLION), POOL(target_rps), .preset = "0", .only = FOR_LAUNCHED,
     .help = "Requests a second that one worker carries well. 0: not used."},
    {"p95", DURATION(0, HOUR), POOL(target_p95), .preset = "0s", .only = FOR_LAUNCHED,
     .help = "The latency to hold: with more than one in twenty responses slower than this, and busy "
             "workers, a sized "
             "pool grows by a quarter. 0: not used."},
};

static const struct option affinity[] = {
    {"cookie", .kind = OPTION_COOKIE, POOL(affinity.cookie),
     .help = "The cookie's name. Workers do not see it; the app must not use a cookie of that name.",
     .example = "worker"},
    {"key", .kind = OPTION_FILE, POOL(affinity.key),
     .help =
         "What the cookie's values are made with: a file of at least 16 bytes. Not given: a random key of "
         "this run "
         "of drover. Needed where several drovers stand before the same servers, or cookies shall outlive "
         "a restart.",
     .example = "affinity.key"},
    {"secret", .kind = OPTION_SECRET, POOL(affinity.secret),
     .help = "The same as a text instead of a file, for secrets that come by the environment.",
     .example = "${AFFINITY_SECRET}"},
    {"same_site", .kind = OPTION_WORD, .words = same_sites, POOL(affinity.same_site), .preset = "lax",
     .help = "The cookie's SameSite. none: for pages of other sites too; such a cookie is always Secure."},
};

static const struct option tunnels[] = {
    {"rebalance", .kind = OPTION_PERCENT, .low = 1, .high = 1000000, POOL(rebalance), .preset = "off",
     .help = "So many of the pool's WebSockets a minute, the oldest first, are closed with 1012 on workers "
             "that hold over 1.3 times the mean, so that their clients come back to emptier ones.",
     .example = "5%"},
};

static const struct option probe[] = {
    {"path", .kind = OPTION_PROBE_PATH, POOL(probe_path),
     .help = "Asked with GET; 2xx and 3xx are good. Not given: only a worker's start is probed, with HEAD /, "
             "where any answer "
             "is good.",
     .example = "/healthz"},
    {"interval", DURATION(100, DAY), POOL(probe_interval), .preset = "5s", .help = "Between two probes."},
    {"timeout", DURATION(1, HOUR), POOL(probe_timeout), .preset = "2s",
     .help = "For one probe, connect to last byte."},
    {"rise", COUNT(1, 1000), POOL(probe_rise), .preset = "2",
     .help = "Good answers in a row that make it healthy again."},
    {"fall", COUNT(1, 1000), POOL(probe_fall), .preset = "3",
     .help = "Bad answers in a row that take it out of the choice."},
};

static const struct option start[] = {
    {"timeout", DURATION(1, DAY), POOL(start_timeout), .preset = "60s",
     .help = "A worker that has not answered by then is ended and started anew."},
    {"backoff", DURATION(1, HOUR), POOL(start_backoff), .preset = "500ms", .background = ALSO_BACKGROUND,
     .help = "Wait after the first failure; doubles with each one in a row, with jitter."},
    {"backoff_max", DURATION(1, DAY), POOL(start_backoff_max), .preset = "30s", .background = ALSO_BACKGROUND,
     .help = "The longest such wait."},
    {"settle", DURATION(0, HOUR), POOL(start_settle), .preset = "1s", .background = ONLY_BACKGROUND,
     .help = "A worker of a background pool that has lived so long is taken for ready: there is nothing to "
             "ask it."},
};

static const struct option stop[] = {
    {"signal", .kind = OPTION_SIGNAL, POOL(stop_signal), .preset = "TERM", .background = ALSO_BACKGROUND,
     .help = "Asks a worker to end: TERM, INT, QUIT, HUP, USR1, USR2, WINCH or KILL.", .example = "QUIT"},
    {"timeout", DURATION(1, DAY), POOL(stop_timeout), .preset = "30s", .background = ALSO_BACKGROUND,
     .help = "Then its whole process group gets KILL."},
};

static const struct option signals[] = {
    {"up", .kind = OPTION_SCALE_SIGNAL, POOL(signal_up), .help = "Asks it for one worker more.",
     .example = "TTIN"},
    {"down", .kind = OPTION_SCALE_SIGNAL, POOL(signal_down), .help = "Asks it for one worker fewer.",
     .example = "TTOU"},
};

static const struct option pool_buffering[] = {
    {"mode", .kind = OPTION_WORD, .words = bufferings, POOL(buffering), .preset = "auto",
     .help = "on: a worker gets each request whole. off: as it comes. auto: on where `concurrency` is set, "
             "else off."},
    {"response_max", SIZE(0, 1024ull * GIB), POOL(response_max), .preset = "1g",
     .help = "Most bytes of a response that a temporary file keeps ahead of a slow client, where requests "
             "are buffered."},
};

static const struct option servers_tls[] = {
    {"ca", .kind = OPTION_TRUSTED, POOL(tls_ca),
     .help = "PEM: who signs the servers' certificates. Not given: whom this machine trusts.",
     .example = "ca.pem"},
    {"verify", .kind = OPTION_SWITCH, POOL(tls_verify), .preset = "on",
     .help = "off: whoever answers is believed. For tests only."},
    {"name", .kind = OPTION_TLS_NAME, POOL(tls_name),
     .help = "The name that is asked for (SNI) and that the certificate must have. Not given: each server's "
             "host.",
     .example = "api.internal"},
};

static const struct option_word kinds[] = {{"proxied", false}, {"background", true}, {NULL, 0}};

static const struct option pools[] = {
    {"kind", .kind = OPTION_WORD, .words = kinds, POOL(is_background), .preset = "proxied",
     .background = ALSO_BACKGROUND,
     .help = "proxied: workers or servers that answer requests. background: workers that listen nowhere, "
             "such as a "
             "scheduler or a consumer of a queue; they are started, watched and stopped like the others."},
    {"command", .kind = OPTION_COMMAND, POOL(command), .only = FOR_LAUNCHED, .background = ALSO_BACKGROUND,
     .help = "What each worker runs: a text, split into words as a shell splits them (no shell is run), or a "
             "list of words. "
             "$PORT, $SOCKET and $WORKER are each worker's own.",
     .example = "uvicorn app:app --uds $SOCKET"},
    {"directory", .kind = OPTION_DIRECTORY, POOL(directory), .preset = ".", .only = FOR_LAUNCHED,
     .background = ALSO_BACKGROUND, .help = "Where the workers start."},
    {"environment", .kind = OPTION_ENVIRONMENT, POOL(environment), .only = FOR_LAUNCHED,
     .background = ALSO_BACKGROUND,
     .help = "On top of drover's own environment (less WEB_CONCURRENCY). $PORT, $SOCKET and $WORKER as in "
             "`command`.",
     .example = "{LOG_LEVEL: info, PORT: $PORT}"},
    {"user", .kind = OPTION_USER, POOL(user), .only = FOR_LAUNCHED, .background = ALSO_BACKGROUND,
     .help = "The workers' user; needs drover to be started as root. Not given: as drover was started.",
     .example = "app"},
    {"bind", .kind = OPTION_WORD, .words = binds, POOL(bind), .preset = "auto", .only = FOR_LAUNCHED,
     .help = "How a worker listens: port (127.0.0.1, $PORT), unix ($SOCKET), or fd (a listening socket "
             "inherited as "
             "descriptor 3, LISTEN_FDS=1). auto: by what the command names ($SOCKET, $PORT, `--fd 3`, "
             "`fd://3`)."},
    {"port", .kind = OPTION_AUTO, .low = 1, .high = 65535, POOL(first_port), .preset = "auto",
     .only = FOR_LAUNCHED,
     .help = "The first port of a range: slot N listens on port + N - 1. Replacements need room: 2 x "
             "`workers` ports are "
             "taken. auto: free ports of the system's choice."},
    {"workers", .kind = OPTION_WORKERS, .section = SECTION(range), .low = 1, .high = WORKERS, POOL(workers),
     .preset = "1", .only = FOR_LAUNCHED, .background = ALSO_BACKGROUND,
     .help = "How many; {min: 1, max: 8}: as many as the demand needs, from 1 to 8. auto: the smaller of 2 x "
             "CPUs + 1 "
             "and what memory allows. The environment variable WEB_CONCURRENCY replaces this in the first "
             "proxied pool that "
             "has a command and no range.",
     .example = "4"},
    {"signals", .kind = OPTION_SECTION, .section = SECTION(signals), .only = FOR_LAUNCHED,
     .help =
         "The pool is one process with workers of its own, a gunicorn master: `workers` of them, added and "
         "taken away by signals and counted by its children. `concurrency` and `target` are of each of "
         "them.",
     .example = "{up: TTIN, down: TTOU}"},
    {"after", .kind = OPTION_AFTER, POOL(after), .only = FOR_LAUNCHED, .background = ALSO_BACKGROUND,
     .help = "Pools with a command that come first: this one is started when each of them has a ready worker "
             "(or is "
             "at zero on purpose), and when drover stops it has ended before theirs are told to.",
     .example = "[web]"},
    {"scale", .kind = OPTION_SECTION, .section = SECTION(scale), .only = FOR_LAUNCHED,
     .help = "How a pool whose `workers` is a range follows the demand (see sizing.md)."},
    {"measure", .kind = OPTION_WORD, .words = measures, POOL(measure), .preset = "proxy",
     .only = FOR_LAUNCHED,
     .help =
         "Who says what a pool that follows the demand is asked to carry. proxy: what passes through "
         "drover. statsd: what gunicorn reports to `statsd` of requests that have ended, for traffic that "
         "goes another way; with `--statsd-prefix` and the pool's name, or without a prefix where one "
         "pool alone has this."},
    {"memory", .kind = OPTION_SECTION, .section = SECTION(memory), .only = FOR_LAUNCHED,
     .background = ALSO_BACKGROUND, .help = "What workers may hold (see sizing.md)."},
    {"recycle", .kind = OPTION_SECTION, .section = SECTION(recycle), .only = FOR_LAUNCHED,
     .background = ALSO_BACKGROUND,
     .help = "When workers are replaced by new processes: one at a time in a pool, the new one ready first."},
    {"servers", .kind = OPTION_SERVERS, POOL(servers), .only = FOR_SERVERS,
     .help = "Backends that drover does not launch, instead of `command`: `host:port`, `[v6]:port` or "
             "`unix:/path`, each with "
             "an optional weight from 1 to 1000. Names are resolved again and again. `https://host:port` "
             "(443 where there is none) is spoken to by TLS.",
     .example = "[api:8000, \"10.0.0.6:8000 weight=2\"]"},
    {"tls", .kind = OPTION_SECTION, .section = SECTION(servers_tls), .only = FOR_SERVERS,
     .help = "How servers with https:// are verified."},
    {"protocol", .kind = OPTION_WORD, .words = protocols, POOL(protocol), .preset = "h1",
     .help = "What its workers or servers speak: h1 (HTTP/1.1), or h2 (HTTP/2 without an upgrade, many "
             "requests on one connection; with "
             "`https://` agreed on by ALPN). gRPC needs h2."},
    {"concurrency", COUNT(0, LANE), POOL(concurrency), .preset = "0",
     .help = "Most requests that one worker holds at once; more wait in the queue. 0: no bound."},
    {"queue", .kind = OPTION_SECTION, .section = SECTION(queue),
     .help = "Where requests wait when every worker is full or none is up yet."},
    {"target", .kind = OPTION_SECTION, .section = SECTION(target), .help = "What one worker can carry."},
    {"balance", .kind = OPTION_WORD, .words = balances, POOL(balance), .preset = "least_conn",
     .help = "Who answers: the worker with the fewest requests in flight, the better of two random ones, or "
             "by a hash of `key`."},
    {"key", .kind = OPTION_HASH_KEY, POOL(hash_key), .preset = "client",
     .help = "What `balance: hash` goes by: `header:NAME`, `cookie:NAME` or `client` (the client's address).",
     .example = "header:X-User"},
    {"affinity", .kind = OPTION_AFFINITY, .section = SECTION(affinity), .preset = "off",
     .help =
         "A client stays with the worker that answered it, by a signed cookie, for as long as that worker "
         "or its "
         "replacement serves; then `balance` chooses anew.",
     .example = "{cookie: worker}"},
    {"tunnels", .kind = OPTION_SECTION, .section = SECTION(tunnels), .only = FOR_LAUNCHED,
     .help = "WebSockets."},
    {"max_fails", COUNT(0, 1000), POOL(max_fails), .preset = "3",
     .help = "Failures within `fail_timeout` that take a worker out of the choice. 0: never."},
    {"fail_timeout", DURATION(1, DAY), POOL(fail_timeout), .preset = "10s",
     .help = "The time in which failures count, and how long a worker then stays out before one request "
             "tries it."},
    {"slow_start", DURATION(0, DAY), POOL(slow_start), .preset = "0s",
     .help = "A worker that is new or back gets its full share only after this time."},
    {"retries", COUNT(0, 100), POOL(retries), .preset = "2",
     .help = "Other workers that a failed request may be sent to."},
    {"probe", .kind = OPTION_SECTION, .section = SECTION(probe),
     .help = "Asks workers and servers how they are."},
    {"start", .kind = OPTION_SECTION, .section = SECTION(start), .only = FOR_LAUNCHED,
     .background = ALSO_BACKGROUND, .help = "Starting workers."},
    {"stop", .kind = OPTION_SECTION, .section = SECTION(stop), .only = FOR_LAUNCHED,
     .background = ALSO_BACKGROUND, .help = "Ending workers."},
    {"buffering", .kind = OPTION_SECTION,
     .section = &(const struct option_section){pool_buffering, COUNT_OF(pool_buffering), "mode"},
     .help = "Whether a worker gets requests whole. `buffering: on` is short for `buffering: {mode: on}`."},
};

const struct option_section options_listen = {listens, COUNT_OF(listens), "address"};
const struct option_section options_route = {routes, COUNT_OF(routes), NULL};
const struct option_section options_pool = {pools, COUNT_OF(pools), NULL};

static const struct option top[] = {
    {"threads", .kind = OPTION_AUTO, .low = 1, .high = 64, TOP(threads), .preset = "auto",
     .help = "Threads that carry traffic. auto: the CPUs that the cgroup's quota and the affinity allow."},
    {"user", .kind = OPTION_USER, TOP(user),
     .help = "What carries the traffic runs as this user when drover was started as root; workers have "
             "`user` in their pool.",
     .example = "www-data"},
    {"listen", .kind = OPTION_LISTENERS, .section = &options_listen, .preset = "0.0.0.0:8000",
     .help = "Where clients connect: a list of addresses, or of maps for more. The environment variable PORT "
             "replaces the port "
             "of the first.",
     .example = "[0.0.0.0:8000]"},
    {"trusted_proxies", .kind = OPTION_NETWORKS, TOP(trusted),
     .help = "Addresses and networks whose X-Forwarded-* are believed and appended to; `unix:` is every peer "
             "on a unix socket.",
     .example = "[10.0.0.0/8, 127.0.0.1]"},
    {"admin", .kind = OPTION_ADMIN, TOP(admin), .preset = "127.0.0.1:9900",
     .help = "Where /health/worker and its kin are served, read-only: an address as in `listen`, or off."},
    {"control", .kind = OPTION_CONTROL, TOP(control), .preset = "auto",
     .help = "The unix socket that `drover status`, `scale`, `reload` and the like talk to. auto: "
             "/run/drover/control.sock as "
             "root, else $XDG_RUNTIME_DIR/drover.sock, else /tmp/drover-UID/control.sock."},
    {"statsd", .kind = OPTION_STATSD, TOP(statsd), .preset = "off",
     .help =
         "The UDP address that gunicorn's `--statsd-host` names, for pools with `measure: statsd`. Whoever "
         "can send there can make those pools larger or smaller: keep it on 127.0.0.1.",
     .example = "127.0.0.1:9125"},
    {"acme", .kind = OPTION_ACME, TOP(acme),
     .help = "The directory of the files that are answered under /.well-known/acme-challenge/, on every "
             "listener: for certbot, uacme and the like.",
     .example = "."},
    {"access_log", .kind = OPTION_ACCESS_LOG, TOP(access_log), .preset = "stdout",
     .help = "off, stdout or a file."},
    {"log_format", .kind = OPTION_WORD, .words = log_formats, TOP(log_format), .preset = "text",
     .help = "Of the access log."},
    {"via", .kind = OPTION_SWITCH, TOP(via), .preset = "on",
     .help = "Adds `Via: 1.1 drover` (RFC 9110 section 7.6.3)."},
    {"underscores", .kind = OPTION_WORD, .words = drop_pass, TOP(keep_underscores), .preset = "drop",
     .help = "What becomes of request fields with an underscore in their name: to many apps X_Y and X-Y are "
             "one."},
    {"timeouts", .kind = OPTION_SECTION, .section = SECTION(timeouts), .help = "How long things may take."},
    {"limits", .kind = OPTION_SECTION, .section = SECTION(limits), .help = "How large things may be."},
    {"routes", .kind = OPTION_ROUTES, .section = &options_route, TOP(routes),
     .help =
         "Which pool answers; the first that matches. Not given: everything goes to the first proxied pool."},
    {"pools", .kind = OPTION_POOLS, .section = &options_pool, TOP(pools),
     .help = "Who answers, by name: each pool has a `command` or `servers`."},
};

const struct option_section options_top = {top, COUNT_OF(top), NULL};
