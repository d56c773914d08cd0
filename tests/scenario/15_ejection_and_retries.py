# SPDX-License-Identifier: MIT
"""Who is out, for how long, and what may be asked of another."""
import collections
import json
import select
import socket
import threading
import time

from kit import PATIENCE, Cut, Wire, free_port, scenario, until


def closes_at_once(link):
    link.read_head()


def counted_statuses(drover, count, *arguments, **more):
    return collections.Counter(drover.request(*arguments, **more).status for _ in range(count))


def states(drover):
    return [worker["status"] for worker in drover.workers()]


@scenario()
def a_server_that_refuses_costs_nobody_an_error_and_is_ejected(stage):
    good = stage.backend()
    drover = stage.front(f"127.0.0.1:{free_port()}", good, max_fails=2, fail_timeout="30s")
    assert counted_statuses(drover, 20, "GET") == {200: 20}
    assert counted_statuses(drover, 20, "POST", "/", body=b"x") == {200: 20}, "nothing was written: a POST may go elsewhere"
    assert sorted(states(drover)) == ["ejected", "healthy"], drover.workers()


@scenario(limit=40)
def after_its_time_exactly_one_request_tries_it(stage):
    broken, good = stage.backend(closes_at_once, name="broken"), stage.backend(name="good")
    drover = stage.front(broken, good, max_fails=2, fail_timeout="1s")
    assert counted_statuses(drover, 10, "GET") == {200: 10}
    until(lambda: "ejected" in states(drover), lambda: drover.workers())
    seen = len(broken.requests)
    with drover.load(clients=4) as load:
        load.wait_for(50)
        assert len(broken.requests) == seen, "not asked while it is out"
        until(lambda: len(broken.requests) > seen, "the trial", 5)
        load.wait_for(30)
        assert len(broken.requests) <= seen + 2 * max(1, PATIENCE), (seen, len(broken.requests))
        broken.script = good.script
        until(lambda: states(drover) == ["healthy", "healthy"], lambda: drover.workers(), 10)
        asked = len(broken.requests)
        until(lambda: len(broken.requests) > asked + 5, "it has its share again", 5)
    load.assert_nothing_failed()


@scenario()
def errors_that_the_app_answers_are_not_failures(stage):
    def script(link):
        while link.read_request():
            link.answer("broken app", "500 Internal Server Error")
    backend = stage.backend(script)
    drover = stage.front(backend, stage.backend(script), max_fails=1)
    assert counted_statuses(drover, 20, "GET") == {500: 20}
    assert states(drover) == ["healthy", "healthy"] and [worker["fails"] for worker in drover.workers()] == [0, 0]


@scenario()
def the_last_one_is_never_ejected(stage):
    broken = [stage.backend(closes_at_once) for _ in range(2)]
    drover = stage.front(*broken, max_fails=1, fail_timeout="30s", retries=0)
    assert set(counted_statuses(drover, 12, "GET")) == {502}
    assert states(drover).count("healthy") == 1, drover.workers()
    for backend in broken:
        backend.script = lambda link: [link.answer("back") for _ in iter(link.read_request, None)]
    until(lambda: drover.get().status == 200, "the one that is left is asked again at once", 3)


@scenario()
def a_get_is_tried_elsewhere_and_a_post_that_was_sent_is_not(stage):
    broken, good = stage.backend(closes_at_once, name="broken"), stage.backend(name="good")
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        drover = stage.front(broken, good, max_fails=0)  # each with a retry budget of its own
        assert set(counted_statuses(drover, 6, method, "/", body=b"x" if method == "PUT" else None)) == {200}, method
    for method in ("POST", "PATCH"):
        before = len(broken.seen(method))
        counts = counted_statuses(drover, 6, method, "/", body=b"x")
        failed = len(broken.seen(method)) - before
        assert failed > 0 and counts == {200: 6 - failed, 502: failed}, (method, counts, failed)


@scenario()
def never_more_than_its_retries(stage):
    nobody = [f"127.0.0.1:{free_port()}" for _ in range(6)]
    for retries in (0, 2, 3):
        drover = stage.front(*nobody, max_fails=0, retries=retries, top={"log_format": "json"})
        assert drover.request("POST", "/", body=b"x").status == 502
        lines = until(drover.access_lines, "its line")
        assert json.loads(lines[0])["tries"] == retries + 1, lines


@scenario()
def what_a_fresh_connection_was_closed_on_is_tried_once_more(stage):
    broken = [stage.backend(closes_at_once) for _ in range(6)]
    drover = stage.front(*broken, max_fails=0, retries=4)
    assert drover.get("/once").status == 502
    assert sum(len(backend.seen(target="/once")) for backend in broken) == 2


@scenario()
def retries_never_become_a_storm(stage):
    broken = [stage.backend(closes_at_once) for _ in range(4)]
    drover = stage.front(*broken, max_fails=0, retries=3)
    count = 150
    assert set(counted_statuses(drover, count, "GET")) == {502}
    attempts = sum(len(backend.requests) for backend in broken)
    assert attempts <= count + count // 5 + 20 + 5, attempts


