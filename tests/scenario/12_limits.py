# SPDX-License-Identifier: MIT
"""Too many of something: descriptors, connections, drovers."""
import json
import os
import select
import socket
import time

from kit import PATIENCE, Wire, children, get, plain, scenario, until


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@scenario(limit=60)
def out_of_descriptors_it_neither_spins_nor_dies(stage):
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 1}}), prefix=["prlimit", "--nofile=100:100"])
    kept = drover.wire()
    assert kept.get().status == 200
    crowd = []
    try:
        for _ in range(150):
            crowd.append(stage.keep(Wire(drover.port)))
        for wire in crowd:
            try:
                wire.send_request("GET", "/")
            except ConnectionError:
                pass
        time.sleep(0.5)
        engine = max(children(drover.pid), key=cpu_seconds)
        before = cpu_seconds(engine)
        time.sleep(1.5)
        assert cpu_seconds(engine) - before < 0.75, f"{cpu_seconds(engine) - before} s of CPU in 1.5 s"
        assert kept.get().status in (200, 503), "those who are in are served, or told"
    finally:
        for wire in crowd:
            wire.close()
    until(lambda: get(drover.port).status == 200, "it serves again", 15)
    assert drover.process.poll() is None


@scenario()
def connections_over_the_limit_are_told_503_without_touching_a_worker(stage):
    backend = stage.backend()
    drover = stage.front(backend, top={"limits": {"connections": 8}, "threads": 1})
    inside = [drover.wire() for _ in range(8)]
    for wire in inside:
        assert wire.get().status == 200
    seen = len(backend.requests)
    outside = drover.wire()
    outside.send_request("GET", "/")
    response = outside.read_response()
    assert response.status == 503 and outside.is_closed(2), response
    assert response.json()["error"] == "too_many_connections" and response.field("Retry-After") == "1", response
    assert len(backend.requests) == seen
    assert inside[0].get().status == 200
    inside.pop().close()
    until(lambda: drover.get().status == 200, "one left, one may come", 5)


@scenario()
def heads_over_their_limits_are_414_or_431(stage):
    backend = stage.backend()
    drover = stage.front(backend, top={"limits": {"header": "4k", "headers": 10}})
    assert drover.get("/" + "a" * 5000).status == 414
    assert drover.get(fields=[("X-Long", "a" * 5000)]).status == 431
    assert drover.get(fields=[(f"X-{i}", "1") for i in range(20)]).status == 431
    assert not backend.requests
    assert drover.get(fields=[(f"X-{i}", "1") for i in range(5)]).status == 200


@scenario()
def two_drovers_cannot_share_a_port_or_a_control_socket(stage):
    first = stage.web(plain(), workers=1)
    config = stage.config({"web": {"command": plain(), "workers": 1}})
    for key in ("listen", "control", "admin"):
        stage.write("second.yaml", json.dumps({**config, key: first.config[key]}))
        result = stage.run("-c", stage.path("second.yaml"))
        assert result.returncode == 2, (key, result)
        assert any(key in line for line in result.stderr.splitlines()), (key, result.stderr)
        assert first.get().status == 200
        first.told("status")
    counts = [first.get().status for _ in range(20)]
    assert set(counts) == {200}


@scenario()
def a_control_socket_of_a_drover_that_was_killed_is_taken_over(stage):
    first = stage.web(plain(), workers=1)
    first.process.kill()
    first.wait_exit(5)
    second = stage.drover(first.config)
    second.told("status")


@scenario()
def the_control_socket_is_the_owners_only_and_gone_afterwards(stage):
    drover = stage.web(plain(), workers=1)
    path = drover.config["control"]
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert drover.stop() == 0
    assert not os.path.exists(path)


@scenario()
def rubbish_on_the_control_socket_harms_nobody(stage):
    drover = stage.web(plain(), workers=1)
    for data in (b"", b"\0" * 5000, b"{" * 5000, b"scale web 3\n" * 100, b'{"command": "scale"}\n', b'{"command": 7, "pool": []}\n'):
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(drover.config["control"])
            control.settimeout(1 * PATIENCE)
            try:
                control.sendall(data)
                control.recv(1000)
            except OSError:
                pass
    assert drover.get().status == 200
    drover.told("status")


@scenario(limit=40)
def many_slow_clients_do_not_slow_a_good_one(stage):
    drover = stage.web(plain(), workers=2, top={"timeouts": {"header": "5s"}})
    crowd = [stage.keep(Wire(drover.port)) for _ in range(400)]
    for wire in crowd:
        wire.send("GET / HTTP/1.1\r\nHost: slow.test\r\nX-Slow: ")
    with drover.load(clients=4) as load:
        load.wait_for(200)
    load.assert_nothing_failed()
    until(lambda: all(select_closed(wire) for wire in crowd), "they are all let go", 15)


def select_closed(wire):
    """Answered (408) or closed."""
    return bool(select.select([wire.socket], [], [], 0)[0])
