# SPDX-License-Identifier: MIT
"""The ways a worker listens, with what people run: uvicorn, gunicorn, node."""
import os

from kit import APPS, PYTHON, free_port, is_running, plain, scenario, uvicorn, until

NODE = ["/usr/bin/node", os.path.join(APPS, "node_app.js")]
GUNICORN = [PYTHON, "/usr/bin/gunicorn", "--chdir", APPS, "--log-level", "warning", "wsgi_app:app"]


def serves(drover, workers=2, path="/"):
    """Every worker answers, and drover ends well."""
    names = {drover.get(path).field("X-Worker") for _ in range(4 * workers)}
    assert len(names) == workers, names
    return drover.workers()[0]["address"]


def serves_sockets(drover):
    with drover.websocket() as socket:
        socket.echo()
        socket.close()


@scenario()
def uvicorn_on_a_port(stage):
    drover = stage.web(uvicorn("--port", "$PORT"))
    assert serves(drover).startswith("127.0.0.1:")
    serves_sockets(drover)
    assert drover.stop() == 0


@scenario()
def uvicorn_on_a_unix_socket(stage):
    drover = stage.web(uvicorn("--uds", "$SOCKET"))
    address = serves(drover)
    assert "/" in address, address
    serves_sockets(drover)
    assert drover.stop() == 0


@scenario()
def uvicorn_on_an_inherited_descriptor(stage):
    drover = stage.web(uvicorn("--fd", "3"), bind="fd")
    serves(drover)
    serves_sockets(drover)
    assert drover.stop() == 0


@scenario()
def bind_auto_sees_what_the_command_names(stage):
    drover = stage.drover(stage.config({"fd": {"command": uvicorn("--fd", "3"), "workers": 1},
                                        "unix": {"command": " ".join(uvicorn("--uds", "${SOCKET}")), "workers": 1},
                                        "port": {"command": plain(), "workers": 1}},
                                       routes=[{"path": "/fd", "pool": "fd"}, {"path": "/unix", "pool": "unix"},
                                               {"path": "/", "pool": "port"}]))
    assert drover.get("/").field("X-Worker") == "port.1"
    assert drover.get("/fd").field("X-Worker") == "fd.1"     # FastAPI's own 404
    assert drover.get("/unix").field("X-Worker") == "unix.1"


@scenario()
def gunicorn_on_a_port_a_socket_and_a_descriptor(stage):
    def pool(*bind):
        return {"command": GUNICORN + ["--bind", *bind], "workers": 1}
    drover = stage.drover(stage.config({"port": pool("127.0.0.1:$PORT"), "unix": pool("unix:$SOCKET"), "fd": pool("fd://3")},
                                       routes=[{"path": "/u", "pool": "unix"}, {"path": "/f", "pool": "fd"},
                                               {"path": "/", "pool": "port"}]))
    assert [drover.get(path).field("X-Worker") for path in ("/", "/u", "/f")] == ["port.1", "unix.1", "fd.1"]
    assert drover.request("POST", "/echo", body=b"x" * 100000).body == b"x" * 100000
    assert drover.stop() == 0


@scenario()
def a_gunicorn_master_with_four_workers_is_one_worker(stage):
    drover = stage.web(GUNICORN + ["-w", "4", "--preload", "--bind", "unix:$SOCKET"], workers=1, concurrency=4)
    loads = [stage.keep(drover.wire()) for _ in range(8)]
    for wire in loads:
        wire.send_request("GET", "/slow?ms=200")
    pids = {wire.read_response().text for wire in loads}
    assert len(pids) >= 2, pids
    below = [int(pid) for pid in pids]
    assert drover.stop() == 0
    assert not any(is_running(pid) for pid in below), "the master's own workers are gone too"


@scenario()
def node_on_a_port_a_socket_and_a_descriptor(stage):
    drover = stage.drover(stage.config({"port": {"command": NODE, "bind": "port", "workers": 1},
                                        "unix": {"command": NODE + ["socket"], "bind": "unix", "workers": 1},
                                        "fd": {"command": NODE, "bind": "fd", "workers": 1}},
                                       routes=[{"host": "unix.test", "pool": "unix"}, {"host": "fd.test", "pool": "fd"},
                                               {"path": "/", "pool": "port"}]))
    for host in ("port", "unix", "fd"):
        assert drover.get("/", host=f"{host}.test").field("X-Worker") == f"{host}.1"
        assert drover.request("POST", "/echo", body=b"y" * 70000, host=f"{host}.test").body == b"y" * 70000
    serves_sockets(drover)
    assert drover.stop() == 0


@scenario()
def no_worker_inherits_a_descriptor_that_is_not_its_own(stage):
    drover = stage.drover(stage.config({"port": {"command": plain(), "workers": 1}, "fd": {"command": plain()[:2], "bind": "fd", "workers": 1}},
                                       routes=[{"path": "/", "pool": "port", "host": "port.test"}, {"path": "/", "pool": "fd"}]))
    for host in ("port.test", "fd.test"):
        seen = drover.get("/descriptors", host=host).json()
        wanted = {"0", "1", "2"} | ({"3"} if host == "fd.test" else set())
        inherited = {fd for fd, what in seen.items() if fd in ("3", "4", "5", "6", "7", "8") and "eventpoll" not in what}
        # the app opens its own from 3 on: epoll, a socket pair, its listener, the connection, /proc
        assert wanted <= set(seen) and len(seen) <= 12, (host, seen, inherited)
        assert not any("memfd" in what or what.endswith(".log") and fd not in ("1", "2") for fd, what in seen.items()), seen


@scenario()
def a_worker_that_listens_elsewhere_is_never_taken_for_ready(stage):
    drover = stage.web([*plain()[:2], "--port", str(free_port())], workers=1, wait="up", start={"timeout": "1s"}, bind="port")
    seen = set()
    until(lambda: seen.update(w["status"] for w in drover.workers()) or "backoff" in seen, lambda: f"{seen} {drover.said()}", 15)
    assert "healthy" not in seen, seen
    assert drover.page("/health/worker").status == 503
