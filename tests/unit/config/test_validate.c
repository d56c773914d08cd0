/* SPDX-License-Identifier: MIT
 *
 * Wrong files and every line that they get: what is wrong by itself (fill) and what is wrong with something
 * else (validate). */
#include "config/validate.h"

#include <unistd.h>

#include "tests/unit/config/fixture.h"

struct wrong {
    const char *yaml, *said;
};

static void must_say_all(const struct wrong *rows, size_t count)
{
    quiet_environment();
    for (size_t i = 0; i < count; i++)
        must_say(rows[i].yaml, rows[i].said);
}

#define SAY(rows) must_say_all(rows, sizeof(rows) / sizeof *(rows))

START_TEST(keys_that_are_not_known_suggest_the_nearest)
{
    static const struct wrong rows[] = {
        {"thread: 2\n" POOL_A, "t.yaml:1:1: unknown key 'thread', did you mean 'threads'?\n"},
        {"pools:\n  a:\n    command: sh $SOCKET\n    wokers: 4\n",
         "t.yaml:4:5: pools.a: unknown key 'wokers', did you mean 'workers'?\n"},
        {POOL("stickiness: off"), "t.yaml:1:34: pools.a: unknown key 'stickiness'\n"},
        {"listen: [{address: 127.0.0.1:8000, affinity: {}, http3: on}]\n" POOL_A,
         "t.yaml:1:36: listen[0]: unknown key 'affinity'\nt.yaml:1:50: listen[0]: unknown key 'http3', did "
         "you mean 'http2'?\n"},
        {"limits: {connections_per_user: 4}\n" POOL_A,
         "t.yaml:1:10: limits: unknown key 'connections_per_user', did you mean 'connections_per_ip'?\n"},
        {"timeouts: {header: 1s, boddy: 1s}\n" POOL_A,
         "t.yaml:1:24: timeouts: unknown key 'boddy', did you mean 'body'?\n"},
        {"routes: [{pool: a, hots: x}]\n" POOL_A,
         "t.yaml:1:20: routes[0]: unknown key 'hots', did you mean 'host'?\n"},
        {"\"a\\e[2J\": 1\n" POOL_A, "t.yaml:1:1: unknown key 'a\\x1b[2J'\n"},
    };
    SAY(rows);
}
END_TEST

