# SPDX-License-Identifier: MIT
"""HTTP/2 as an attacker speaks it: who misbehaves is told to calm down and closed, and nobody else is slowed."""
import struct
import threading
import time

import hpack

from h2_wire import CALM, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, H2Wire, HEADERS, NO_ERROR, PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, \
    REFUSED_STREAM, RST_STREAM, SETTINGS, Stream, WINDOW_UPDATE, frame
from kit import PATIENCE, Wire, get, plain, resident_kb, scenario, until
from wire import Cut


def blast(wire, data):
    """As much of it as the other side takes."""
    try:
        wire.send(data)
    except (ConnectionError, TimeoutError):
        pass


def goodbye(wire):
    """-> the code it was closed with"""
    code = wire.until_closed()
    assert wire.closed
    return code


@scenario()
def floods_of_frames_that_do_nothing_end_the_connection_and_no_other(stage):
    drover = stage.front(stage.backend())
    floods = {
        "pings": frame(PING, 0, 0, b"12345678") * 5000,
        "settings": frame(SETTINGS, 0, 0, struct.pack("!HI", 4, 70000)) * 5000,
        "priorities": b"".join(frame(PRIORITY, 0, 2 * i + 1, struct.pack("!IB", 0, 16)) for i in range(5000)),
        "unknown frames": frame(0xbb, 0, 0, b"?" * 10) * 5000,
        "window updates": frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 1)) * 5000,
        "goaways": frame(GOAWAY, 0, 0, struct.pack("!II", 0, 0)) * 5000,
    }
    with H2Wire(drover.port) as other:
        for name, flood in floods.items():
            with H2Wire(drover.port) as wire:
                assert wire.get().status == 200
                hanging = wire.open(wire.head("POST"), end=False)
                blast(wire, flood)
                assert goodbye(wire) == CALM, (name, wire.goaways)
                assert not hanging.is_ended
            assert other.get().status == 200, name
        with H2Wire(drover.port) as wire:
            stream = wire.open(wire.head("POST"), end=False)
            blast(wire, frame(DATA, 0, stream.number) * 2500 + frame(DATA, PADDED, stream.number, b"\x03\0\0\0") * 2500)
            assert goodbye(wire) == CALM, "empty DATA"
        assert other.get().status == 200
    metrics = drover.page("/metrics").text
    assert f"drover_h2_broken_total {len(floods) + 1}\n" in metrics, [line for line in metrics.split("\n") if "_h2_" in line]


@scenario()
def what_an_honest_client_sends_is_no_flood(stage):
    drover = stage.front(stage.backend())
    with H2Wire(drover.port) as wire:
        for i in range(300):
            wire.send(frame(PING, 0, 0, b"12345678"))
            assert wire.get().status == 200
        wire.until(lambda: wire.pongs == 300, "every ping is answered")
        for i in range(100):  # a page that is left in the middle
            wire.reset(wire.ask())
        until(lambda: wire.get().status == 200, "the worker is done with them")
        assert not wire.goaways
        for i in range(600):
            stream = wire.ask("POST", body=b"x" * 10)
            wire.wait(stream)
        assert not wire.goaways


@scenario()
def rapid_resets_end_the_connection_and_fill_no_worker(stage):
    """CVE-2023-44487."""
    most = [0, 0]
    lock = threading.Lock()

    def script(link):
        while asked := link.read_request():
            with lock:
                most[0] += 1
                most[1] = max(most)
            time.sleep(0.05)
            with lock:
                most[0] -= 1
            link.answer("fine")
    drover = stage.front(stage.backend(script), top={"limits": {"streams": 20}})
    with H2Wire(drover.port) as wire, H2Wire(drover.port) as other:
        assert wire.get().status == 200
        block = wire.headers_frame(0, wire.head())[9:]
        pieces = []
        for number in range(3, 20003, 2):
            pieces.append(frame(HEADERS, END_HEADERS | END_STREAM, number, block) + frame(RST_STREAM, 0, number, b"\0\0\0\x08"))
            wire.streams[number] = Stream(number)
        blast(wire, b"".join(pieces))
        assert other.get().status == 200
        assert goodbye(wire) == CALM
        assert most[1] <= 21, f"{most[1]} at once at a worker"
        assert len(drover.access_lines()) < 400


