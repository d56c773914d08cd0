# SPDX-License-Identifier: MIT
"""Slow clients and slow workers are kept apart, within bounds, and a full disk is told."""
import hashlib
import os
import subprocess
import threading
import time

from kit import PATIENCE, Skipped, Wire, chunk, resident_kb, scenario, until


def deleted_files(pid):
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.endswith("(deleted)") and "memfd" not in target or "/#" in target:
            found.append((target, os.stat(f"/proc/{pid}/fd/{name}").st_size))
    return found


def slow_upload(drover, backend, path="/"):
    """Sends a head and half a body, and tells whether the backend has been asked by then."""
    wire = drover.wire()
    wire.send_request("POST", path, [("Content-Length", "200000")])
    wire.send(b"a" * 100000)
    time.sleep(0.4)
    asked = bool(backend.seen("POST"))
    wire.send(b"b" * 100000)
    response = wire.read_response()
    assert response.status == 200, response
    assert backend.seen("POST")[-1].body == b"a" * 100000 + b"b" * 100000
    backend.requests.clear()
    return asked


@scenario()
def on_gives_a_worker_each_request_whole(stage):
    backend = stage.backend()
    assert not slow_upload(stage.front(backend, buffering="on"), backend)


@scenario()
def off_gives_it_as_it_comes(stage):
    backend = stage.backend()
    assert slow_upload(stage.front(backend, buffering="off"), backend)


@scenario()
def auto_goes_by_whether_there_is_a_bound(stage):
    backend = stage.backend()
    assert slow_upload(stage.front(backend), backend)
    assert not slow_upload(stage.front(backend, concurrency=4), backend)


@scenario()
def a_route_may_have_it_otherwise(stage):
    backend = stage.backend()
    drover = stage.front(backend, buffering="on", top={"routes": [{"path": "/live", "pool": "web", "buffering": "off"}, {"path": "/", "pool": "web"}]})
    assert slow_upload(drover, backend, "/live")
    assert not slow_upload(drover, backend, "/whole")


@scenario()
def a_slow_upload_never_holds_a_place(stage):
    backend = stage.backend()
    drover = stage.front(backend, concurrency=1)
    wire = drover.wire()
    wire.send_request("POST", "/slow", [("Content-Length", "10")])
    wire.send("12345")
    for _ in range(5):
        assert drover.get("/quick").status == 200
    wire.send("67890")
    assert wire.read_response().status == 200


@scenario()
def a_large_request_waits_in_a_file_not_in_memory(stage):
    def script(link):
        while asked := link.read_request():
            link.answer(hashlib.sha256(asked.body).hexdigest())
    backend = stage.backend(script)
    drover = stage.front(backend, buffering="on", top={"limits": {"body": "64m"}})
    engine = drover.engine()
    before = resident_kb(engine)
    body = os.urandom(1 << 20) * 30
    wire = drover.wire(timeout=20)
    wire.send_request("POST", "/", [("Content-Length", str(len(body)))])
    wire.send(body[:-1])
    until(lambda: any(size > 20 << 20 for _, size in deleted_files(engine)), lambda: deleted_files(engine))
    assert resident_kb(engine) - before < 4096, resident_kb(engine) - before
    wire.send(body[-1:])
    assert wire.read_response().text == hashlib.sha256(body).hexdigest()
    until(lambda: not deleted_files(engine), lambda: deleted_files(engine))


@scenario()
def a_small_request_needs_no_file(stage):
    backend = stage.backend()
    drover = stage.front(backend, buffering="on")
    engine = drover.engine()
    wire = drover.wire()
    wire.send_request("POST", "/", [("Transfer-Encoding", "chunked")])
    for _ in range(30):
        wire.send(chunk(b"x" * 2000))
    time.sleep(0.3)
    assert not deleted_files(engine)
    wire.send("0\r\n\r\n")
    assert wire.read_response().status == 200
    assert len(backend.requests[-1].body) == 60000


@scenario()
def a_body_over_its_limit_is_413_before_a_worker_sees_it_where_that_can_be(stage):
    backend = stage.backend()
    for mode in ("on", "off"):
        drover = stage.front(backend, buffering=mode, top={"limits": {"body": "100k"}})
        with Wire(drover.port) as wire:
            wire.send_request("POST", "/", [("Content-Length", "200000")])
            assert wire.read_response().status == 413 and wire.is_closed(3)
        assert not backend.requests
        with Wire(drover.port) as wire:
            wire.send_request("POST", "/chunked", [("Transfer-Encoding", "chunked")])
            try:
                for _ in range(200):
                    wire.send(chunk(b"x" * 1000))
                wire.send("0\r\n\r\n")
            except ConnectionError:
                pass
            assert wire.read_response().status == 413
        assert not any(asked.is_whole for asked in backend.requests)
        assert drover.request("POST", "/fits", body=b"x" * 100000).status == 200
        backend.requests.clear()


BIG = bytes(range(256)) * 4096 * 20   # 20 MB


def big_script(link):
    while asked := link.read_request():
        if asked.target == "/small":
            link.answer("small")
            continue
        started = time.monotonic()
        link.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(BIG)}\r\n\r\n")
        link.send(BIG)
        link.backend.took = time.monotonic() - started
        link.backend.done.set()


def big_backend(stage):
    backend = stage.backend(big_script)
    backend.done, backend.took = threading.Event(), None
    return backend


