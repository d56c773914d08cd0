# SPDX-License-Identifier: MIT
"""Streams of one HTTP/2 connection beside each other: none waits for another without an end, whoever is slow."""
import os
import struct
import threading
import time

from certificates import Authority
from h2_wire import CANCEL, END_HEADERS, H2Wire, HEADERS, INTERNAL_ERROR, PREFACE, WINDOW_UPDATE, frame
from kit import PATIENCE, free_port, resident_kb, scenario

LARGE = 30_000_000


class Slow:
    """Reads an H2Wire's socket at a pace, in pieces."""

    def __init__(self, wire, a_second):
        self.wire, self.a_second = wire, a_second

    def until(self, condition, what, within):
        ends = time.monotonic() + within * PATIENCE
        began, read = time.monotonic(), 0
        while not condition():
            assert time.monotonic() < ends, f"{what}: it did not happen ({list(self.wire.streams.values())[-3:]})"
            while read > self.a_second * (time.monotonic() - began):
                time.sleep(0.005)
            before = sum(len(stream.body) for stream in self.wire.streams.values())
            assert self.wire.read_frame(), what
            read += sum(len(stream.body) for stream in self.wire.streams.values()) - before + 9


def large_or_small(link):
    while asked := link.read_request():
        if asked.target == "/large":
            link.send(f"HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n")
            for _ in range(LARGE // 100000):
                link.send(b"x" * 100000)
        elif asked.target == "/cut":
            link.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return
        else:
            link.answer("small")


@scenario()
def small_answers_do_not_wait_for_a_large_one(stage):
    drover = stage.front(stage.backend(large_or_small))
    with H2Wire(drover.port, settings={4: 1 << 30}) as wire:
        wire.window((1 << 30))
        large = wire.ask(path="/large")
        wire.until(lambda: len(large.body) > 1000000, "it flows")
        for _ in range(20):
            before = len(large.body)
            small = wire.ask()
            wire.wait(small)
            assert small.body == b"small" and len(large.body) - before < 12_000_000, len(large.body) - before
            if large.is_over:
                break


@scenario()
def who_tells_of_every_few_bytes_that_it_took_them_is_honest(stage):
    """Late and all at once, as Go's client does that reads 4 KiB at a time from a window of megabytes."""
    drover = stage.front(stage.backend(large_or_small))
    with H2Wire(drover.port, settings={4: 1 << 22}, takes=False) as wire:
        wire.window(1 << 30)
        large = wire.ask(path="/large")
        told = 0
        while not large.is_over:
            wire.until(lambda: large.is_over or len(large.body) - told >= 1 << 22, "the window is full")
            wire.send((frame(WINDOW_UPDATE, 0, large.number, struct.pack("!I", 4096)) + frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 4096))) * 1024)
            told += 1 << 22
        assert len(large.body) == LARGE and large.is_ended, (len(large.body), wire.goaways)


@scenario()
def a_cut_response_is_told_though_another_fills_the_connection(stage):
    drover = stage.front(stage.backend(large_or_small))
    with H2Wire(drover.port, settings={4: 1 << 30}) as wire:
        wire.socket.setsockopt(1, 8, 65536)
        wire.window(1 << 30)
        slow = Slow(wire, 2_000_000)
        large = [wire.ask(path="/large") for _ in range(20)][0]
        slow.until(lambda: len(large.body) > 100000, "it flows", 5)
        cut = wire.ask(path="/cut")
        slow.until(lambda: cut.is_over, "the reset", 8)
        assert cut.body == b"half" and cut.reset == INTERNAL_ERROR and not large.is_over, cut


