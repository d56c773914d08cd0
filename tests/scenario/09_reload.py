# SPDX-License-Identifier: MIT
"""A reload is a change of mind, not a restart."""
import os
import re
import socket as sockets_of_the_kernel
import time

from kit import Wire, children, descriptors, free_port, get, is_running, plain, resident_kb, scenario, until, uvicorn


@scenario(limit=60)
def a_wrong_file_changes_nothing_and_says_why(stage):
    drover = stage.web(plain(), workers=2)
    pids, engine, good = drover.pids(), drover.engine(), dict(drover.config)
    socket = drover.websocket()
    with drover.load() as load:
        for breakage in (lambda c: c["pools"]["web"].update(workers="four"), lambda c: c.update(unknown_key=1),
                         lambda c: c["pools"]["web"].update(directory="nowhere"), lambda c: c.update(pools={})):
            config = {**good, "pools": {"web": dict(good["pools"]["web"])}}
            breakage(config)
            drover.write(config)
            said = len(drover.said())
            text = drover.told("reload", status=1)
            assert re.search(r"drover\.yaml:\d+:\d+: |pools\.web\.directory", text), text
            drover.hup()
            drover.wait_said(r"drover\.yaml:\d+|refused|pools", after=said)
        drover.write(f"control: {good['control']}\nlisten: [")
        drover.told("reload", status=1)
        os.unlink(drover.file)
        assert drover.command("reload").returncode == 2, "the file that -c names is not there"
        said = len(drover.said())
        drover.hup()
        drover.wait_said(r"No such file|cannot", after=said)
        load.wait_for(100)
    load.assert_nothing_failed()
    assert drover.pids() == pids and drover.engine() == engine
    socket.echo()
    drover.write(good)
    drover.told("reload")
    assert drover.pids() == pids


@scenario(limit=150)
def after_136_reloads_none_of_1000_websockets_was_closed(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers=4, top={"limits": {"connections": 4000}})
    sockets = [drover.websocket(timeout=20) for _ in range(1000)]
    pids, engine = drover.pids(), drover.engine()
    below = len(children(drover.pid))
    for turn in range(136):
        drover.config["timeouts"] = {"response": f"{40 + turn}s"}
        drover.config["routes"] = [{"path": f"/turn{turn}", "pool": "web"}, {"path": "/", "pool": "web"}]
        drover.write(drover.config)
        if turn % 2:
            drover.told("reload")
        else:
            said = len(drover.said())
            drover.hup()
            drover.wait_said(r"reload", after=said)
        if turn == 10:
            memory, open_files = resident_kb(engine), descriptors(engine)
    assert drover.pids() == pids and drover.engine() == engine and len(children(drover.pid)) == below
    closed = sum(socket.is_closed() for socket in sockets)
    assert closed == 0, f"{closed} were closed"
    for socket in sockets[::10]:
        socket.echo()
    assert descriptors(engine) <= open_files + 8, (open_files, descriptors(engine))
    assert resident_kb(engine) - memory < 12000, (memory, resident_kb(engine))


@scenario(limit=60)
def reloads_under_load_cost_no_request(stage):
    drover = stage.web(plain(), workers=2)
    with drover.load(clients=8) as load:
        for turn in range(20):
            drover.config["timeouts"] = {"response": f"{40 + turn}s"}
            drover.write(drover.config)
            drover.told("reload")
        load.wait_for(50)
    load.assert_nothing_failed()
    assert load.reopened == 0, f"{load.reopened} kept connections were closed"


@scenario(limit=60)
def a_changed_command_replaces_workers_one_by_one_without_a_failed_request(stage):
    drover = stage.web(plain(), workers=3)
    before = drover.pids()
    with drover.load() as load:
        load.wait_for(50)
        drover.config["pools"]["web"]["environment"] = {"EDITION": "2"}
        drover.write(drover.config)
        drover.told("reload")
        until(lambda: not set(before) & set(drover.pids()) and len(drover.workers()) == 3
              and len(drover.workers(status="healthy")) == 3, lambda: drover.workers(), 30)
        load.wait_for(100)
    load.assert_nothing_failed()
    assert drover.get("/environment").json()["EDITION"] == "2"


@scenario(limit=60)
def when_the_new_command_does_not_come_up_the_old_workers_go_on(stage):
    drover = stage.web(plain(), workers=2, start={"timeout": "1s", "backoff": "200ms"})
    before = drover.pids()
    drover.config["pools"]["web"]["command"] = plain("--crash")
    drover.write(drover.config)
    with drover.load() as load:
        assert "2 go on as they are" in drover.told("reload", status=1)
        time.sleep(1)
        load.wait_for(50)
    load.assert_nothing_failed()
    assert [pid for pid in before if is_running(pid)] == before, "both old ones still serve"
    drover.config["pools"]["web"]["command"] = plain()
    drover.write(drover.config)
    drover.told("reload")
    until(lambda: len(drover.workers(status="healthy")) == 2 and len(drover.workers()) == 2, lambda: drover.workers(), 20)