@scenario()
def a_large_body_that_is_not_held_is_not_sent_again(stage):
    def script(link):
        asked = link.read_head()
        if asked:
            time.sleep(0.2)
            link.take(200000)
    broken, good = stage.backend(script, name="broken"), stage.backend(name="good")
    drover = stage.front(broken, good, max_fails=0, buffering="off")
    for _ in range(4):
        before = len(broken.requests)
        status = drover.request("PUT", "/", body=b"x" * 400000).status
        assert status == (502 if len(broken.requests) > before else 200), status


@scenario()
def a_response_time_out_is_504_and_not_tried_again(stage):
    silent = threading.Event()

    def script(link):
        while link.read_head():
            silent.wait(5)
            return
    backends = [stage.backend(script) for _ in range(2)]
    drover = stage.front(*backends, top={"timeouts": {"response": "400ms"}})
    started = time.monotonic()
    assert drover.get().status == 504
    assert time.monotonic() - started < 1.5 * PATIENCE
    assert sum(len(backend.requests) for backend in backends) == 1
    silent.set()


@scenario()
def a_worker_that_does_not_take_a_request_is_504_after_the_send_time_out(stage):
    done = threading.Event()

    def script(link):
        link.read_head()
        done.wait(10)
    drover = stage.front(stage.backend(script), buffering="off", top={"timeouts": {"send": "500ms", "response": 0}, "limits": {"body": "1g"}})
    wire = drover.wire()
    wire.send_request("POST", "/", [("Content-Length", str(1 << 29))])
    started = time.monotonic()
    wire.socket.setblocking(False)
    while not select.select([wire.socket], [], [], 0)[0] and time.monotonic() - started < 5 * PATIENCE:
        if select.select([], [wire.socket], [], 0.05)[1]:
            wire.socket.send(b"x" * 65536)
    wire.socket.settimeout(5)
    assert wire.read_response().status == 504
    done.set()


@scenario()
def all_tries_together_never_take_longer_than_the_response_time_out(stage):
    silent = threading.Event()

    def late(link):
        link.read_head()
        time.sleep(0.8)

    def hangs(link):
        link.read_head()
        silent.wait(10)
    drover = stage.front(stage.backend(late), stage.backend(hangs), max_fails=0, top={"timeouts": {"response": "1s"}})
    for _ in range(2):  # one of them begins with the late one
        started = time.monotonic()
        assert drover.get().status == 504
        assert time.monotonic() - started < 1.5 * PATIENCE
    silent.set()


@scenario()
def a_connect_that_is_not_answered_times_out_and_another_is_asked(stage):
    full = stage.keep(socket.create_server(("127.0.0.1", 0), backlog=0))  # nobody accepts; its backlog fills
    fillers = []
    for _ in range(4):
        filler = stage.keep(socket.socket())
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
        fillers.append(filler)
    good = stage.backend()
    drover = stage.front("%s:%d" % full.getsockname(), good, max_fails=3, top={"timeouts": {"connect": "300ms"}})
    started = time.monotonic()
    assert counted_statuses(drover, 4, "GET") == {200: 4}
    assert time.monotonic() - started < 6 * PATIENCE


@scenario()
def an_unreadable_response_is_502_and_nothing_of_it_gets_out(stage):
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nsecret", b"garbage secret\r\n\r\n",
               b"HTTP/1.1 200 OK\r\nX-A: secret\x00\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"secret" * 100000 + b"\r\n\r\n",
               b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nsecret"]

    def script(link):
        if link.read_head():
            link.send(link.backend.say)
            link.wait_closed(3)
    backend = stage.backend(script)
    drover = stage.front(backend, max_fails=0, retries=0)
    for say in answers:
        backend.say = say
        response = drover.get()
        assert response.status == 502 and b"secret" not in response.body and not any("secret" in v for _, v in response.fields), (say[:60], response)


@scenario()
def a_body_that_stalls_or_breaks_is_seen_cut(stage):
    def script(link):
        while asked := link.read_head():
            if asked.target == "/chunked":
                link.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            else:
                link.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
            if asked.target == "/stall":
                link.wait_closed(5)
            return
    drover = stage.front(stage.backend(script), top={"timeouts": {"stall": "500ms"}}, max_fails=0)
    for path in ("/chunked", "/length", "/stall"):
        with Wire(drover.port) as wire:
            wire.send_request("GET", path)
            try:
                response = wire.read_response()
            except Cut as cut:
                assert cut.response.body in (b"hello", b""), cut.response
            else:
                raise AssertionError(f"completed: {response}")
    until(lambda: "stalled" in " ".join(drover.access_lines()) and "broken" in " ".join(drover.access_lines()), drover.access_lines, 5)