START_TEST(numbers_say_what_was_expected_and_what_stands_there)
{
    static const struct wrong rows[] = {
        {POOL("workers: four"),
         "t.yaml:1:43: pools.a.workers: expected a count, 'auto' or {min, max}, got 'four'\n"},
        {POOL("workers: {min: 9, max: 8}"),
         "t.yaml:1:34: pools.a.workers: expected min to be at most max, got 9 and 8\n"},
        {POOL("workers: {min: 1, most: 8}"), "t.yaml:1:52: pools.a.workers: unknown key 'most'\n"},
        {POOL("workers: [1, 8]"),
         "t.yaml:1:43: pools.a.workers: expected a count, 'auto' or {min, max}, got a list\n"},
        {POOL("scale: {window: 10s, burst_window: 20s}"),
         "t.yaml:1:34: pools.a.scale: expected burst_window to be at most window\n"},
        {POOL("recycle: {jitter: 5}"),
         "t.yaml:1:34: pools.a.recycle: expected jitter only beside requests\n"},
        {POOL("recycle: {age: 20ms}"),
         "t.yaml:1:34: pools.a.recycle: expected an age of at least 1s, or 0, got '20ms'\n"},
        {POOL("scale: {burst: 0.5}"), "t.yaml:1:49: pools.a.scale.burst: expected 1 to 100, got '0.5'\n"},
        {POOL("scale: {burst: x}"),
         "t.yaml:1:49: pools.a.scale.burst: expected a number such as 2 or 1.5, got 'x'\n"},
        {POOL("scale: {idle: never}"),
         "t.yaml:1:48: pools.a.scale.idle: expected a duration such as 10s or 5m, or 'auto', got 'never'\n"},
        {POOL("workers: 0"), "t.yaml:1:43: pools.a.workers: expected 1 to 512 or 'auto', got '0'\n"},
        {POOL("workers: 513"), "t.yaml:1:43: pools.a.workers: expected 1 to 512 or 'auto', got '513'\n"},
        {POOL("workers: -1"),
         "t.yaml:1:43: pools.a.workers: expected a count, 'auto' or {min, max}, got '-1'\n"},
        {POOL("workers: 18446744073709551617"), "t.yaml:1:43: pools.a.workers: expected a count, 'auto' or "
                                                "{min, max}, got '18446744073709551617'\n"},
        {POOL("workers: "),
         "t.yaml:1:43: pools.a.workers: expected a count, 'auto' or {min, max}, got nothing\n"},
        {POOL("retries: 1.5"), "t.yaml:1:43: pools.a.retries: expected a count, got '1.5'\n"},
        {"threads: 65\n" POOL_A, "t.yaml:1:10: threads: expected 1 to 64 or 'auto', got '65'\n"},
        {"timeouts: {body: 10x}\n" POOL_A,
         "t.yaml:1:18: timeouts.body: expected a duration such as 250ms, 10s, 5m or 1h, got '10x'\n"},
        {"timeouts: {header: 0}\n" POOL_A, "t.yaml:1:20: timeouts.header: expected 1ms to 1h, got '0'\n"},
        {"timeouts: {tunnel: 100000h}\n" POOL_A,
         "t.yaml:1:20: timeouts.tunnel: expected 0s to 720h, got '100000h'\n"},
        {"timeouts: 10s\n" POOL_A, "t.yaml:1:11: timeouts: expected a map of options, got '10s'\n"},
        {"timeouts: [10s]\n" POOL_A, "t.yaml:1:11: timeouts: expected a map of options, got a list\n"},
        {"limits: {body: 10x, header: 1g}\n" POOL_A,
         "t.yaml:1:16: limits.body: expected a size such as 64k, 10m or 2g, got '10x'\n"
         "t.yaml:1:29: limits.header: expected 1k to 256k, got '1g'\n"},
        {"limits: {headers: 257}\n" POOL_A, "t.yaml:1:19: limits.headers: expected 1 to 256, got '257'\n"},
        {POOL("start: {backoff: 5s, backoff_max: 1s}"),
         "t.yaml:1:34: pools.a.start: expected backoff_max to be at least backoff\n"},
        {"via: perhaps\n" POOL_A, "t.yaml:1:6: via: expected on or off, got 'perhaps'\n"},
        {"via: [on]\n" POOL_A, "t.yaml:1:6: via: expected on or off, got a list\n"},
        {"log_format: xml\n" POOL_A, "t.yaml:1:13: log_format: expected text or json, got 'xml'\n"},
        {"underscores: on\n" POOL_A, "t.yaml:1:14: underscores: expected drop or pass, got 'on'\n"},
        {POOL("balance: round_robin"),
         "t.yaml:1:43: pools.a.balance: expected least_conn, random_two or hash, got 'round_robin'\n"},
        {POOL("buffering: maybe"),
         "t.yaml:1:45: pools.a.buffering.mode: expected auto, on or off, got 'maybe'\n"},
        {POOL("buffering: {response_max: 2z}"),
         "t.yaml:1:60: pools.a.buffering.response_max: expected a size such as 64k, 10m or 2g, got '2z'\n"},
        {POOL("stop: {signal: STOP}"),
         "t.yaml:1:49: pools.a.stop.signal: expected a signal (TERM, INT, QUIT, HUP, USR1, "
         "USR2, WINCH or KILL), got 'STOP'\n"},
        {POOL("probe: {path: health}"),
         "t.yaml:1:48: pools.a.probe.path: expected a path that begins with /, got 'health'\n"},
        {POOL("probe: {path: '/a b'}"),
         "t.yaml:1:48: pools.a.probe.path: expected a path that begins with /, got '/a b'\n"},
    };
    SAY(rows);
}
END_TEST

