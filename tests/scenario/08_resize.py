# SPDX-License-Identifier: MIT
"""More workers, fewer workers, while everything runs."""
from kit import is_running, plain, scenario, until, uvicorn


def pid_of(drover):
    return {worker["name"]: worker["worker_id"] for worker in drover.workers()}


@scenario(limit=60)
def scale_up_and_down_under_load_with_open_websockets(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers=2, top={"timeouts": {"drain_tunnel": "1s"}})
    sockets = [drover.websocket() for _ in range(20)]
    with drover.load() as load:
        load.wait_for(100)
        drover.told("scale", "web", "4")
        drover.wait_workers("web", 4)
        load.wait_for(200)
        assert len(load.workers) >= 1
        more = [drover.websocket() for _ in range(20)]
        drover.told("scale", "web", "2")
        until(lambda: len(drover.workers()) == 2, lambda: drover.workers(), 20)
        load.wait_for(100)
    load.assert_nothing_failed()
    left = pid_of(drover)
    assert len(left) == 2
    stayed = [socket for socket in sockets + more if socket.response.field("X-Worker") in left]
    assert len(stayed) == 20, "40 sockets were spread evenly over four workers"
    for socket in sockets + more:
        if socket in stayed:
            socket.echo()
        else:
            assert socket.receive_close() == 1012, "a retired worker's tunnels end with 1012"


@scenario(limit=60)
def the_file_and_hup_resize_and_kept_websockets_are_untouched(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers=3, top={"timeouts": {"drain_tunnel": "1s"}})
    before = pid_of(drover)
    sockets = [drover.websocket() for _ in range(30)]
    with drover.load() as load:
        for size in (5, 1, 3):
            drover.config["pools"]["web"]["workers"] = size
            drover.write(drover.config)
            drover.hup()
            drover.wait_workers("web", size)
            load.wait_for(100)
    load.assert_nothing_failed()
    after = pid_of(drover)
    kept = [name for name in before if after.get(name) == before[name]]
    assert kept, (before, after)
    for socket in sockets:
        if socket.response.field("X-Worker") in kept:
            socket.echo()


@scenario()
def scale_lasts_until_workers_changes_in_the_file(stage):
    drover = stage.web(plain(), workers=2)
    drover.told("scale", "web", "3")
    drover.wait_workers("web", 3)
    drover.config["timeouts"] = {"response": "50s"}
    drover.write(drover.config)
    drover.told("reload")
    drover.wait_workers("web", 3)
    drover.told("scale", "web", "file")
    drover.wait_workers("web", 2)
    drover.told("scale", "web", "4")
    drover.wait_workers("web", 4)
    drover.config["pools"]["web"]["workers"] = 1
    drover.write(drover.config)
    drover.told("reload")
    drover.wait_workers("web", 1)


@scenario()
def scale_with_nonsense_changes_nothing_and_says_why(stage):
    drover = stage.web(plain(), workers=2)
    pids = drover.pids()
    for words in (["web", "many"], ["web", "-1"], ["nopool", "3"], ["web", "100000"]):
        result = drover.command("scale", *words)
        assert result.returncode in (1, 2) and (result.stderr + result.stdout).strip(), (words, result)
    assert "nopool" in (lambda r: r.stdout + r.stderr)(drover.command("scale", "nopool", "3"))
    assert drover.pids() == pids


@scenario(limit=40)
def a_retiring_worker_finishes_its_request_before_it_is_told_to_end(stage):
    drover = stage.web(plain(), workers=2)
    wires = [drover.wire() for _ in range(4)]
    for wire in wires:
        wire.send_request("GET", "/slow?ms=1500")
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 4, lambda: drover.workers())
    drover.told("scale", "web", "1")
    until(lambda: any(worker["status"] == "draining" for worker in drover.workers()), lambda: drover.workers())
    for wire in wires:
        assert wire.read_response().status == 200
    until(lambda: len(drover.workers()) == 1, lambda: drover.workers())


@scenario(limit=40)
def one_that_does_not_finish_in_time_is_ended_all_the_same(stage):
    drover = stage.web(plain(), workers=2, top={"timeouts": {"drain": "700ms", "response": "20s"}})
    wires = [drover.wire() for _ in range(2)]
    for wire in wires:
        wire.send_request("GET", "/slow?ms=8000")
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 2, lambda: drover.workers())
    before = drover.pids()
    drover.told("scale", "web", "1")
    until(lambda: len(drover.workers()) == 1, lambda: drover.workers(), 6)
    gone = [pid for pid in before if pid not in drover.pids()]
    assert len(gone) == 1 and not is_running(gone[0])


@scenario(limit=40)
def the_last_of_many_quick_orders_holds(stage):
    drover = stage.web(plain(), workers=2)
    for size in (6, 2, 5, 1, 4):
        drover.told("scale", "web", str(size))
    drover.wait_workers("web", 4)
    assert drover.get().status == 200
