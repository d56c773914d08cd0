# SPDX-License-Identifier: MIT
"""Words, files and their mistakes: nothing is started while something is wrong, and all of it is told."""
import os
import re
import signal
import socket

from kit import APPS, PYTHON, Skipped, children, free_port, get, plain, scenario, until

GOOD = """\
listen: [127.0.0.1:{port}]
admin: 127.0.0.1:{admin}
control: control/sock
pools:
  web:
    command: {python} {apps}/plain.py --port $PORT
    workers: 2
"""


def good():
    return GOOD.format(port=free_port(), admin=free_port(), python=PYTHON, apps=APPS)


def check(stage, text, status=2, environment=None):
    """`drover check` of this file -> its errors, a line each."""
    stage.write("drover.yaml", text)
    result = stage.run("-c", "drover.yaml", "check", environment=environment)
    assert result.returncode == status, (result.returncode, result.stdout, result.stderr)
    return [line for line in result.stderr.splitlines() if ": warning: " not in line]


def expect(lines, place, key, *words):
    """One of the lines is at that place, about that key, and has those words."""
    start = f"drover.yaml:{place}"
    for line in lines:
        if line.startswith(start) and f" {key}: " in line and all(word in line for word in words):
            return
    raise AssertionError(f"nothing at {place} about {key} with {words} in {lines}")


@scenario()
def help_fits_one_screen_and_version_is_told(stage):
    result = stage.run("--help")
    assert result.returncode == 0 and len(result.stdout.splitlines()) <= 40, result.stdout
    for word in ("check", "status", "scale", "drain", "reload", "stop", "-c"):
        assert word in result.stdout, word
    assert all(len(line) <= 100 for line in result.stdout.splitlines())
    assert re.match(r"drover \d+\.\d+", stage.run("--version").stdout)


@scenario()
def wrong_use_is_told_and_exits_2(stage):
    for words in (["frobnicate"], ["--nonsense"], ["-c"], ["scale"], ["scale", "web"], ["drain"], ["-w", "4"], ["--"]):
        result = stage.run(*words)
        assert result.returncode == 2, (words, result)
        assert result.stderr.strip() and not result.stdout, (words, result)
    assert "status" in stage.run("statsu").stderr


@scenario()
def without_a_file_or_a_command_it_says_what_it_looked_for(stage):
    if os.path.exists("/etc/drover/drover.yaml"):
        raise Skipped("this machine has an /etc/drover/drover.yaml")
    result = stage.run()
    assert result.returncode == 2 and "drover.yaml" in result.stderr, result
    result = stage.run("-c", "nowhere.yaml")
    assert result.returncode == 2 and "nowhere.yaml" in result.stderr, result


@scenario()
def a_command_that_finds_no_running_drover_exits_3(stage):
    stage.write("drover.yaml", good())
    for words in (["status"], ["status", "--json"], ["scale", "web", "3"], ["reload"], ["stop"], ["drain", "web.1"]):
        result = stage.run("-c", "drover.yaml", *words)
        assert result.returncode == 3 and result.stderr.strip(), (words, result)


@scenario()
def a_good_file_is_good(stage):
    assert check(stage, good(), status=0) == []


@scenario()
def every_error_is_shown_with_its_place_key_and_what_was_expected(stage):
    lines = check(stage, """\
threads: many
listen: [127.0.0.1:99999]
timeouts:
  response: 10 parsecs
  respons: 10s
limits: {body: 10q}
log_format: xml
pools:
  web:
    comand: python3 app.py
    command: "true"
    workers: four
    balance: roundrobin
    stop: {signal: NONSENSE}
routes:
  - {path: /, pool: nobody}
""")
    expect(lines, "1:10:", "threads", "expected", "'many'")
    expect(lines, "2:10:", "listen[0]", "expected", "99999")
    expect(lines, "4:13:", "timeouts.response", "expected", "10 parsecs")
    expect(lines, "5:3:", "timeouts", "unknown", "'respons'", "'response'")
    expect(lines, "6:", "limits.body", "expected", "10q")
    expect(lines, "7:13:", "log_format", "text", "json", "xml")
    expect(lines, "10:5:", "pools.web", "unknown", "'comand'", "'command'")
    expect(lines, "12:14:", "pools.web.workers", "expected", "'four'")
    expect(lines, "13:", "pools.web.balance", "least_conn", "roundrobin")
    expect(lines, "14:", "pools.web.stop.signal", "NONSENSE")
    assert any(line.startswith("drover.yaml:16:") and "nobody" in line for line in lines), lines