START_TEST(commands_say_what_is_wrong_with_them)
{
    static const struct wrong rows[] = {
        {"pools: {a: {command: ''}}\n",
         "t.yaml:1:22: pools.a.command: expected a program, got an empty command\n"},
        {"pools: {a: {command: []}}\n",
         "t.yaml:1:22: pools.a.command: expected a program, got an empty command\n"},
        {"pools: {a: {command: }}\n",
         "t.yaml:1:22: pools.a.command: expected a command: a text or a list of words, got nothing\n"},
        {"pools: {a: {command: {a: b}}}\n",
         "t.yaml:1:22: pools.a.command: expected a command: a text or a list of words, got a map\n"},
        {"pools: {a: {command: [sh, [x]]}}\n",
         "t.yaml:1:27: pools.a.command[1]: expected a word, got a list\n"},
        {"pools: {a: {command: [sh, $HOME]}}\n",
         "t.yaml:1:27: pools.a.command[1]: expected ${HOME} (or $$ for a dollar), got '$HOME'\n"},
        {"pools: {a: {command: sh $SOCKET | cat}}\n", "t.yaml:1:22: pools.a.command: expected words without "
                                                      "shell operators (quote the '|', or use: sh -c '...'), "
                                                      "got '|'\n"},
        {"pools: {a: {command: sh 'x}}\n", "t.yaml:1:22: pools.a.command: expected a closing '\n"},
        {"pools: {a: {command: no-such-program $SOCKET}}\n",
         "t.yaml:1:22: pools.a.command: expected a program, 'no-such-program' is in no directory of PATH\n"},
        {"pools: {a: {command: ./no-such $SOCKET}}\n",
         "t.yaml:1:22: pools.a.command: expected a program, got './no-such' (No such file or directory)\n"},
        {"pools: {a: {command: /etc/passwd $SOCKET}}\n",
         "t.yaml:1:22: pools.a.command: expected a program, got '/etc/passwd' (Permission denied)\n"},
        {"pools: {a: {command: /etc $SOCKET}}\n",
         "t.yaml:1:22: pools.a.command: expected a program, got '/etc' (Is a directory)\n"},
        {"pools: {a: {command: A=b sh $SOCKET}}\n", "t.yaml:1:22: pools.a.command: expected a program first, "
                                                    "got 'A=b' (variables belong under 'environment')\n"},
        {"pools: {a: {command: sh $SOCKET $PORT}}\n",
         "t.yaml:1:22: pools.a.command: expected $SOCKET or $PORT, got both: say which with 'bind'\n"},
        {POOL("bind: port"), "t.yaml:1:40: pools.a.bind: expected unix, as $SOCKET is named, got 'port'\n"},
        {"pools: {a: {command: sh $PORT, bind: fd}}\n",
         "t.yaml:1:38: pools.a.bind: expected port, as $PORT is named, got 'fd'\n"},
        {POOL("port: 9000"), "t.yaml:1:40: pools.a.port: expected none, as workers with 'bind: unix' have no "
                             "ports, got '9000'\n"},
        {POOL("user: no-such-user"),
         "t.yaml:1:40: pools.a.user: expected a user of this machine, got 'no-such-user'\n"},
        {POOL("environment: [A=b]"),
         "t.yaml:1:47: pools.a.environment: expected a map of texts by name, got a list\n"},
        {POOL("environment: {A: , B: [x], C=d: e}"),
         "t.yaml:1:51: pools.a.environment.A: expected a text (\"\" for an empty one), got nothing\n"
         "t.yaml:1:56: pools.a.environment.B: expected a text (\"\" for an empty one), got a list\n"
         "t.yaml:1:61: pools.a.environment.C=d: expected a variable's name without = and $, got 'C=d'\n"},
    };
    SAY(rows);
    char *said = errors_of(POOL("directory: /no/such"));
    ck_assert_str_eq(
        said,
        "t.yaml:1:45: pools.a.directory: expected a directory, got '/no/such' (No such file or directory)\n");
    mem_free(said);
    said = errors_of(POOL("directory: /etc/passwd"));
    ck_assert_str_eq(
        said, "t.yaml:1:45: pools.a.directory: expected a directory, got '/etc/passwd' (Not a directory)\n");
    mem_free(said);
}
END_TEST