@scenario()
def listeners_come_and_go_and_what_a_removed_one_carries_goes_on(stage):
    drover = stage.web(plain(), workers=1)
    first, second = drover.port, free_port()
    socket = drover.websocket()
    kept = drover.wire()
    assert kept.get().status == 200
    drover.config["listen"] = [f"127.0.0.1:{first}", f"127.0.0.1:{second}"]
    drover.write(drover.config)
    drover.told("reload")
    assert get(second).status == 200
    drover.config["listen"] = [f"127.0.0.1:{second}"]
    drover.write(drover.config)
    drover.told("reload")

    def is_refused():
        try:
            sockets_of_the_kernel.create_connection(("127.0.0.1", first), 1).close()
            return False
        except ConnectionRefusedError:
            return True
    until(is_refused, "the removed listener refuses")
    socket.echo()
    assert kept.get().status == 200
    assert get(second).status == 200


@scenario()
def a_listener_that_cannot_be_bound_refuses_the_reload(stage):
    drover = stage.web(plain(), workers=1)
    with sockets_of_the_kernel.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        good = list(drover.config["listen"])
        drover.config["listen"] = good + ["127.0.0.1:%d" % other.getsockname()[1]]
        drover.write(drover.config)
        text = drover.told("reload", status=1)
        assert "listen" in text and "in use" in text, text
    assert get(int(good[0].rpartition(":")[2])).status == 200


@scenario()
def threads_routes_and_limits_change_in_place(stage):
    drover = stage.drover(stage.config({"one": {"command": plain(), "workers": 1}, "two": {"command": plain(), "workers": 1}},
                                       routes=[{"path": "/", "pool": "one"}]))
    wire = drover.wire()
    assert wire.get().text == "one.1"
    drover.config.update(routes=[{"path": "/", "pool": "two"}], limits={"body": 100}, threads=1)
    drover.write(drover.config)
    drover.told("reload")
    assert wire.get().text == "two.1", "also on a connection that was there before"
    assert drover.request("POST", "/echo", body=b"x" * 200).status == 413


@scenario()
def what_needs_a_restart_says_so(stage):
    drover = stage.web(plain(), workers=1)
    admin = drover.admin
    drover.config["admin"] = f"127.0.0.1:{free_port()}"
    drover.write(drover.config)
    drover.admin = admin
    result = drover.command("reload")
    assert "admin" in result.stdout + result.stderr + drover.said() and "restart" in result.stdout + result.stderr + drover.said(), result
    assert drover.get().status == 200


@scenario(limit=40)
def pools_come_and_go(stage):
    drover = stage.web(plain(), workers=1)
    web = drover.pids()
    drover.config["pools"]["extra"] = {"command": plain(), "workers": 2}
    drover.config["routes"] = [{"path": "/extra", "pool": "extra"}, {"path": "/", "pool": "web"}]
    drover.write(drover.config)
    drover.told("reload")
    until(lambda: len(drover.workers("extra", "healthy")) == 2, lambda: drover.health())
    assert drover.get("/extra").text.startswith("extra.")
    extra = drover.pids("extra")
    with Wire(drover.port) as wire:
        wire.send_request("GET", "/extra?ms=0")
        wire.read_response()
        del drover.config["pools"]["extra"], drover.config["routes"]
        drover.write(drover.config)
        drover.told("reload")
        assert wire.get("/extra").text == "web.1"
    until(lambda: not any(is_running(pid) for pid in extra), "its workers are ended", 15)
    assert drover.pids() == web and "extra" not in drover.health()["pools"]


@scenario(limit=40)
def a_pool_may_become_one_of_servers_and_one_of_workers_again(stage):
    server = stage.backend()
    drover = stage.web(plain(), workers=2)
    pools, pids = drover.config["pools"], drover.pids()
    drover.write({**drover.config, "pools": {"web": {"servers": [server.address]}}})
    drover.told("reload")
    until(lambda: not any(is_running(pid) for pid in pids), "its workers are ended", 15)
    drover.wait_said("web.1: stopping -> gone")
    drover.wait_said("web.2: stopping -> gone")
    drover.write({**drover.config, "pools": pools})
    drover.told("reload")
    drover.wait_workers("web", 2)
    assert drover.get().text in ("web.1", "web.2")
