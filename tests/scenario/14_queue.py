# SPDX-License-Identifier: MIT
"""Where requests wait when every worker is full or none is up yet."""
import threading
import time

from kit import PATIENCE, plain, scenario, until


class Gate:
    """A backend that answers each request only when it is told, and knows how many it holds."""

    def __init__(self):
        self.lock, self.now, self.most = threading.Lock(), 0, 0
        self.order = []
        self.places = threading.Semaphore(0)

    def script(self, link):
        while asked := link.read_request():
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
                self.order.append(asked.target)
            self.places.acquire(timeout=30)
            with self.lock:
                self.now -= 1
            link.answer(asked.target)

    def open(self, count=1):
        for _ in range(count):
            self.places.release()


def send(drover, path):
    wire = drover.wire(timeout=30)
    wire.send_request("GET", path)
    return wire


def queued(drover):
    return drover.pool()["queued"]


@scenario()
def what_finds_no_place_waits_first_in_first_out(stage):
    gate = Gate()
    drover = stage.front(stage.backend(gate.script), concurrency=1, queue={"target": "20s", "timeout": "30s"})
    wires = []
    for i in range(6):
        wires.append(send(drover, f"/{i}"))
        until(lambda: len(gate.order) == 1 and queued(drover) == i, lambda: (gate.order, drover.health()))
    for i, wire in enumerate(wires):
        gate.open()
        assert wire.read_response().text == f"/{i}"
    assert gate.most == 1 and gate.order == [f"/{i}" for i in range(6)]
    assert queued(drover) == 0


@scenario()
def a_full_queue_answers_503_with_retry_after_at_once(stage):
    gate = Gate()
    drover = stage.front(stage.backend(gate.script), concurrency=1, queue={"length": 2})
    wires = [send(drover, "/0"), send(drover, "/1"), send(drover, "/2")]
    until(lambda: queued(drover) == 2 and gate.now == 1, lambda: drover.health())
    started = time.monotonic()
    response = drover.get("/3")
    assert response.status == 503 and response.field("Retry-After") == "1", response
    assert time.monotonic() - started < 0.5 * PATIENCE
    gate.open(3)
    assert [wire.read_response().status for wire in wires] == [200] * 3


@scenario()
def who_waits_too_long_gets_503_and_never_reaches_a_worker(stage):
    gate = Gate()
    drover = stage.front(stage.backend(gate.script), concurrency=1, queue={"timeout": "400ms"})
    first = send(drover, "/first")
    until(lambda: gate.now == 1, "it is at the worker")
    started = time.monotonic()
    assert drover.get("/second").status == 503
    assert 0.3 < time.monotonic() - started < 2 * PATIENCE
    gate.open(5)
    assert first.read_response().status == 200
    assert drover.get("/third").status == 200
    assert gate.order == ["/first", "/third"]


@scenario()
def a_client_that_leaves_the_queue_is_forgotten(stage):
    gate = Gate()
    drover = stage.front(stage.backend(gate.script), concurrency=1)
    first = send(drover, "/first")
    until(lambda: gate.now == 1, "it is at the worker")
    leaver = send(drover, "/leaver")
    until(lambda: queued(drover) == 1, lambda: drover.health())
    leaver.close()
    until(lambda: queued(drover) == 0, lambda: drover.health())
    last = send(drover, "/last")
    gate.open(5)
    assert first.read_response().status == 200 and last.read_response().text == "/last"
    assert gate.order == ["/first", "/last"]


@scenario(limit=40)
def concurrency_holds_across_loops_and_nobody_is_forgotten(stage):
    lock, now, most = threading.Lock(), [0], [0]

    def script(link):
        while link.read_request():
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.003)
            with lock:
                now[0] -= 1
            link.answer("x")
    drover = stage.front(stage.backend(script), concurrency=3, top={"threads": 2})
    with drover.load(clients=30, pause=0.001) as load:
        load.wait_for(1500)
    load.assert_nothing_failed()
    assert most[0] == 3, most
    assert queued(drover) == 0 and drover.workers()[0]["active_connections"] == 0


@scenario()
def requests_wait_for_the_first_worker_to_come_up(stage):
    drover = stage.web(plain("--start-delay", "1200"), workers=2, wait="up")
    started = time.monotonic()
    wires = [send(drover, "/") for _ in range(8)]
    assert [wire.read_response().status for wire in wires] == [200] * 8
    assert time.monotonic() - started > 0.5


@scenario()
def a_place_that_is_free_goes_to_those_who_wait_not_to_newcomers(stage):
    gate = Gate()
    drover = stage.front(stage.backend(gate.script), concurrency=2, queue={"target": "20s"})
    held = [send(drover, "/a"), send(drover, "/b")]
    until(lambda: gate.now == 2, "both places are taken")
    early = send(drover, "/early")
    until(lambda: queued(drover) == 1, lambda: drover.health())
    gate.open()
    late = send(drover, "/late")
    until(lambda: "/early" in gate.order, lambda: gate.order)
    assert "/late" not in gate.order or gate.order.index("/early") < gate.order.index("/late")
    gate.open(10)
    for wire in held + [early, late]:
        assert wire.read_response().status == 200


@scenario(limit=40)
def a_queue_that_stood_too_long_serves_the_newest_first(stage):
    gate = Gate()
    drover = stage.front(stage.backend(gate.script), concurrency=1, queue={"target": "50ms", "timeout": "30s"})
    wires = {"/hold": send(drover, "/hold")}
    until(lambda: gate.now == 1, "the place is taken")
    for i in range(5):
        wires[f"/old{i}"] = send(drover, f"/old{i}")
        until(lambda: queued(drover) == i + 1, lambda: drover.health())
    for _ in range(3):  # it is served slowly, and stays above its target for more than 10 x 50 ms
        time.sleep(0.35)
        served = len(gate.order)
        gate.open()
        until(lambda: len(gate.order) > served, lambda: gate.order)
    wires["/new"] = send(drover, "/new")
    until(lambda: queued(drover) == 3, lambda: drover.health())
    served = len(gate.order)
    gate.open()
    until(lambda: len(gate.order) > served, lambda: gate.order)
    assert gate.order[served] == "/new", gate.order
    gate.open(20)
    for wire in wires.values():
        assert wire.read_response().status == 200


@scenario()
def a_websocket_waits_in_the_queue_too(stage):
    drover = stage.web(plain(), workers=1, concurrency=1)
    slow = send(drover, "/slow?ms=700")
    until(lambda: drover.workers()[0]["active_connections"] == 1, lambda: drover.workers())
    opened = []
    opener = threading.Thread(target=lambda: opened.append(drover.websocket()))
    opener.start()
    until(lambda: queued(drover) == 1, lambda: drover.health())
    assert slow.read_response().status == 200
    opener.join(10 * PATIENCE)
    opened[0].echo()


@scenario(limit=40)
def a_new_worker_takes_from_the_queue_at_once(stage):
    drover = stage.web(plain(), workers=1, concurrency=1)
    slow = send(drover, "/slow?ms=4000")
    until(lambda: drover.workers()[0]["active_connections"] == 1, lambda: drover.workers())
    waiting = send(drover, "/")
    until(lambda: queued(drover) == 1, lambda: drover.health())
    drover.told("scale", "web", "2")
    started = time.monotonic()
    assert waiting.read_response().text == "web.2"
    assert time.monotonic() - started < 3.5
    slow.close()