START_TEST(pools_are_either_launched_or_servers)
{
    static const struct wrong rows[] = {
        {"", "t.yaml:1:1: pools: expected at least one pool with a 'command' or 'servers', got none\n"},
        {"pools:\n",
         "t.yaml:1:1: pools: expected at least one pool with a 'command' or 'servers', got none\n"},
        {"pools: {}\n",
         "t.yaml:1:1: pools: expected at least one pool with a 'command' or 'servers', got none\n"},
        {"pools: [a]\n", "t.yaml:1:8: pools: expected a map of pools by name, got a list\n"},
        {"- a\n", "t.yaml:1:1: expected a map of options, got a list\n"},
        {"pools: {a: {}}\n", "t.yaml:1:9: pools.a: expected a 'command' or 'servers', got neither\n"},
        {"pools: {a: }\n", "t.yaml:1:9: pools.a: expected a 'command' or 'servers', got neither\n"},
        {"pools: {a: 5}\n", "t.yaml:1:12: pools.a: expected a map of options, got '5'\n"},
        {POOL("servers: [b:1]"),
         "t.yaml:1:34: pools.a.servers: expected either 'command' or 'servers', got both\n"},
        {"pools: {a: {servers: [b:1], workers: 2, stop: {timeout: 1s}}}\n",
         "t.yaml:1:29: pools.a.workers: is only for pools with a 'command'; this one has 'servers'\n"
         "t.yaml:1:41: pools.a.stop: is only for pools with a 'command'; this one has 'servers'\n"},
        {"pools: {a.b: {servers: [b:1]}}\n",
         "t.yaml:1:9: pools: expected a pool's name of at most 63 letters, digits, _ and -, got 'a.b'\n"},
        {"pools: {a: {servers: [b:1]}, a: {servers: [c:1]}}\n",
         "t.yaml:1:30: key 'a' stands here twice, first at 1:9\n"},
        {POOL("key: client"), "t.yaml:1:39: pools.a.key: is only for 'balance: hash'\n"},
        {POOL("balance: hash, key: 'header:X Y'"),
         "t.yaml:1:54: pools.a.key: expected header:NAME, cookie:NAME or client, got 'header:X Y'\n"},
        {POOL("balance: hash, key: 'cookie:'"),
         "t.yaml:1:54: pools.a.key: expected header:NAME, cookie:NAME or client, got 'cookie:'\n"},
        {"pools: {a: {command: sh $SOCKET, workers: 400}, b: {command: sh $SOCKET, workers: 400}}\n",
         "t.yaml:1:1: pools: expected at most 1024 places in all pools (2 a worker, 1 a server), got 1600\n"},
    };
    SAY(rows);
}
END_TEST

START_TEST(servers_are_addresses_with_perhaps_a_weight)
{
#define SERVER(text, column, expected)                                                                       \
    {                                                                                                        \
        "pools: {a: {servers: [\"" text "\"]}}\n",                                                           \
            "t.yaml:1:23: pools.a.servers[0]: expected " expected ", got '" text "'\n"                       \
    }
#define FORM "host:port, [v6]:port, unix:/path or https://host:port, then perhaps weight=N"
    static const struct wrong rows[] = {
        SERVER("api", 23, FORM),
        SERVER("api:0", 23, FORM),
        SERVER("api:65536", 23, FORM),
        SERVER("", 23, FORM),
        SERVER(":80", 23, FORM),
        SERVER("10.0.0.256:80", 23, FORM),
        SERVER("::1:80", 23, FORM),
        SERVER("[api]:80", 23, FORM),
        SERVER("http://api:80", 23, FORM),
        SERVER("a..b:80", 23, FORM),
        SERVER("unix:", 23, FORM),
        SERVER("api:80 waight=2", 23, FORM),
        SERVER("api:80 weight=", 23, FORM),
        SERVER("api:80 backup", 23, FORM),
        {"pools: {a: {servers: [\"api:80 weight=0\", \"b:80 weight=1001\"]}}\n",
         "t.yaml:1:23: pools.a.servers[0]: expected a weight from 1 to 1000, got 'weight=0'\n"
         "t.yaml:1:42: pools.a.servers[1]: expected a weight from 1 to 1000, got 'weight=1001'\n"},
        {"pools: {a: {servers: []}}\n",
         "t.yaml:1:22: pools.a.servers: expected at least one server, got an empty list\n"},
        {"pools: {a: {servers: }}\n", "t.yaml:1:22: pools.a.servers: expected " FORM ", got nothing\n"},
        {"pools: {a: {servers: [{api: 80}]}}\n",
         "t.yaml:1:23: pools.a.servers[0]: expected " FORM ", got a map\n"},
        {"pools: {a: {servers: [b:1, \"b:1 weight=2\"]}}\n",
         "t.yaml:1:28: pools.a.servers[1]: expected each server once (weight=N gives one more), got 'b:1'\n"},
        {"pools: {a: {servers: [localhost:8000]}}\n",
         "t.yaml:1:23: pools.a.servers[0]: expected another server, 'localhost:8000' is listen[0] of drover "
         "itself\n"},
    };
    SAY(rows);
}
END_TEST

