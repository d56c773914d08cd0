# SPDX-License-Identifier: MIT
"""Least connections is exact, whichever loop accepted the client."""
import collections

from kit import Wire, plain, scenario, until, uvicorn


def even(counts, total, workers):
    assert sum(counts.values()) == total and len(counts) == workers, counts
    assert max(counts.values()) - min(counts.values()) <= 1, counts


@scenario(limit=60)
def four_hundred_websockets_over_four_workers_are_a_hundred_each(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers=4)
    sockets = [drover.websocket() for _ in range(400)]
    even(collections.Counter(socket.response.field("X-Worker") for socket in sockets), 400, 4)
    even({worker["name"]: worker["active_connections"] for worker in drover.workers()}, 400, 4)
    for socket in sockets[::7]:
        socket.echo()
    for socket in sockets[:200]:
        socket.drop()
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 200, lambda: drover.workers())
    more = [drover.websocket() for _ in range(200)]
    assert len(more) == 200
    even({worker["name"]: worker["active_connections"] for worker in drover.workers()}, 400, 4)


@scenario(limit=60)
def four_hundred_requests_in_flight_are_a_hundred_each(stage):
    gate = stage.path("gate")
    drover = stage.web(plain("--gate", gate), workers=4)
    wires = [stage.keep(Wire(drover.port)) for _ in range(400)]
    for wire in wires:
        wire.send_request("GET", "/hold")
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 400, lambda: drover.workers())
    even({worker["name"]: worker["active_connections"] for worker in drover.workers()}, 400, 4)
    stage.write("gate", "")
    even(collections.Counter(wire.read_response().field("X-Worker") for wire in wires), 400, 4)
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 0, lambda: drover.workers())


@scenario(limit=40)
def a_busy_worker_gets_less_than_an_idle_one(stage):
    gate = stage.path("gate")
    drover = stage.web(plain("--gate", gate), workers=2)
    busy = [stage.keep(Wire(drover.port)) for _ in range(2)]
    for wire in busy:
        wire.send_request("GET", "/hold")
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 2, lambda: drover.workers())
    # one each; now free one of them and see that newcomers go where it is free
    held = drover.wire()
    held.send_request("GET", "/hold")
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 3, lambda: drover.workers())
    least = min(drover.workers(), key=lambda worker: worker["active_connections"])["name"]
    assert {drover.get().field("X-Worker") for _ in range(10)} == {least}
    stage.write("gate", "")
    for wire in busy + [held]:
        wire.read_response()


@scenario(limit=40)
def tunnels_count_for_less_than_requests_but_spread_evenly(stage):
    drover = stage.web(plain(), workers=2, target={"concurrency": 10, "tunnels": 100}, top={"threads": 1})
    sockets = [drover.websocket() for _ in range(5)]
    counts = collections.Counter(socket.response.field("X-Worker") for socket in sockets)
    assert sorted(counts.values()) == [2, 3], counts
    fresh = [drover.get().field("X-Worker") for _ in range(10)]
    assert set(fresh) == {min(counts, key=counts.get)}, "2 against 3 tunnels: the emptier one"