@scenario(limit=40)
def a_response_is_read_off_the_worker_ahead_of_a_slow_client(stage):
    backend = big_backend(stage)
    drover = stage.front(backend, buffering="on")
    engine = drover.engine()
    before = resident_kb(engine)
    wire = drover.wire(timeout=30)
    wire.send_request("GET", "/")
    assert backend.done.wait(10 * PATIENCE), "the worker is rid of it while the client has read nothing"
    assert resident_kb(engine) - before < 6144, resident_kb(engine) - before
    assert wire.read_response().body == BIG
    until(lambda: not deleted_files(engine), lambda: deleted_files(engine))


@scenario(limit=40)
def without_buffering_a_slow_client_holds_the_worker_back(stage):
    backend = big_backend(stage)
    drover = stage.front(backend, buffering="off")
    engine = drover.engine()
    before = resident_kb(engine)
    wire = drover.wire(timeout=30)
    wire.send_request("GET", "/")
    assert not backend.done.wait(1.5)
    assert resident_kb(engine) - before < 4096 and not deleted_files(engine)
    assert wire.read_response().body == BIG


@scenario(limit=40)
def a_route_decides_about_responses_too(stage):
    for pool, route, is_ahead in (("off", "on", True), ("on", "off", False)):
        backend = big_backend(stage)
        drover = stage.front(backend, buffering=pool, top={"routes": [{"path": "/big", "pool": "web", "buffering": route}, {"path": "/", "pool": "web"}]})
        wire = drover.wire(timeout=30)
        wire.send_request("GET", "/big")
        assert backend.done.wait(10 * PATIENCE if is_ahead else 1.5) == is_ahead, (pool, route)
        assert wire.read_response().body == BIG


@scenario(limit=40)
def the_file_of_a_response_is_bounded(stage):
    backend = big_backend(stage)
    drover = stage.front(backend, buffering={"mode": "on", "response_max": "2m"})
    engine = drover.engine()
    wire = drover.wire(timeout=30)
    wire.send_request("GET", "/")
    assert not backend.done.wait(1.5)
    assert all(size <= 4 << 20 for _, size in deleted_files(engine)), deleted_files(engine)
    assert wire.read_response().body == BIG


@scenario(limit=40)
def a_client_that_leaves_takes_its_file_with_it(stage):
    backend = big_backend(stage)
    drover = stage.front(backend, buffering="on")
    engine = drover.engine()
    wire = Wire(drover.port)
    wire.send_request("GET", "/")
    assert backend.done.wait(10 * PATIENCE)
    wire.reset()
    until(lambda: not deleted_files(engine), lambda: deleted_files(engine))
    assert drover.get("/again").body == BIG


@scenario()
def events_are_never_held_back(stage):
    step = threading.Semaphore(0)

    def script(link):
        while link.read_request():
            link.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for i in range(5):
                link.send(chunk(f"data: {i}\n\n".encode()))
                step.acquire(timeout=10)
            link.send("0\r\n\r\n")
    backend = stage.backend(script)
    for mode in ("on", "off"):
        drover = stage.front(backend, buffering=mode, top={"timeouts": {"stall": "300ms"}})
        with Wire(drover.port) as wire:
            wire.send_request("GET", "/")
            head = wire.read_head()
            for i in range(5):
                while f"data: {i}\n\n".encode() not in wire.buffer:
                    assert wire.fill(), "it ended early"
                if i == 2:
                    time.sleep(0.6)  # a pause longer than `stall`: not for events
                step.release()
            while b"0\r\n\r\n" not in wire.buffer:
                assert wire.fill()
            assert head.status == 200


def full_disk(stage):
    """A directory on a file system with half a megabyte."""
    path = stage.path("tiny")
    os.mkdir(path)
    result = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", path], capture_output=True, text=True)
    if result.returncode != 0:
        raise Skipped("needs the right to mount a tmpfs: " + result.stderr.strip())
    stage.closing.callback(lambda: subprocess.run(["umount", "-l", path], capture_output=True))
    return path


@scenario(limit=40)
def a_full_disk_is_told_and_logged_and_holds_up_nobody(stage):
    path = full_disk(stage)
    backend = stage.backend()
    drover = stage.front(backend, buffering="on", environment={"TMPDIR": path})
    with drover.load(clients=2) as load:
        with Wire(drover.port) as wire:
            wire.send_request("POST", "/big", [("Content-Length", "4000000")])
            try:
                for _ in range(40):
                    wire.send(b"x" * 100000)
            except ConnectionError:
                pass
            response = wire.read_response()
        assert response.status in (507, 502), response
        load.wait_for(100)
    load.assert_nothing_failed()
    assert not backend.seen(target="/big")
    drover.wait_said(r"(?i)no space|disk|temporary file", 5)
    assert drover.request("POST", "/small", body=b"x" * 1000).status == 200


@scenario(limit=40)
def a_full_disk_turns_a_response_into_a_slow_one_or_a_cut_one_never_a_wrong_one(stage):
    path = full_disk(stage)
    backend = big_backend(stage)
    drover = stage.front(backend, buffering="on", environment={"TMPDIR": path})
    wire = drover.wire(timeout=30)
    wire.send_request("GET", "/")
    time.sleep(1)
    try:
        response = wire.read_response()
        assert response.status in (502, 507) or response.body == BIG, response
    except ConnectionError as cut:
        seen = cut.response.body if getattr(cut, "response", None) else b""
        assert BIG.startswith(seen)
    assert drover.get("/small").text == "small"