@scenario()
def what_does_not_work_yet_is_an_unknown_key(stage):
    lines = check(stage, """\
listen:
  - {address: 127.0.0.1:8443, http3: on}
pools:
  web:
    command: "true"
    workers: 2
""")
    for key in ("http3",):
        assert any("unknown" in line and key in line for line in lines), (key, lines)


@scenario()
def yaml_that_is_no_yaml_is_told_with_its_place(stage):
    lines = check(stage, "listen: [127.0.0.1:8000\npools: {\n")
    assert len(lines) >= 1 and re.match(r"drover\.yaml:\d+:\d+: ", lines[0]), lines
    assert check(stage, "") and check(stage, "- a list\n") and check(stage, "pools: {}\n")
    lines = check(stage, good() + "pools: {}\n")
    assert any("pools" in line for line in lines), "a key that stands twice is an error"


@scenario()
def names_from_the_environment_are_filled_in_by_composes_rules(stage):
    text = good().replace("workers: 2", "workers: ${COUNT}\n    environment: {COLOUR: '${COLOUR:-blue}', PRICE: 'a$$b'}")
    assert check(stage, text, 0, {"COUNT": "3"}) == []
    lines = check(stage, text)
    assert any("COUNT" in line and "pools.web.workers" in line for line in lines), lines
    assert any("please" in line for line in check(stage, good().replace("workers: 2", "workers: '${COUNT:?please}'")))
    assert any("$COUNT" in line or "COUNT" in line for line in check(stage, good().replace("workers: 2", "workers: $COUNT"), environment={"COUNT": "3"}))
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": "${COUNT:-1}",
                                                "environment": {"COLOUR": "${COLOUR:-blue}", "PRICE": "a$$b", "WHERE": "at $PORT"}}}))
    seen = drover.get("/environment").json()
    assert (seen["COLOUR"], seen["PRICE"], seen["WHERE"]) == ("blue", "a$b", f"at {seen['PORT']}"), seen


@scenario()
def a_worker_has_drovers_environment_less_web_concurrency_and_its_own_names(stage):
    drover = stage.web(workers=1, environment={"WEB_CONCURRENCY": "3", "FAMILIAR": "yes"})
    assert len(drover.workers()) == 3, "WEB_CONCURRENCY replaces `workers`"
    seen = drover.get("/environment").json()
    assert seen["FAMILIAR"] == "yes" and "WEB_CONCURRENCY" not in seen
    assert seen["WORKER"].startswith("web.") and seen["PORT"].isdigit()


@scenario()
def the_environments_port_replaces_the_first_listeners(stage):
    port = free_port()
    drover = stage.drover(stage.config({"web": {"command": plain()}}), environment={"PORT": str(port)})
    assert get(port).status == 200
    assert drover.stop() == 0


@scenario()
def a_wrong_file_starts_nothing(stage):
    mark = stage.path("started")
    stage.write("drover.yaml", good().replace("command: ", f"command: touch {mark} #").replace("workers: 2", "workers: none"))
    result = stage.run("-c", "drover.yaml")
    assert result.returncode == 2 and "pools.web.workers" in result.stderr, result
    assert not os.path.exists(mark)