@scenario()
def resets_that_the_client_makes_drover_send_end_the_connection(stage):
    """CVE-2025-8671."""
    drover = stage.front(stage.backend())
    made = {
        "a window update of 0": lambda wire, number: frame(WINDOW_UPDATE, 0, number, b"\0\0\0\0"),
        "a window that overflows": lambda wire, number: frame(WINDOW_UPDATE, 0, number, b"\x7f\xff\xff\xff"),
        "a malformed head": lambda wire, number: b"",
    }
    for name, push in made.items():
        with H2Wire(drover.port) as wire:
            assert wire.get().status == 200
            pieces = []
            for number in range(3, 2003, 2):
                head = wire.head("POST") + ([("connection", "x")] if name == "a malformed head" else [])
                pieces.append(wire.headers_frame(number, head, end=False) + push(wire, number))
                wire.streams[number] = Stream(number)
            for i in range(0, len(pieces), 50):
                blast(wire, b"".join(pieces[i:i + 50]))
                try:
                    wire.quiet(0.02)
                except Cut:
                    break
            assert goodbye(wire) in (CALM, PROTOCOL_ERROR), (name, wire.goaways)
            resets = [stream.reset for stream in wire.streams.values() if stream.reset not in (None, REFUSED_STREAM)]
            assert len(resets) < 500, (name, len(resets))


@scenario()
def heads_without_an_end_and_heads_without_measure_end_the_connection(stage):
    drover = stage.front(stage.backend())
    before = None
    for name in ("continuations", "empty continuations", "a bomb", "many fields"):
        with H2Wire(drover.port) as wire:
            assert wire.get().status == 200
            before = before or resident_kb(drover.engine())
            block = wire.encoder.encode(wire.head())
            if name == "continuations":
                blast(wire, frame(HEADERS, END_STREAM, 3, block) + b"".join(frame(CONTINUATION, 0, 3, wire.encoder.encode([(f"x-{i}", "y" * 16)])) for i in range(20000)))
            elif name == "empty continuations":
                blast(wire, frame(HEADERS, END_STREAM, 3, block) + frame(CONTINUATION, 0, 3) * 20000)
            elif name == "a bomb":  # one entry of 4 kB in the table, named again and again by a byte
                large = b"\x40\x01a\x7f" + b"\xc1\x1e" + b"b" * 4000  # literal with indexing, 4000 bytes
                blast(wire, frame(HEADERS, END_STREAM, 3, block + large + b"\xbe" * 12000) +
                      frame(CONTINUATION, 0, 3, b"\xbe" * 16000) * 6 + frame(CONTINUATION, END_HEADERS, 3))
            else:
                fields = wire.encoder.encode(wire.head() + [("a", "b")]) + b"\xbe" * 16000
                blast(wire, frame(HEADERS, END_STREAM, 3, fields[:16000]) + frame(CONTINUATION, END_HEADERS, 3, fields[16000:]))
            wire.streams[3] = Stream(3)
            assert goodbye(wire) in (CALM, PROTOCOL_ERROR, 9), (name, wire.goaways)
            assert wire.streams[3].status is None
    grown = resident_kb(drover.engine()) - before
    assert grown < 4000, f"{grown} kB"
    assert get(drover.port).status == 200


