# SPDX-License-Identifier: MIT
"""The engine dies or hangs; the listening sockets and the workers do not notice."""
import itertools
import os
import signal
import time

from kit import PATIENCE, children, is_running, plain, scenario, until, uvicorn


@scenario(limit=60, may_crash=True)
def a_crashed_engine_refuses_nobody_and_serves_again_at_once(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers=4)
    pids, engine = drover.pids(), drover.engine()
    with drover.load(clients=8) as load:
        load.wait_for(200)
        os.kill(engine, signal.SIGSEGV)
        killed = time.monotonic()
        load.wait_for(300)
    refused = [why for why in load.failures if "refused" in why.lower() or "Errno 111" in why or "Connect call" in why]
    assert not refused, refused
    times = [at for at in load.answered_at if at > killed - 1]
    gap = max(b - a for a, b in itertools.pairwise(times))
    assert gap < 0.3 * PATIENCE, f"nothing was answered for {gap:.3f} s"
    assert drover.engine() != engine and not is_running(engine)
    assert drover.pids() == pids, "the workers are the same processes"
    # it is a whole engine: it sees deaths and takes orders
    os.kill(pids[0], signal.SIGKILL)
    until(lambda: pids[0] not in drover.pids() and len(drover.workers(status="healthy")) == 4, lambda: drover.workers(), 15)
    drover.told("scale", "web", "2")
    drover.wait_workers("web", 2)
    assert drover.stop() == 0


@scenario(limit=60, may_crash=True)
def counts_of_a_dead_engine_are_forgotten(stage):
    drover = stage.web(plain(), workers=2, concurrency=2)
    sockets = [drover.websocket() for _ in range(2)]
    wires = [drover.wire() for _ in range(2)]
    for wire in wires:
        wire.send_request("GET", "/slow?ms=3000")
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 4, lambda: drover.workers())
    os.kill(drover.engine(), signal.SIGSEGV)
    until(lambda: all(socket.is_closed() for socket in sockets), "the old connections end", 5)
    drover.wait_ready()
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 0, lambda: drover.workers(), 5)
    with drover.load() as load:
        load.wait_for(100)
    load.assert_nothing_failed()


@scenario(limit=90, may_crash=True)
def engines_may_crash_again_and_again(stage):
    drover = stage.web(plain(), workers=2)
    pids = drover.pids()
    for _ in range(4):
        engine = drover.engine()
        os.kill(engine, signal.SIGABRT)
        until(lambda: not is_running(engine), "it is gone", 5)
        drover.wait_ready()
        until(lambda: drover.get().status == 200, "it serves", 15)
    assert drover.pids() == pids
    assert drover.stop() == 0


@scenario(limit=60, may_crash=True)
def a_scaled_pool_stays_scaled_when_the_engine_crashes(stage):
    drover = stage.web(plain(), workers=2)
    drover.told("scale", "web", "4")
    drover.wait_workers("web", 4)
    pids = drover.pids()
    os.kill(drover.engine(), signal.SIGSEGV)
    drover.wait_ready()
    time.sleep(1)
    assert drover.pids() == pids, "wanted is what is there"


@scenario(limit=60, may_crash=True)
def a_hung_engine_is_replaced(stage):
    drover = stage.web(plain(), workers=2)
    pids, engine = drover.pids(), drover.engine()
    os.kill(engine, signal.SIGSTOP)
    started = time.monotonic()
    until(lambda: not is_running(engine), "the hung one is ended", 20)
    assert time.monotonic() - started > 6, "not before it was given its time"
    drover.wait_ready()
    assert drover.get().status == 200 and drover.pids() == pids and drover.engine() != engine


@scenario(limit=40, may_crash=True)
def an_engine_that_dies_while_drover_stops_does_not_come_back(stage):
    drover = stage.web(plain(), workers=1)
    slow = drover.wire()
    slow.send_request("GET", "/slow?ms=20000")
    until(lambda: drover.workers()[0]["active_connections"] == 1, lambda: drover.workers())
    engine = drover.engine()
    drover.signal(signal.SIGTERM)
    until(lambda: drover.page("/health/ready").status == 503, "it stops", 3)
    os.kill(engine, signal.SIGKILL)
    drover.wait_exit(10)
    assert not children(drover.pid)


@scenario(limit=60, may_crash=True)
def workers_of_a_pool_that_left_the_file_end_also_when_the_engine_falls_meanwhile(stage):
    drover = stage.web(plain(), workers=1, top={"timeouts": {"drain": "5s"}})
    drover.config["pools"]["other"] = {"command": plain(), "workers": 2}
    drover.config["routes"] = [{"path": "/slow", "pool": "other"}, {"path": "/", "pool": "web"}]
    drover.write(drover.config)
    drover.told("reload")
    drover.wait_workers("other", 2)
    pids, engine = drover.pids("other"), drover.engine()
    drover.wire().send_request("GET", "/slow?ms=60000")
    drover.wait_said("other.1: starting -> healthy")
    until(lambda: drover.pool("other")["workers"] and any(one["active_connections"] for one in drover.workers("other")), drover.health)
    del drover.config["pools"]["other"], drover.config["routes"]
    drover.write(drover.config)
    drover.told("reload")
    os.kill(engine, signal.SIGKILL)
    until(lambda: not any(is_running(pid) for pid in pids), "its workers are ended", 20)
    drover.wait_up()
    drover.wait_said("other.1: stopping -> gone")
    assert drover.get().text == "web.1"