@scenario()
def a_command_or_directory_that_is_not_there_is_one_clear_line(stage):
    for old, new, key, word in ((f"{PYTHON} ", "/no/such/program ", "pools.web.command", "/no/such/program"),
                                (f"{PYTHON} ", "nosuchprogram ", "pools.web.command", "nosuchprogram"),
                                ("workers: 2", "directory: nowhere", "pools.web.directory", "nowhere"),
                                ("workers: 2", "user: nosuchuser", "pools.web.user", "nosuchuser")):
        stage.write("drover.yaml", good().replace(old, new))
        result = stage.run("-c", "drover.yaml")
        lines = [line for line in result.stderr.splitlines() if key in line and word in line]
        assert result.returncode == 2 and lines, (new, result)


@scenario()
def a_port_already_taken_is_told_with_its_key_and_nothing_is_started(stage):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        for old in ("listen: [127.0.0.1:", "admin: 127.0.0.1:"):
            key = old.split(":")[0]
            stage.write("drover.yaml", re.sub(re.escape(old) + r"\d+", f"{old}{port}", good()))
            result = stage.run("-c", "drover.yaml")
            assert result.returncode == 2, (key, result)
            lines = [line for line in result.stderr.splitlines() if key in line and str(port) in line]
            assert lines and "in use" in lines[0], (key, result.stderr)


def nobody(stage):
    """What to put before a command so that it is not run by root; the directory `runtime` is its own."""
    os.mkdir(stage.path("runtime"), 0o700)
    if os.getuid() != 0:
        return []
    os.chown(stage.path("runtime"), 65534, 65534)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@scenario()
def no_permission_for_a_listener_is_told(stage):
    directory = stage.path("closed")
    os.mkdir(directory, 0o755)
    prefix = nobody(stage)
    stage.write("drover.yaml", good().replace("listen: [127.0.0.1:", f"listen: [unix:{directory}/front.sock] #")
                .replace("control/sock", "runtime/sock"))
    if not prefix:
        os.chmod(directory, 0o555)
    result = stage.run("-c", "drover.yaml", prefix=prefix)
    assert result.returncode == 2 and "listen" in result.stderr, result


@scenario()
def port_ranges_that_overlap_are_an_error(stage):
    lines = check(stage, f"""\
pools:
  one: {{command: "{PYTHON} x.py $PORT", port: 21000, workers: 4}}
  two: {{command: "{PYTHON} x.py $PORT", port: 21007, workers: 4}}
""")
    assert any("port" in line and "one" in line and "two" in line for line in lines), lines


@scenario()
def a_fixed_range_gives_slot_n_the_port_n(stage):
    first = 20000 + os.getpid() % 5000
    drover = stage.web(workers=3, port=first)
    ports = {worker["name"]: int(worker["address"].rpartition(":")[2]) for worker in drover.workers()}
    assert ports == {"web.1": first, "web.2": first + 1, "web.3": first + 2}, ports


@scenario()
def a_command_line_is_enough(stage):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 9900))
        except OSError:
            raise Skipped("somebody has the admin's usual port 9900") from None
    port = free_port()
    prefix = nobody(stage)
    words = ["-l", f"127.0.0.1:{port}", "-w", "2", "--", PYTHON, f"{APPS}/plain.py", "--port", "$PORT"]
    drover = stage.drover(None, wait=None, arguments=words, prefix=prefix)
    drover.admin = 9900
    drover.wait_ready()
    until(lambda: len(drover.workers(drover_pool(drover), "healthy")) == 2, "two workers")
    assert get(port).status == 200
    drover.signal(signal.SIGINT)
    assert drover.wait_exit() == 0
    assert not children(drover.pid)


def drover_pool(drover):
    return next(iter(drover.health()["pools"]))


@scenario()
def init_writes_a_file_that_check_likes_and_never_overwrites_one(stage):
    stage.write("app.py", "from fastapi import FastAPI\napp = FastAPI()\n")
    result = stage.run("init")
    assert result.returncode == 0, result
    result = stage.run("check")
    assert result.returncode == 0, result
    before = open(stage.path("drover.yaml")).read()
    assert stage.run("init").returncode != 0
    assert open(stage.path("drover.yaml")).read() == before
