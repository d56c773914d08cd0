# SPDX-License-Identifier: MIT
"""Connections to workers: kept, reused, and never trusted too far."""
import collections
import threading
import time

from kit import PATIENCE, Wire, WebSocket, answer_all, plain, scenario, until




@scenario()
def links_are_kept_and_reused(stage):
    backend = stage.backend()
    drover = stage.front(backend, top={"threads": 1})
    with Wire(drover.port) as wire:
        for _ in range(50):
            assert wire.get().status == 200
    for _ in range(20):
        drover.get()
    assert len(backend.links) == 1, len(backend.links)


@scenario()
def a_client_that_leaves_leaves_its_place_taken_and_its_link_closed(stage):
    release, closed = threading.Event(), threading.Event()

    def script(link):
        while asked := link.read_request():
            if asked.target == "/long":
                release.wait(20)
                link.answer("too late")
                if link.wait_closed(5):
                    closed.set()
                return
            link.answer("quick")
    backend = stage.backend(script)
    drover = stage.front(backend, concurrency=1, buffering="off")
    leaver = Wire(drover.port)
    leaver.send_request("GET", "/long")
    until(lambda: backend.seen(target="/long"), "it is at the worker")
    leaver.close()
    waiter = drover.wire()
    waiter.send_request("GET", "/next")
    until(lambda: drover.pool()["queued"] == 1, lambda: drover.health())
    time.sleep(0.3)
    assert not backend.seen(target="/next"), "the place is still taken"
    release.set()
    assert waiter.read_response().text == "quick"
    assert closed.wait(10 * PATIENCE), "that link is closed, never reused"
    assert len(backend.links) == 2


@scenario()
def a_place_is_given_up_after_the_response_time_out_when_the_client_is_gone(stage):
    def script(link):
        while asked := link.read_request():
            if asked.target == "/never":
                link.wait_closed(20)
                return
            link.answer("quick")
    backend = stage.backend(script)
    drover = stage.front(backend, concurrency=1, buffering="off", top={"timeouts": {"response": "1s"}})
    leaver = Wire(drover.port)
    leaver.send_request("GET", "/never")
    until(lambda: backend.seen(target="/never"), "it is at the worker")
    leaver.close()
    started = time.monotonic()
    assert drover.get("/next").text == "quick"
    assert time.monotonic() - started < 3 * PATIENCE


def closes_when_reused(link):
    """Keep-alive in its words only: the second request on a connection finds it closed."""
    if link.read_request():
        link.answer("once")
        link.read_head()


@scenario(limit=40)
def a_worker_that_closes_every_reused_connection_fails_nobody(stage):
    backend = stage.backend(closes_when_reused)
    drover = stage.front(backend)
    with Wire(drover.port) as wire:
        assert [wire.get(f"/{i}").status for i in range(60)] == [200] * 60
    with Wire(drover.port) as wire:
        posts = [wire.request("POST", f"/pay/{i}", body=b"1").status for i in range(30)]
    counts = collections.Counter(asked.target for asked in backend.seen("POST"))
    assert max(counts.values()) == 1, f"no POST twice: {counts}"
    assert posts.count(200) >= 28, posts
    worker = drover.workers()[0]
    assert worker["status"] == "healthy" and worker["fails"] == 0, "a stale link is no failure"


@scenario(limit=40)
def a_worker_whose_links_were_stale_is_forgiven_after_some_seconds(stage):
    backend = stage.backend(closes_when_reused)
    drover = stage.front(backend)
    wire = drover.wire()
    assert [wire.get().status for _ in range(6)] == [200] * 6
    backend.script = answer_all
    until(lambda: [len(backend.links) for _ in range(4) if wire.get().status == 200].count(len(backend.links)) == 4, "links are kept again", 15, 0.25)


@scenario(limit=40)
def a_worker_that_closes_idle_links_early_loses_no_request(stage):
    def script(link):
        link.socket.settimeout(link.backend.patience)
        try:
            while True:
                while b"\r\n\r\n" not in link.buffer:
                    if not link.fill():
                        return
                link.answer("x") if link.read_request() else None
        except TimeoutError:
            return
    backend = stage.backend(script)
    backend.patience = 0.05
    drover = stage.front(backend)
    with Wire(drover.port) as wire:
        for turn in range(120):
            assert wire.get().status == 200, turn
            time.sleep(0.042 + 0.0002 * (turn % 80))
    patient = stage.backend(script)
    patient.patience = 0.4
    drover = stage.front(patient)
    with drover.load(clients=4, pause=0.399, method="POST", body=b"x") as load:
        load.wait_for(40)
    load.assert_nothing_failed()


@scenario()
def bytes_on_an_idle_link_are_never_given_to_anybody(stage):
    def script(link):
        while link.read_request():
            link.answer("mine")
            time.sleep(0.05)
            link.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
    backend = stage.backend(script)
    drover = stage.front(backend, top={"threads": 1})
    for _ in range(8):
        assert drover.get().text == "mine"
        time.sleep(0.12)
    assert len(backend.links) == 8


@scenario()
def bytes_after_a_response_end_the_link_and_reach_nobody(stage):
    def script(link):
        while link.read_request():
            link.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmineHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
    backend = stage.backend(script)
    drover = stage.front(backend, top={"threads": 1})
    with Wire(drover.port) as wire:
        for _ in range(10):
            response = wire.get()
            assert response.text in ("mine",) or response.status == 502, response
    assert len(backend.links) >= 5


@scenario()
def a_worker_that_says_close_is_believed(stage):
    def script(link):
        while asked := link.read_request():
            link.answer("bye", fields=[("Connection", "close")])
            link.wait_closed(5)
            return
    backend = stage.backend(script)
    drover = stage.front(backend)
    with Wire(drover.port) as wire:
        for _ in range(10):
            response = wire.get()
            assert response.status == 200 and (response.field("Connection") or "").lower() != "close", "the client's connection is its own"
    assert len(backend.links) == 10


@scenario()
def an_early_answer_during_an_upload_is_relayed(stage):
    def script(link):
        if link.read_head():
            link.answer("enough", "413 Content Too Large", [("Connection", "close")])
            time.sleep(0.5)
    drover = stage.front(stage.backend(script), buffering="off")
    with Wire(drover.port) as wire:
        wire.send_request("POST", "/", [("Content-Length", "5000000")])
        try:
            for _ in range(50):
                wire.send(b"x" * 100000)
        except ConnectionError:
            pass
        response = wire.read_response()
        assert response.status == 413 and response.text == "enough", response


@scenario()
def many_clients_share_few_links(stage):
    drover = stage.web(plain(), workers=1)
    wires = [drover.wire() for _ in range(200)]
    for wire in wires:
        assert wire.get().status == 200
    for socket in [WebSocket(drover.port) for _ in range(3)]:
        socket.close()
    assert drover.get("/descriptors").json()
    sockets = sum("socket:" in what for what in drover.get("/descriptors").json().values())
    assert sockets < 30, f"{sockets} connections for 200 idle clients"