@scenario()
def what_is_no_http_2_ends_the_connection(stage):
    drover = stage.front(stage.backend())
    block = H2Wire(drover.port).encoder.encode([(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")])
    wrong = {
        "no settings first": PREFACE + frame(PING, 0, 0, b"12345678"),
        "a frame that is too large": PREFACE + frame(SETTINGS) + frame(DATA, 0, 1, b"x" * 20000),
        "data on stream 0": PREFACE + frame(SETTINGS) + frame(DATA, 0, 0, b"x"),
        "data on an idle stream": PREFACE + frame(SETTINGS) + frame(DATA, 0, 1, b"x"),
        "an even stream": PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS | END_STREAM, 2, block),
        "a continuation of nothing": PREFACE + frame(SETTINGS) + frame(CONTINUATION, END_HEADERS, 1, block),
        "something between a head and its end": PREFACE + frame(SETTINGS) + frame(HEADERS, END_STREAM, 1, block) + frame(PING, 0, 0, b"12345678"),
        "padding longer than the frame": PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + block),
        "fields that cannot be decoded": PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff"),
        "a window without bounds": PREFACE + frame(SETTINGS) + frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
        "a push": PREFACE + frame(SETTINGS) + frame(5, END_HEADERS, 1, b"\0\0\0\2" + block),
        "settings of a wrong size": PREFACE + frame(SETTINGS, 0, 0, b"abc"),
        "a setting that cannot be": PREFACE + frame(SETTINGS, 0, 0, struct.pack("!HI", 4, 0xffffffff)),
        "a half preface and something else": PREFACE[:20] + b"GET / HTTP/1.1\r\n\r\n",
    }
    for name, data in wrong.items():
        with H2Wire(drover.port, begins=False) as wire:
            wire.streams = {number: Stream(number) for number in (1, 3, 5)}
            blast(wire, data)
            if name.startswith("a half"):
                assert wire.socket.recv(65536).startswith(b"HTTP/1.1 505 ")
                continue
            code = goodbye(wire)
            assert code not in (None, NO_ERROR), (name, code)
    assert get(drover.port).status == 200


@scenario()
def what_comes_after_the_window_or_the_end_is_counted(stage):
    release = threading.Event()

    def script(link):
        if asked := link.read_head():
            release.wait(10 * PATIENCE)
            link.answer("late")
            del asked
    drover = stage.front(stage.backend(script))
    with H2Wire(drover.port) as wire:
        wire.until(lambda: 4 in wire.settings, "the settings")
        stream = wire.open(wire.head("POST"), end=False)
        blast(wire, frame(DATA, 0, stream.number, b"x" * 16384) * 200)
        assert wire.wait(stream).reset == 3, stream
        blast(wire, frame(DATA, 0, stream.number, b"x") * 2000)
        assert goodbye(wire) == CALM
    release.set()
    with H2Wire(drover.port) as wire:
        assert wire.get().status == 200
        blast(wire, b"".join(wire.headers_frame(1, wire.head()) for _ in range(3000)))
        assert goodbye(wire) == CALM, "heads of a stream that is closed"


@scenario()
def tiny_windows_cost_the_client_more_than_drover(stage):
    drover = stage.web(plain(), workers=1)
    with H2Wire(drover.port, takes=False, settings={4: 0}) as wire, H2Wire(drover.port) as other:
        stream = wire.ask(path="/bytes?n=100000")
        wire.until(lambda: stream.fields, "the head")
        try:
            for _ in range(2000):
                wire.window(1, stream)
            wire.quiet(0.5)
        except (Cut, ConnectionError):
            pass
        assert other.get("/bytes?n=1000").status == 200
        assert goodbye(wire) == CALM, wire.goaways


@scenario(limit=60)
def attackers_one_after_the_other_do_not_slow_the_others(stage):
    drover = stage.front(stage.backend(), top={"threads": 1})
    stop = threading.Event()

    def attack(flood):
        while not stop.is_set():
            try:
                with Wire(drover.port) as wire:
                    wire.send(flood)
                    wire.rest()
            except OSError:
                pass
    fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
    block = hpack.Encoder().encode(fields)
    start = PREFACE + frame(SETTINGS)
    floods = (start + frame(PING, 0, 0, b"12345678") * 3000,
              start + b"".join(frame(HEADERS, END_HEADERS | END_STREAM, n, block) + frame(RST_STREAM, 0, n, b"\0\0\0\x08") for n in range(1, 601, 2)),
              start + frame(HEADERS, END_STREAM, 1, block) + frame(CONTINUATION, 0, 1, b"\x82" * 1000) * 50)
    threads = [threading.Thread(target=attack, args=(floods[i % 3],), daemon=True) for i in range(12)]
    for thread in threads:
        thread.start()
    try:
        with Wire(drover.port) as wire, H2Wire(drover.port) as second:
            ends = time.monotonic() + 2
            count = 0
            while time.monotonic() < ends:
                assert wire.get("/").status == 200
                stream = second.get()
                assert stream.status == 200, (stream, second.goaways)
                count += 1
            assert count >= 3, count
    finally:
        stop.set()
        for thread in threads:
            thread.join(20 * PATIENCE)
    until(lambda: drover.health()["active_connections"] <= 1, "all are gone")
