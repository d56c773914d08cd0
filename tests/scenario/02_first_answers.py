# SPDX-License-Identifier: MIT
"""The main job: one binary, one file, four uvicorn workers of a FastAPI app."""
from kit import BINARY, children, family, is_running, scenario, uvicorn


def four_uvicorns(stage, **more):
    return stage.web(uvicorn("--port", "$PORT"), workers=4, **more)


@scenario(limit=40)
def four_uvicorn_workers_answer_in_turn(stage):
    drover = four_uvicorns(stage)
    pids = {drover.get("/").json()["pid"] for _ in range(12)}
    assert pids == set(drover.pids()), (pids, drover.health())
    names = sorted(worker["name"] for worker in drover.workers())
    assert names == ["web.1", "web.2", "web.3", "web.4"]
    body = bytes(range(256)) * 300
    assert drover.request("POST", "/echo", [("Content-Type", "application/x-test")], body).body == body
    assert drover.stop() == 0


@scenario(limit=40)
def a_websocket_goes_through_both_ways(stage):
    drover = four_uvicorns(stage)
    with drover.websocket() as socket:
        socket.echo("hello")
        socket.echo("é" * 1000)
        socket.send(b"\0" * 70000, BINARY)
        assert socket.receive() == (BINARY, b"\0" * 70000)
        worker = socket.response.field("X-Worker")
        assert [w["name"] for w in drover.workers() if w["active_connections"]] == [worker]
        assert socket.close(1000) == 1000
    assert drover.stop() == 0


@scenario(limit=40)
def everything_is_a_child_of_drover_and_gone_after_it(stage):
    drover = four_uvicorns(stage)
    below = family(drover.pid)
    assert set(drover.pids()) <= set(children(drover.pid)) and drover.engine() in children(drover.pid)
    assert drover.stop() == 0
    assert not any(is_running(pid) for pid in below)