@scenario(limit=60)
def a_slow_client_of_many_streams_is_not_stuck(stage):
    def script(link):
        while link.read_request():
            link.send("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + "x" * 300000)
    drover = stage.front(stage.backend(script), top={"timeouts": {"send": "600ms"}})
    with H2Wire(drover.port, settings={4: 1 << 30}) as wire:
        wire.socket.setsockopt(1, 8, 65536)
        wire.window(1 << 30)
        streams = [wire.ask() for _ in range(30)]
        Slow(wire, 3_000_000).until(lambda: all(stream.is_over for stream in streams), "all of them", 20)
        assert all(stream.is_ended for stream in streams), [stream.reset for stream in streams]


@scenario()
def uploads_that_stand_do_not_stop_another(stage):
    release = threading.Event()

    def script(link):
        asked = link.read_head()
        if asked and asked.target == "/stands":
            release.wait(20 * PATIENCE)
        elif asked:
            link.read_body(asked)
            link.answer("all of it")
    drover = stage.front(stage.backend(script), top={"limits": {"body": "100m"}, "timeouts": {"body": "1s"}})
    with H2Wire(drover.port) as wire:
        windows = {0: 65535}
        take = wire.on_frame

        def on_frame(kind, flags, number, payload):
            if kind == 8:
                windows[number] = windows.get(number, 65536) + int.from_bytes(payload, "big")
            take(kind, flags, number, payload)
        wire.on_frame = on_frame
        wire.until(lambda: windows[0] > 65535, "the window")

        def send(stream):
            size = min(16384, windows[0], windows.setdefault(stream.number, 65536))
            if size:
                wire.data(stream, b"x" * size)
                windows[0] -= size
                windows[stream.number] -= size
            return size
        standing = [wire.open(wire.head("POST", "/stands"), end=False) for _ in range(30)]
        moves = time.monotonic()
        while time.monotonic() - moves < 0.4 and windows[0] > 0:
            if sum(send(stream) for stream in standing):
                moves = time.monotonic()
            wire.quiet(0.005)
        small = wire.open(wire.head("POST", "/goes"), end=False)
        assert send(small), f"no room in the connection's window: {windows[0]}"
        wire.data(small, b"", end=True)
        assert wire.wait(small).body == b"all of it", small
        release.set()


@scenario()
def aborted_uploads_give_their_window_back(stage):
    def script(link):
        link.read_head()
        time.sleep(0.02)
        link.answer("no", "413 Too Large")
    drover = stage.front(stage.backend(script), top={"limits": {"body": "100m"}})
    with H2Wire(drover.port) as wire:
        windows = {0: 65535}
        take = wire.on_frame

        def on_frame(kind, flags, number, payload):
            if kind == 8 and number == 0:
                windows[0] += int.from_bytes(payload, "big")
            take(kind, flags, number, payload)
        wire.on_frame = on_frame
        wire.until(lambda: windows[0] > 65535, f"the settings")
        for i in range(150):
            stream = wire.open(wire.head("POST", "/up"), end=False)
            size = min(65536, windows[0])
            assert size > 20000, (i, windows)
            wire.data(stream, b"x" * size)
            windows[0] -= size
            if i % 3 == 0:
                wire.reset(stream)
            elif i % 3 == 1:
                wire.wait(stream)
                assert stream.status == 413, stream
            wire.quiet(0.005)
        wire.quiet(0.5)
        wire.wait(wire.ask("GET"))
        assert windows[0] > 500000, windows


@scenario()
def interim_answers_without_end_fill_no_memory(stage):
    said = threading.Event()

    def script(link):
        link.read_request()
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </" + b"a" * 200 + b">\r\n\r\n"
        for _ in range(1000):
            link.send(hints * 100)
        said.set()
        link.answer("at last")
    drover = stage.front(stage.backend(script))
    with H2Wire(drover.port, takes=False) as wire:
        before = resident_kb(drover.engine())
        stream = wire.ask()
        assert said.wait(10 * PATIENCE)
        grown = resident_kb(drover.engine()) - before
        assert grown < 8000, f"{grown} kB"
        assert wire.wait(stream).body == b"at last" and stream.interims, stream


@scenario()
def who_does_not_read_cannot_pile_up_what_is_to_be_said(stage):
    """Neither reads nor acknowledges SETTINGS: every head beyond `limits.streams` is refused, by a frame that waits."""
    drover = stage.front(stage.backend(large_or_small))
    with H2Wire(drover.port, settings={4: 1 << 30}, takes=False) as wire, H2Wire(drover.port) as other:
        wire.window(1 << 30)
        for _ in range(30):
            wire.ask(path="/large")
        time.sleep(0.3)  # the socket is full
        before = resident_kb(drover.engine())
        block = wire.headers_frame(0, wire.head("POST"))[9:]
        try:
            for start in range(61, 2_000_001, 20000):
                wire.send(b"".join(frame(HEADERS, END_HEADERS, number, block) for number in range(start, start + 20000, 2)))
        except OSError:
            pass
        grown = resident_kb(drover.engine()) - before
        assert other.get().status == 200
        assert grown < 8000, f"{grown} kB"


@scenario()
def an_end_that_has_no_window_is_bounded_too(stage):
    """Not even an empty frame goes out while the window is 0."""
    go = threading.Event()

    def script(link):
        while asked := link.read_request():
            link.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            go.wait(10 * PATIENCE)
            if asked.target == "/cut":
                return
            link.send("0\r\n\r\n")
    drover = stage.front(stage.backend(script), top={"timeouts": {"send": "500ms"}})
    with H2Wire(drover.port, settings={4: 4}, takes=False) as wire:
        streams = [wire.ask(path=path) for path in ("/whole", "/cut")]
        wire.until(lambda: all(stream.body == b"half" for stream in streams), "all that the window takes")
        go.set()
        wire.wait(*streams)
        assert all(stream.reset == CANCEL for stream in streams), streams
        assert wire.get("/cut").status == 200, "the connection goes on"


@scenario()
def the_edge_is_the_same_as_over_http_1(stage):
    servers, clients = Authority(stage, "servers"), Authority(stage, "clients")
    plain_port, tls_port, proxied_port = free_port(), free_port(), free_port()
    pages = stage.path("challenges")
    os.mkdir(pages)
    with open(os.path.join(pages, "token"), "w") as file:
        file.write("token.thumb")
    backend = stage.backend()
    drover = stage.front(backend, affinity={"cookie": "stay"}, top={
        "acme": pages, "trusted_proxies": ["127.0.0.1"], "limits": {"connections_per_ip": 1},
        "listen": [{"address": f"127.0.0.1:{plain_port}", "expose": ["/health/ready"]},
                   {"address": f"127.0.0.1:{tls_port}", "tls": {**servers.issue("a.test"), "client_ca": clients.file}},
                   {"address": f"127.0.0.1:{proxied_port}", "proxy_protocol": "on"}]})

    def field(name):
        return [value for key, value in backend.requests[-1].fields if key.lower() == name]
    with H2Wire(plain_port) as wire:
        assert wire.get("/.well-known/acme-challenge/token").body == b"token.thumb"
        assert wire.get("/health/ready").status == 200
        stream = wire.get("/", [("cookie", "a=1")])
        given = stream.field("set-cookie").split(";")[0]
        assert given.startswith("stay=") and stream.field("cache-control") == "private", stream
        stream = wire.get("/", [("cookie", "a=1"), ("cookie", given), ("cookie", "b=2")])
        assert not stream.field("set-cookie") and field("cookie") == ["a=1; b=2"], (stream, field("cookie"))
    with H2Wire(tls_port, servers.context(client=clients.issue("one", subject="/CN=one"))) as wire:
        assert wire.get("/", [("x-client-subject", "CN=root")]).status == 200
        assert field("x-client-subject") == ["CN=one"], field("x-client-subject")
        assert field("x-forwarded-proto") == ["https"]
    with H2Wire(proxied_port, begins=False) as wire, H2Wire(proxied_port, begins=False) as second:
        wire.send(b"PROXY TCP4 203.0.113.7 10.0.0.1 5 443\r\n" + PREFACE + wire.settings_frame({}))
        assert wire.get().status == 200 and field("x-real-ip") == ["203.0.113.7"], field("x-real-ip")
        second.send(b"PROXY TCP4 203.0.113.7 10.0.0.1 6 443\r\n" + PREFACE + second.settings_frame({}))
        try:
            second.read_frame()
        except Exception:
            pass
        assert second.buffer.startswith(b"HTTP/1.1 503") or second.closed, "one too many of that address"
