# SPDX-License-Identifier: MIT
"""What a scenario stands on: a stage (its own directory, processes, ports, all of it gone afterwards) and drover as its user sees it."""
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from fakes import Backend, NameServer, answer_all      # noqa: F401  (scenarios take them from here)
from load import Load                                   # noqa: F401
from wire import (BINARY, CLOSE, PATIENCE, PING, PONG, TEXT, Cut, WebSocket, Wire, chunk, get, request)  # noqa: F401

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
APPS = os.path.join(HERE, "apps")
PYTHON = "/usr/bin/python3"
VARIANT = os.environ.get("DROVER_SCENARIO_VARIANT", "release")
LIBC = ctypes.CDLL(None)


class Skipped(Exception):
    """This machine cannot play the scenario; the text says why."""


def scenario(limit=30, may_crash=False):
    """Marks a function(stage) as a scenario; its name is the sentence that it proves. `limit`: seconds it may take on a quiet machine.
    `may_crash`: it kills the engine with a signal itself."""
    def mark(function):
        function.is_scenario, function.limit, function.may_crash = True, limit, may_crash
        return function
    return mark


def until(condition, what, within=10, every=0.02):
    """Waits for something to become true; gives it back."""
    deadline = time.monotonic() + within * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {within * PATIENCE:g} s: {what() if callable(what) else what}"
        time.sleep(every)


RESERVED = []  # sockets that keep other scenarios from being given the same port


def free_port():
    """A port of 127.0.0.1 that nobody has, by the kernel's choice, and that no other scenario is given meanwhile."""
    while True:
        reservation = socket.socket()
        reservation.bind(("127.77.77.77", 0))
        port = reservation.getsockname()[1]
        try:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            reservation.close()
            continue
        RESERVED.append(reservation)
        return port


def is_running(pid):
    """There and not a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def children(pid):
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(word) for word in file.read().split()]
    return found


def family(pid):
    """All processes below one."""
    found = children(pid)
    for child in found:
        found += children(child)
    return found


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_kb(pid):
    """Resident memory; under a sanitizer, which keeps what is freed, always 0."""
    if VARIANT != "release":
        return 0
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def app(name, *arguments):
    """The command line of one of our small apps."""
    return [PYTHON, os.path.join(APPS, name), *arguments]


def plain(*arguments):
    """The quick worker of apps/plain.py."""
    return app("plain.py", "--port", "$PORT", *arguments)


def uvicorn(*arguments):
    return [PYTHON, "-m", "uvicorn", "--app-dir", APPS, "--log-level", "warning", "fastapi_app:app", *arguments]


class Stage:
    """One scenario's place in the world."""

    def __init__(self, directory, drover):
        self.directory, self.binary = directory, drover
        self.drovers = []
        self.closing = contextlib.ExitStack()

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def drover(self, config, wait="workers", **more):
        """Starts drover with this configuration (a dict, or YAML text); waits until it is as said: "workers" (all there), "up" (it answers), or None."""
        drover = Drover(self, config, **more)
        drover.start()
        if wait:
            drover.wait_up()
        if wait == "workers":
            drover.wait_workers()
        return drover

    def config(self, pools, **top):
        """A whole configuration around these pools."""
        base = {"threads": 2, "listen": [f"127.0.0.1:{free_port()}"], "admin": f"127.0.0.1:{free_port()}",
                "control": self.path(f"control-{len(self.drovers)}/sock"), "access_log": self.path(f"access-{len(self.drovers)}.log")}
        base.update(top)
        base["pools"] = pools
        return {key: value for key, value in base.items() if value is not None}

    def web(self, command=None, workers=2, wait="workers", top=None, environment=None, **pool):
        """The usual case: one pool `web` of local workers."""
        pool = {"command": command or plain(), "workers": workers, **pool}
        return self.drover(self.config({"web": pool}, **(top or {})), wait=wait, environment=environment)

    def front(self, *servers, top=None, environment=None, **pool):
        """One pool `web` of fixed servers: Backends, or text."""
        servers = [server if isinstance(server, str) else server.address for server in servers]
        return self.drover(self.config({"web": {"servers": servers, **pool}}, **(top or {})), wait="up", environment=environment)

    def backend(self, script=answer_all, **more):
        backend = Backend(script, **more)
        self.closing.callback(backend.close)
        return backend

    def name_server(self, table, **more):
        server = NameServer(table, **more)
        self.closing.callback(server.close)
        return server

    def keep(self, closable):
        """Closed at the end, whatever happens."""
        self.closing.callback(closable.drop if isinstance(closable, WebSocket) else closable.close)
        return closable

    def run(self, *arguments, environment=None, timeout=15, directory=None, prefix=()):
        """The binary with these words, to its end."""
        return subprocess.run([*prefix, self.binary, *arguments], capture_output=True, text=True, timeout=timeout * PATIENCE,
                              stdin=subprocess.DEVNULL, cwd=directory or self.directory, env=self.environment(environment),
                              preexec_fn=die_with_parent)

    def environment(self, more=None):
        result = {key: value for key, value in os.environ.items()
                  if key not in ("WEB_CONCURRENCY", "PORT", "SOCKET", "WORKER", "XDG_RUNTIME_DIR")}
        result["XDG_RUNTIME_DIR"] = self.path("runtime")  # `control: auto` stays inside
        result["PYTHONDONTWRITEBYTECODE"] = "1"
        result["NODE_PATH"] = "/usr/share/nodejs"
        result.update(more or {})
        return {key: value for key, value in result.items() if value is not None}

    def end(self):
        """Ends all; says what did not end as it should."""
        self.closing.close()
        for drover in self.drovers:
            drover.end()