START_TEST(addresses_are_addresses_and_nobody_elses)
{
    static const struct wrong rows[] = {
        {"listen: [example.org:80]\n" POOL_A, "t.yaml:1:10: listen[0]: expected an address: IP:port, "
                                              "[v6]:port or unix:/path, got 'example.org:80'\n"},
        {"listen: [0.0.0.0]\n" POOL_A,
         "t.yaml:1:10: listen[0]: expected an address: IP:port, [v6]:port or unix:/path, got '0.0.0.0'\n"},
        {"listen: [70000]\n" POOL_A,
         "t.yaml:1:10: listen[0]: expected an address: IP:port, [v6]:port or unix:/path, got '70000'\n"},
        {"listen: [\"unix:\"]\n" POOL_A,
         "t.yaml:1:10: listen[0]: expected an address: IP:port, [v6]:port or unix:/path, got 'unix:'\n"},
        {"listen:\n" POOL_A, "t.yaml:1:8: listen: expected a list of addresses, got nothing\n"},
        {"listen: [{expose: [/health/live]}]\n" POOL_A, "t.yaml:1:10: listen[0]: expected an 'address'\n"},
        {"listen: [{address: 80, expose: [/metrics]}]\n" POOL_A,
         "t.yaml:1:33: listen[0].expose: expected /health/worker, /health/live or /health/ready, got "
         "'/metrics'\n"},
        {"listen: [0.0.0.0:8000, 127.0.0.1:8000]\n" POOL_A,
         "t.yaml:1:24: listen[1]: expected an address of its own, '127.0.0.1:8000' is taken by listen[0] "
         "('0.0.0.0:8000')\n"},
        {"listen: ['[::]:80', '[::1]:80']\n" POOL_A, "t.yaml:1:21: listen[1]: expected an address of its "
                                                     "own, '[::1]:80' is taken by listen[0] ('[::]:80')\n"},
        {"listen: [unix:/a/b, unix:/a/b]\n" POOL_A, "t.yaml:1:21: listen[1]: expected an address of its own, "
                                                    "'unix:/a/b' is taken by listen[0] ('unix:/a/b')\n"},
        {"listen: 127.0.0.1:9900\n" POOL_A,
         "t.yaml:1:9: listen[0]: expected an address of its own, '127.0.0.1:9900' is taken by 'admin'\n"},
        {"listen: unix:/a/c\ncontrol: /a/c\n" POOL_A,
         "t.yaml:1:9: listen[0]: expected an address of its own, 'unix:/a/c' is taken by 'control'\n"},
        {"admin: unix:/a/c\ncontrol: /a/c\n" POOL_A,
         "t.yaml:1:8: admin: expected an address of its own, '/a/c' is taken by 'control'\n"},
        {"admin: on\n" POOL_A,
         "t.yaml:1:8: admin: expected an address (IP:port, [v6]:port or unix:/path) or off, got 'on'\n"},
        {"trusted_proxies: [10.0.0.0/33, example.org]\n" POOL_A,
         "t.yaml:1:19: trusted_proxies[0]: expected an IP address, a network such as 10.0.0.0/8, or unix:, "
         "got '10.0.0.0/33'\n"
         "t.yaml:1:32: trusted_proxies[1]: expected an IP address, a network such as 10.0.0.0/8, or unix:, "
         "got 'example.org'\n"},
        {"control: "
         "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaa"
         "\n" POOL_A,
         "t.yaml:1:10: control: expected a path of at most 107 bytes, got "
         "'/"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaa'\n"},
        {"access_log: /no/such/file\n" POOL_A, "t.yaml:1:13: access_log: expected a file in a directory that "
                                               "exists, '/no/such': No such file or directory\n"},
        {"access_log: stderr\n" POOL_A,
         "t.yaml:1:13: access_log: expected off, stdout or a path, got 'stderr'\n"},
        {"access_log: /etc\n" POOL_A, "t.yaml:1:13: access_log: expected a file, '/etc' is a directory\n"},
        {"user: no-such-user\n" POOL_A,
         "t.yaml:1:7: user: expected a user of this machine, got 'no-such-user'\n"},
    };
    SAY(rows);
}
END_TEST

START_TEST(ranges_of_ports_need_room_and_do_not_overlap)
{
#define RANGE(name, port, workers) name ": {command: sh $PORT, port: " port ", workers: " workers "}"
    static const struct wrong rows[] = {
        {"pools: {" RANGE("a", "9000", "4") ", " RANGE("b", "9007", "1") "}\n",
         "t.yaml:1:86: pools.b.port: expected ports of its own, 9007 to 9008 (2 x workers) overlap 9000 to "
         "9007 of pool 'a'\n"},
        {"pools: {" RANGE("a", "65530", "4") "}\n", "t.yaml:1:38: pools.a.port: expected room for 8 ports (2 "
                                                    "x workers, for replacements), got 65530 to 65535\n"},
        {"pools: {" RANGE("a", "7999", "1") "}\n",
         "t.yaml:1:38: pools.a.port: expected ports of its own, 7999 to 8000 (2 x workers) hold listen[0] "
         "('0.0.0.0:8000')\n"},
        {"pools: {" RANGE("a", "9895", "4") "}\n",
         "t.yaml:1:38: pools.a.port: expected ports of its own, 9895 to 9902 (2 x workers) hold 'admin'\n"},
        {"pools: {" RANGE("a", "70000", "4") "}\n",
         "t.yaml:1:38: pools.a.port: expected 1 to 65535 or 'auto', got '70000'\n"},
    };
    SAY(rows);
    struct config *config = load("listen: [10.1.2.3:9001, '[::1]:9002']\npools: {" RANGE(
        "a", "9000", "4") ", " RANGE("b", "9008", "2") "}\n");
    config_unref(&config);
}
END_TEST

START_TEST(routes_lead_to_pools_by_paths_that_can_match)
{
#define PATH_FORM "a path that begins with / (ASCII, no empty or dot segments, no %, ? or #)"
    static const struct wrong rows[] = {
        {"routes: [{pool: b}]\n" POOL_A,
         "t.yaml:1:17: routes[0].pool: expected the name of a pool, got 'b'\n"},
        {"routes: [{path: /x}]\n" POOL_A, "t.yaml:1:10: routes[0]: expected a 'pool'\n"},
        {"routes: {pool: a}\n" POOL_A,
         "t.yaml:1:9: routes: expected a list of {host, path, pool}, got a map\n"},
        {"routes: [a]\n" POOL_A, "t.yaml:1:10: routes[0]: expected a map of host, path and pool, got 'a'\n"},
        {"routes: [{path: x, pool: a}]\n" POOL_A,
         "t.yaml:1:17: routes[0].path: expected " PATH_FORM ", got 'x'\n"},
        {"routes: [{path: /a//b, pool: a}]\n" POOL_A,
         "t.yaml:1:17: routes[0].path: expected " PATH_FORM ", got '/a//b'\n"},
        {"routes: [{path: /a/../b, pool: a}]\n" POOL_A,
         "t.yaml:1:17: routes[0].path: expected " PATH_FORM ", got '/a/../b'\n"},
        {"routes: [{path: /a?b, pool: a}]\n" POOL_A,
         "t.yaml:1:17: routes[0].path: expected " PATH_FORM ", got '/a?b'\n"},
        {"routes: [{path: /%61, pool: a}]\n" POOL_A,
         "t.yaml:1:17: routes[0].path: expected " PATH_FORM ", got '/%61'\n"},
        {"routes: [{host: 'a:80', pool: a}]\n" POOL_A,
         "t.yaml:1:17: routes[0].host: expected a host name without port, or *.name, got 'a:80'\n"},
        {"routes: [{host: '*', pool: a}]\n" POOL_A,
         "t.yaml:1:17: routes[0].host: expected a host name without port, or *.name, got '*'\n"},
        {"routes: [{host: a.*, pool: a}]\n" POOL_A,
         "t.yaml:1:17: routes[0].host: expected a host name without port, or *.name, got 'a.*'\n"},
    };
    SAY(rows);
}
END_TEST

START_TEST(what_the_environment_gave_is_told_with_where_it_came_from)
{
    quiet_environment();
    setenv("N", "many", 1);
    unsetenv("NONE");
    must_say("threads: ${N}\nlog_format: ${NONE:-xml}\nuser: ${NONE}\nadmin: $N\n" POOL_A,
             "t.yaml:1:10: threads: expected a count or 'auto', got 'many' (from '${N}')\n"
             "t.yaml:2:13: log_format: expected text or json, got 'xml' (from '${NONE:-xml}')\n"
             "t.yaml:3:7: user: expected NONE in the environment, or a default as in ${NONE:-default}, got "
             "'${NONE}'\n"
             "t.yaml:4:8: admin: expected ${N} (or $$ for a dollar), got '$N'\n");
    setenv("WEB_CONCURRENCY", "0", 1);
    setenv("PORT", "http", 1);
    must_say(POOL_A, "t.yaml: WEB_CONCURRENCY: expected 1 to 512 or 'auto' in the environment, got '0'\n"
                     "t.yaml: PORT: expected a port from 1 to 65535 in the environment, got 'http'\n");
}
END_TEST

START_TEST(everything_wrong_is_told_at_once)
{
    quiet_environment();
    must_say("threads: x\npools:\n  a: {command: sh $SOCKET, workers: y}\n  b: {}\nbogus: 1\n",
             "t.yaml:1:10: threads: expected a count or 'auto', got 'x'\n"
             "t.yaml:3:37: pools.a.workers: expected a count, 'auto' or {min, max}, got 'y'\n"
             "t.yaml:4:3: pools.b: expected a 'command' or 'servers', got neither\n"
             "t.yaml:5:1: unknown key 'bogus'\n");
}
END_TEST

START_TEST(a_measure_by_statsd_needs_the_place_where_it_comes_in)
{
    static const struct wrong rows[] = {
        {POOL("measure: statsd"),
         "t.yaml:1:43: pools.a.measure: expected proxy, as there is no 'statsd' that "
         "says where reports come in, got 'statsd'\n"},
        {POOL("measure: graphite"),
         "t.yaml:1:43: pools.a.measure: expected proxy or statsd, got 'graphite'\n"},
        {"statsd: 127.0.0.1:9125\n" POOL("measure: statsd, workers: {min: 0, max: 2}"),
         "t.yaml:2:51: pools.a.workers: expected min to be at least 1, as nobody reports a request that "
         "finds "
         "no worker ('measure: statsd'), got 0\n"},
        {"statsd: unix:/run/x\n" POOL_A,
         "t.yaml:1:9: statsd: expected an address (IP:port or [v6]:port) or off, got 'unix:/run/x'\n"},
        {"statsd: on\n" POOL_A,
         "t.yaml:1:9: statsd: expected an address (IP:port or [v6]:port) or off, got 'on'\n"},
    };
    SAY(rows);
    char *said = warnings_of("statsd: 0.0.0.0:9125\n" POOL("measure: statsd"));
    ck_assert_ptr_nonnull(strstr(said, "t.yaml:1:9: warning: statsd: not on this machine alone"));
    mem_free(said);
    said = warnings_of("statsd: '[::1]:9125'\n" POOL_A);
    ck_assert_ptr_null(strstr(said, "not on this machine alone"));
    ck_assert_ptr_nonnull(strstr(said, "t.yaml:1:9: warning: statsd: changes nothing"));
    mem_free(said);
}
END_TEST

START_TEST(signals_are_two_that_ask_for_more_and_for_fewer)
{
    static const struct wrong rows[] = {
        {POOL("signals: {up: TTIN}"), "t.yaml:1:34: pools.a.signals: expected both 'up' and 'down'\n"},
        {POOL("signals: {}"), "t.yaml:1:34: pools.a.signals: expected both 'up' and 'down'\n"},
        {POOL("signals: {up: TTIN, down: SIGTTIN}"),
         "t.yaml:1:34: pools.a.signals: expected two signals, got the same for 'up' and 'down'\n"},
        {POOL("signals: {up: KILL, down: TTOU}"),
         "t.yaml:1:48: pools.a.signals.up: expected a signal (TTIN, TTOU, USR1 or USR2), got 'KILL'\n"},
        {POOL("stop: {signal: TTIN}"),
         "t.yaml:1:49: pools.a.stop.signal: expected a signal (TERM, INT, QUIT, "
         "HUP, USR1, USR2, WINCH or KILL), got 'TTIN'\n"},
        {"pools: {a: {servers: [x:1], signals: {up: TTIN, down: TTOU}}}\n",
         "t.yaml:1:29: pools.a.signals: is only for pools with a 'command'; this one has 'servers'\n"},
    };
    SAY(rows);
    struct config *config = load(
        "pools: {a: {command: sh $PORT, port: 9000, workers: {min: 1, max: 200}, signals: {up: TTIN, down: "
        "TTOU}}, b: {command: sh $PORT, port: 9002, workers: 1}}\n"); /* one process, and its replacement */
    ck_assert_uint_eq(config_processes(&config->pools[0]), 1);
    config_unref(&config);
}
END_TEST

START_TEST(a_pool_that_speaks_http2_is_never_buffered)
{
    static const struct wrong rows[] = {
        {POOL("protocol: h2, buffering: on"),
         "t.yaml:1:59: pools.a.buffering: expected auto or off, as 'protocol: h2' "
         "is never buffered, got 'on'\n"},
        {"routes: [{path: /, pool: a, buffering: on}]\n" POOL("protocol: h2"),
         "t.yaml:1:40: routes[0].buffering: expected auto or off, as pool 'a' has 'protocol: h2', got "
         "'on'\n"},
        {POOL("protocol: grpc"), "t.yaml:1:44: pools.a.protocol: expected h1 or h2, got 'grpc'\n"},
    };
    SAY(rows);
}
END_TEST

START_TEST(warnings_tell_what_will_bite)
{
    quiet_environment();
    char *said =
        warnings_of("user: root\nroutes: [{path: /, pool: a}, {path: /x, pool: b}, {host: h, pool: a}]\n"
                    "pools: {a: {servers: [x:1]}, b: {servers: [x:2]}, c: {servers: [x:3]}}\n");
    ck_assert_ptr_nonnull(
        strstr(said, "t.yaml:2:30: warning: routes[1]: never used: routes[0] takes all of it before\n"));
    ck_assert_ptr_nonnull(
        strstr(said, "t.yaml:2:51: warning: routes[2]: never used: routes[0] takes all of it before\n"));
    ck_assert_ptr_nonnull(strstr(said, "t.yaml:3:51: warning: pools.c: no route leads here\n"));
    mem_free(said);
    said = warnings_of(
        "routes: [{host: '*.a.org', pool: a}, {host: b.a.org, pool: a}, {host: a.org, pool: a}, {pool: a}]\n"
        "pools: {a: {command: sh x}}\n");
    ck_assert_ptr_nonnull(strstr(said, "warning: routes[1]: never used"));
    ck_assert_ptr_null(strstr(said, "warning: routes[2]"));
    ck_assert_ptr_null(strstr(said, "warning: routes[3]"));
    ck_assert_ptr_nonnull(
        strstr(said, "t.yaml:2:22: warning: pools.a.command: names neither $PORT nor $SOCKET"));
    mem_free(said);
}
END_TEST

START_TEST(workers_that_stay_root_beside_a_user_are_warned_of)
{
    if (geteuid() != 0)
        return;
    quiet_environment();
    char *said = warnings_of("user: nobody\nroutes: [{path: /b, pool: b}, {path: /c, pool: c}, {pool: a}]\n"
                             "pools: {a: {command: sh $SOCKET}, b: {command: sh $SOCKET, user: nobody}, "
                             "c: {servers: [x:3]}}\n");
    ck_assert_str_eq(said, "t.yaml:3:9: warning: pools.a.user: not set: these workers run as root (the "
                           "top-level 'user' is not theirs)\n");
    mem_free(said);
    said = warnings_of("user: root\npools: {a: {command: sh $SOCKET}}\n");
    ck_assert_str_eq(said, "");
    mem_free(said);
}
END_TEST

START_TEST(addresses_overlap_when_one_is_every_address)
{
    static const struct {
        const char *a, *b;
        bool overlap;
    } rows[] = {{"0.0.0.0:80", "127.0.0.1:80", true},  {"0.0.0.0:80", "127.0.0.1:81", false},
                {"1.2.3.4:80", "127.0.0.1:80", false}, {"[::]:80", "[::1]:80", true},
                {"[::]:80", "127.0.0.1:80", false},    {"unix:/a", "unix:/a", true},
                {"unix:/a", "unix:/b", false},         {"unix:/a", "127.0.0.1:80", false}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct address a, b;
        ck_assert(address_parse(&a, slice_of(rows[i].a)) && address_parse(&b, slice_of(rows[i].b)));
        ck_assert(addresses_overlap(&a, &b) == rows[i].overlap &&
                  addresses_overlap(&b, &a) == rows[i].overlap);
    }
}
END_TEST

UNIT_MAIN("config/validate", keys_that_are_not_known_suggest_the_nearest,
          numbers_say_what_was_expected_and_what_stands_there, commands_say_what_is_wrong_with_them,
          pools_are_either_launched_or_servers, servers_are_addresses_with_perhaps_a_weight,
          addresses_are_addresses_and_nobody_elses, ranges_of_ports_need_room_and_do_not_overlap,
          routes_lead_to_pools_by_paths_that_can_match,
          what_the_environment_gave_is_told_with_where_it_came_from, everything_wrong_is_told_at_once,
          a_measure_by_statsd_needs_the_place_where_it_comes_in,
          signals_are_two_that_ask_for_more_and_for_fewer, a_pool_that_speaks_http2_is_never_buffered,
          warnings_tell_what_will_bite, workers_that_stay_root_beside_a_user_are_warned_of,
          addresses_overlap_when_one_is_every_address)
