# SPDX-License-Identifier: MIT
"""Ending well: one worker, or all of drover."""
import signal
import socket
import time

from kit import PATIENCE, Wire, family, get, is_running, plain, scenario, until, uvicorn


@scenario(limit=40)
def drain_retires_one_worker_and_starts_another_in_its_place(stage):
    drover = stage.web(plain(), workers=3)
    before = {worker["name"]: worker["worker_id"] for worker in drover.workers()}
    wires = [drover.wire() for _ in range(6)]
    for wire in wires:
        wire.send_request("GET", "/slow?ms=1000")
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 6, lambda: drover.workers())
    with drover.load() as load:
        drover.told("drain", "web.3")
        for wire in wires:
            assert wire.read_response().status == 200
        until(lambda: before["web.3"] not in drover.pids() and len(drover.workers()) == 3
              and len(drover.workers(status="healthy")) == 3, lambda: drover.workers(), 15)
        load.wait_for(50)
    load.assert_nothing_failed()
    after = {worker["name"]: worker["worker_id"] for worker in drover.workers()}
    assert after["web.1"] == before["web.1"] and after["web.2"] == before["web.2"]
    assert not is_running(before["web.3"])
    assert "web.9" in drover.told("drain", "web.9", status=1)


@scenario(limit=60)
def stop_under_load_loses_nothing(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers=2)
    below = family(drover.pid)
    slow = [drover.wire(timeout=20) for _ in range(4)]
    with drover.load() as load:
        load.wait_for(100)
        for wire in slow:
            wire.send_request("GET", "/slow?ms=1500")
        until(lambda: sum(worker["active_connections"] for worker in drover.workers()) >= 4, lambda: drover.workers())
        drover.signal(signal.SIGTERM)
        for wire in slow:
            response = wire.read_response()
            assert response.status == 200 and (response.field("Connection") or "").lower() == "close", response
        assert drover.wait_exit(15) == 0
    lost = {why: count for why, count in load.failures.items() if "refused" not in why.lower() and "Errno 111" not in why}
    assert not lost, f"nothing but refused connections once it is gone: {lost}"
    assert not any(is_running(pid) for pid in below)


@scenario(limit=40)
def while_it_stops_ready_is_503_and_tunnels_are_told_to_go(stage):
    drover = stage.web(plain(), workers=1)
    tunnel = drover.websocket()
    slow = drover.wire()
    slow.send_request("GET", "/slow?ms=1500")
    until(lambda: drover.workers()[0]["active_connections"] == 2, lambda: drover.workers())
    drover.signal(signal.SIGTERM)
    until(lambda: drover.page("/health/ready").status == 503, "not ready any more", 2)
    assert drover.page("/health/live").status == 200
    assert tunnel.receive_close() == 1001

    def is_refused():
        try:
            socket.create_connection(("127.0.0.1", drover.port), 1).close()
            return False
        except ConnectionRefusedError:
            return True
    until(is_refused, "the listener is closed", 2)
    assert slow.read_response().status == 200
    assert drover.wait_exit(10) == 0


@scenario(limit=40)
def stop_takes_no_longer_than_its_bound(stage):
    drover = stage.web(plain("--stubborn"), workers=1, top={"timeouts": {"shutdown": "2s"}}, stop={"timeout": "30s"})
    slow = drover.wire()
    slow.send_request("GET", "/slow?ms=60000")
    until(lambda: drover.workers()[0]["active_connections"] == 1, lambda: drover.workers())
    below = family(drover.pid)
    started = time.monotonic()
    drover.signal(signal.SIGTERM)
    drover.wait_exit(10)
    assert time.monotonic() - started < 4 * PATIENCE
    assert not any(is_running(pid) for pid in below)


@scenario()
def a_second_term_ends_now(stage):
    drover = stage.web(plain("--stubborn"), workers=2)
    slow = drover.wire()
    slow.send_request("GET", "/slow?ms=60000")
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 1, lambda: drover.workers())
    below = family(drover.pid)
    drover.signal(signal.SIGTERM)
    until(lambda: drover.page("/health/ready").status == 503, "it stops", 3)
    started = time.monotonic()
    drover.signal(signal.SIGTERM)
    drover.wait_exit(5)
    assert time.monotonic() - started < 1.5 * PATIENCE
    until(lambda: not any(is_running(pid) for pid in below), "all gone", 2)


@scenario()
def the_stop_command_is_as_term(stage):
    drover = stage.web(plain(), workers=1)
    drover.told("stop")
    assert drover.wait_exit(10) == 0


@scenario()
def an_idle_drover_stops_quickly(stage):
    drover = stage.web(plain(), workers=2)
    kept = drover.wire()
    kept.get()
    started = time.monotonic()
    assert drover.stop() == 0
    assert time.monotonic() - started < 3 * PATIENCE
    assert kept.is_closed(1)


@scenario()
def term_while_workers_still_start_leaves_nothing(stage):
    drover = stage.web(plain("--start-delay", "20000"), workers=3, wait="up")
    below = until(lambda: len(family(drover.pid)) >= 4 and family(drover.pid), "they are starting")
    assert drover.stop(10) == 0
    assert not any(is_running(pid) for pid in below)


@scenario()
def nothing_is_left_when_the_keeper_is_killed(stage):
    drover = stage.web(["/bin/sh", "-c", '"$$0" -c "import time; time.sleep(3600)" & exec "$$0" "$$@"', *plain()], workers=2, bind="port")
    below = family(drover.pid)
    assert len(below) >= 6
    with Wire(drover.port) as wire:
        wire.get()
        drover.process.kill()
        drover.wait_exit(5)
        until(lambda: not any(is_running(pid) for pid in below), lambda: [pid for pid in below if is_running(pid)], 5)
        assert wire.is_closed(2)
    again = stage.drover({**drover.config, "pools": {"web": {"command": plain(), "workers": 1}}})
    assert get(again.port).status == 200, "the same port and control socket can be taken at once"