def die_with_parent():
    LIBC.prctl(1, signal.SIGKILL)


class Drover:
    """A running drover. The keeper is `pid`."""

    def __init__(self, stage, config, environment=None, name="drover.yaml", arguments=None, prefix=()):
        self.stage, self.number = stage, len(stage.drovers)
        self.directory = stage.path(f"drover-{self.number}")
        os.makedirs(self.directory, exist_ok=True)
        self.file = os.path.join(self.directory, name)
        self.more_environment, self.prefix = environment, list(prefix)
        self.arguments = arguments if arguments is not None else ["-c", self.file]
        self.port = self.admin = None
        if config is not None:
            self.write(config)
        self.log = stage.path(f"drover-{self.number}.err")
        self.output = stage.path(f"drover-{self.number}.out")
        self.process = None
        self.is_ended = False
        stage.drovers.append(self)

    # --- the file

    def write(self, config):
        """(Over)writes the file in one step: a line for each top-level key, its value as JSON, which is YAML too."""
        self.config = config
        text = config if isinstance(config, str) else "".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items())
        with open(self.file + ".new", "w") as file:
            file.write(text)
        os.rename(self.file + ".new", self.file)
        if isinstance(config, dict):
            first = config["listen"][0]
            first = first["address"] if isinstance(first, dict) else first
            if not first.startswith("unix:"):
                self.port = int(first.rpartition(":")[2])
            if config.get("admin", "off") != "off":
                self.admin = int(config["admin"].rpartition(":")[2])

    # --- its life

    def start(self):
        with open(self.log, "ab") as log, open(self.output, "ab") as output:
            self.process = subprocess.Popen([*self.prefix, self.stage.binary, *self.arguments], stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=log, cwd=self.directory,
                                            env=self.stage.environment(self.more_environment), preexec_fn=die_with_parent)
        return self

    @property
    def pid(self):
        return self.process.pid

    def engine(self):
        return self.health()["worker_id"]

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, within=30):
        """-> exit status"""
        status = self.process.wait(within * PATIENCE)
        self.is_ended = True
        return status

    def stop(self, within=30):
        """TERM, and its exit status; nothing of it may be left."""
        below = family(self.pid)
        self.signal(signal.SIGTERM)
        status = self.wait_exit(within)
        until(lambda: not any(is_running(pid) for pid in below), "a process outlived drover", 5)
        return status

    def end(self):
        """The stage is taken down: whatever is left goes, at once if it has to."""
        if self.process is None or self.process.poll() is not None:
            return
        below = family(self.pid)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(3 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(5 * PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        until(lambda: not any(is_running(pid) for pid in below), "a process outlived drover", 8)

    # --- looking

    def page(self, path="/health/worker", **more):
        return get(self.admin, path, host=f"127.0.0.1:{self.admin}", **more)

    def health(self):
        return self.page("/health/worker").json()

    def pool(self, name="web"):
        return self.health()["pools"][name]

    def workers(self, pool="web", status=None):
        return [worker for worker in self.pool(pool)["workers"] if status in (None, worker["status"])]

    def pids(self, pool="web"):
        return sorted(worker["worker_id"] for worker in self.workers(pool) if worker.get("worker_id"))

    def wait_page(self, path, within=20):
        """Until this page of the admin says 200."""
        def is_good():
            assert self.process.poll() is None, f"drover ended with {self.process.returncode}:\n{self.said()[-3000:]}"
            with contextlib.suppress(OSError):
                return self.page(path, timeout=2).status == 200
        until(is_good, lambda: f"{path} is not good:\n" + self.said()[-3000:], within)

    def wait_up(self, within=20):
        self.wait_page("/health/live", within)

    def wait_ready(self, within=20):
        """At least one worker may answer."""
        self.wait_page("/health/ready", within)

    def wait_workers(self, pool=None, count=None, status="healthy", within=30):
        """Until every pool that is launched (or this one) has that many workers (or all it wants), and none besides."""
        def are_there():
            assert self.process.poll() is None, f"drover ended with {self.process.returncode}:\n{self.said()[-3000:]}"
            with contextlib.suppress(OSError):
                pools = self.health()["pools"]
                launched = [p for name, p in pools.items() if isinstance(self.config, str) or "command" in self.config["pools"].get(name, {})]
                chosen = [pools[pool]] if pool else launched
                return all(sum(w["status"] == status for w in p["workers"]) == (p["wanted"] if count is None else count)
                           and (status != "healthy" or count is None or len(p["workers"]) == count) for p in chosen)
        until(are_there, lambda: f"the workers are not there: {self.health()}\n{self.said()[-2000:]}", within)

    def said(self):
        """Its log so far."""
        with open(self.log, errors="replace") as file:
            return file.read()

    def wait_said(self, pattern, within=10, after=0):
        """Until its log has a match, after this many characters of it."""
        return until(lambda: re.search(pattern, self.said()[after:]), lambda: f"no {pattern!r} in:\n{self.said()[-3000:]}", within)

    def access_lines(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.config["access_log"], errors="replace") as file:
                return file.read().splitlines()
        return []

    # --- telling

    def command(self, *words, timeout=60):
        """`drover WORDS` for this one."""
        return self.stage.run("-c", self.file, *words, environment=self.more_environment, timeout=timeout, directory=self.directory)

    def told(self, *words, status=0, timeout=60):
        result = self.command(*words, timeout=timeout)
        assert result.returncode == status, f"drover {' '.join(words)}: {result.returncode}, not {status}: {result.stdout}{result.stderr}"
        return result.stdout + result.stderr

    def hup(self):
        self.signal(signal.SIGHUP)

    # --- its clients

    def get(self, path="/", **more):
        return get(self.port, path, **more)

    def request(self, *arguments, **more):
        return request(self.port, *arguments, **more)

    def wire(self, **more):
        return self.stage.keep(Wire(self.port, **more))

    def websocket(self, path="/ws", **more):
        return self.stage.keep(WebSocket(self.port, path, **more))

    def load(self, **more):
        return Load(self.port, **more)


def play(file, name, directory, drover):
    """Runs one scenario in this process. -> 0 passed, 1 failed, 77 skipped (with what to say on standard output)"""
    import importlib.util
    import traceback
    spec = importlib.util.spec_from_file_location("scenario_file", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    die_with_parent()
    stage = Stage(directory, drover)
    status = 1
    try:
        getattr(module, name)(stage)
        status = 0
    except Skipped as reason:
        print(f"skipped: {reason}")
        status = 77
    except BaseException:
        traceback.print_exc(file=sys.stdout)
    try:
        stage.end()
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        status = 1
    sys.stdout.flush()
    return status


def scratch(parent, name):
    """A short path: unix sockets go in it."""
    path = os.path.join(parent, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path, mode=0o755)
    return path
