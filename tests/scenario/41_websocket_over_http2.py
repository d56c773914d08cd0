# SPDX-License-Identifier: MIT
"""WebSocket over HTTP/2 (RFC 8441): a stream carries what an HTTP/1.1 connection would, and workers see the handshake that they know."""
import base64
import hashlib
import os
import struct

from certificates import Authority
from h2_wire import CANCEL, H2Wire, NO_ERROR, PROTOCOL_ERROR
from kit import free_port, resident_kb, scenario, until, uvicorn
from wire import GUID

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def pack(payload, opcode=TEXT, masked=True):
    payload = payload if isinstance(payload, bytes) else payload.encode()
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size) if size < 65536 else b"\x7f" + struct.pack("!Q", size)
    if not masked:
        return bytes([0x80 | opcode]) + length + payload
    mask = os.urandom(4)
    return bytes([0x80 | opcode, 0x80 | length[0]]) + length[1:] + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def unpack(data):
    """-> [(opcode, payload)], what is left"""
    frames = []
    while len(data) >= 2:
        size, at = data[1] & 127, 2
        if size == 126:
            size, at = struct.unpack("!H", data[2:4])[0], 4
        elif size == 127:
            size, at = struct.unpack("!Q", data[2:10])[0], 10
        if len(data) < at + size:
            break
        frames.append((data[0] & 15, bytes(data[at:at + size])))
        data = data[at + size:]
    return frames, data


def handshake(wire, path="/ws", fields=(("sec-websocket-version", "13"),), protocol="websocket"):
    return wire.open(wire.head("CONNECT", path, list(fields), pseudo=[(":protocol", protocol)]), end=False)


def connect(wire, path="/ws", fields=()):
    wire.until(lambda: 8 in wire.settings, "the settings")
    stream = handshake(wire, path, [("sec-websocket-version", "13"), *fields])
    wire.until(lambda: stream.fields or stream.is_over, "the answer")
    assert stream.status == 200, stream
    return stream


def hear(wire, stream, count=1):
    wire.until(lambda: len(unpack(stream.body)[0]) >= count or stream.is_over, "frames")
    frames, rest = unpack(stream.body)
    stream.body = bytearray(rest)
    return frames


@scenario()
def a_websocket_passes_on_a_stream_beside_other_requests(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers=1)
    with H2Wire(drover.port) as wire:
        one, two = connect(wire), connect(wire)
        assert not one.field("sec-websocket-accept") and not one.field("connection") and not one.field("upgrade"), one
        for size in (0, 1, 125, 126, 60000):
            wire.data(one, pack(b"x" * size, BINARY))
            wire.data(two, pack("hello"))
            assert wire.get("/").status in (200, 404)
            assert hear(wire, one) == [(BINARY, b"x" * size)]
            assert hear(wire, two) == [(TEXT, b"hello")]
        worker = drover.health()["pools"]["web"]["workers"][0]
        assert worker["active_connections"] == 2, worker
        wire.data(one, pack(struct.pack("!H", 1000), CLOSE))
        assert hear(wire, one) == [(CLOSE, struct.pack("!H", 1000))]
        wire.data(one, b"", end=True)
        wire.wait(one)
        wire.data(two, pack("still here"))
        assert hear(wire, two) == [(TEXT, b"still here")]
        wire.reset(two)
        until(lambda: drover.health()["pools"]["web"]["workers"][0]["active_connections"] == 0, "both places are free")
        assert wire.get("/").status in (200, 404) and not wire.goaways
    until(lambda: sum('"GET /ws HTTP/2.0" 101 ' in line for line in drover.access_lines()) == 2, "the lines in the log")


def accept_of(asked):
    return base64.b64encode(hashlib.sha1(asked.field("Sec-WebSocket-Key").encode() + GUID).digest()).decode()


def upgrade(link, asked, accept=None, more=""):
    link.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{more}"
              f"Sec-WebSocket-Accept: {accept or accept_of(asked)}\r\n\r\n")


@scenario()
def workers_see_a_fresh_handshake_and_its_answer_is_checked(stage):
    keys = []

    def script(link):
        asked = link.read_head()
        if not asked:
            return
        keys.append(asked.field("Sec-WebSocket-Key"))
        if asked.target == "/wrong":
            upgrade(link, asked, "bm90IHRoZSByaWdodCBhY2NlcHQ=")
        elif asked.target == "/no":
            link.answer("no", "403 Forbidden")
        elif asked.target == "/plain":
            link.answer("a page")
        else:
            upgrade(link, asked, more="Sec-WebSocket-Protocol: chat\r\n")
            link.send(pack("first", masked=False))
            link.wait_closed()
    backend = stage.backend(script)
    drover = stage.front(backend, retries=0)
    with H2Wire(drover.port) as wire:
        stream = connect(wire, "/ws", [("sec-websocket-protocol", "chat, other"), ("origin", "http://a"), ("sec-websocket-key", "Zm9yZ2VkIGJ5IGNsaWVudA==")])
        assert stream.field("sec-websocket-protocol") == "chat" and hear(wire, stream) == [(TEXT, b"first")]
        asked = backend.requests[-1]
        assert asked.method == "GET" and asked.field("Upgrade") == "websocket" and asked.field("Sec-WebSocket-Version") == "13", asked
        assert asked.field("Sec-WebSocket-Protocol") == "chat, other" and asked.field("Via") == "2.0 drover", asked
        assert len(asked.all("Sec-WebSocket-Key")) == 1 and len(base64.b64decode(keys[0])) == 16 and "Zm9yZ2Vk" not in keys[0]
        answers = {path: handshake(wire, path) for path in ("/wrong", "/no", "/plain")}
        for path, status in (("/wrong", 502), ("/no", 403), ("/plain", 502)):
            wire.until(lambda: answers[path].is_over, path)
            assert answers[path].status == status, (path, answers[path])
        assert answers["/no"].body == b"no" and b"no_websocket" in answers["/plain"].body
        assert len(set(keys)) == 4
        assert wire.wait(handshake(wire, fields=[])).status == 400, "no version: no handshake"
        assert wire.wait(handshake(wire, protocol="connect-udp")).status == 501
        assert not wire.goaways
    assert len(backend.requests) == 4


@scenario()
def it_can_be_switched_off(stage):
    drover = stage.front(stage.backend(), top={"listen": [{"address": f"127.0.0.1:{free_port()}", "websocket_over_http2": False}]})
    with H2Wire(drover.port) as wire:
        assert wire.get().status == 200 and 8 not in wire.settings
        stream = wire.wait(handshake(wire))
        assert stream.reset == PROTOCOL_ERROR, stream


@scenario()
def the_ends_of_the_two_directions_are_told_apart(stage):
    def script(link):
        asked = link.read_head()
        if asked:
            upgrade(link, asked)
            while data := link.socket.recv(65536):
                got.extend(data)
            link.send(pack("I have it all", masked=False))
    got = bytearray()
    drover = stage.front(stage.backend(script))
    with H2Wire(drover.port) as wire:
        stream = connect(wire)
        frames = b"".join(pack(f"{i} " * 100) for i in range(100))
        wire.data(stream, frames, end=True)
        assert wire.wait(stream).is_ended, stream
        assert hear(wire, stream) == [(TEXT, b"I have it all")] and got == frames


@scenario()
def neither_side_outruns_the_other(stage):
    def script(link):
        asked = link.read_head()
        if not asked or asked.target == "/":
            if asked:
                link.answer("small")
            return
        upgrade(link, asked)
        piece = pack(b"x" * 60000, BINARY, masked=False)
        for _ in range(500):
            link.send(piece)
        link.socket.shutdown(1)
        link.wait_closed()
    drover = stage.front(stage.backend(script))
    with H2Wire(drover.port, takes=False) as wire:
        wire.window(1 << 20)
        wire.get("/")
        before = resident_kb(drover.engine())
        stream = connect(wire)
        wire.until(lambda: len(stream.body) == 65535, "the window is full")
        assert wire.get("/").body == b"small"
        grown = resident_kb(drover.engine()) - before
        assert grown < 5000, f"{grown} kB"
        wire.window(1 << 25)
        wire.window(1 << 25, stream)
        wire.until(lambda: stream.is_ended, "the end")
        assert len(stream.body) == 500 * 60004


@scenario()
def a_stop_closes_it_with_1001_and_a_retired_worker_with_1012(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers=1, top={"timeouts": {"drain_tunnel": "300ms"}})
    with H2Wire(drover.port) as wire:
        first = connect(wire)
        wire.data(first, pack("hello"))
        hear(wire, first)
        drover.config["pools"]["web"]["environment"] = {"ANOTHER": "1"}  # which replaces the worker
        drover.write(drover.config)
        drover.signal(1)
        assert hear(wire, first) == [(CLOSE, struct.pack("!H", 1012))]
        wire.data(first, pack(struct.pack("!H", 1012), CLOSE), end=True)
        assert wire.wait(first).reset in (None, NO_ERROR, CANCEL)
        second = connect(wire)
        wire.data(second, pack("hello"))
        assert hear(wire, second) == [(TEXT, b"hello")]
        drover.signal(15)
        assert hear(wire, second) == [(CLOSE, struct.pack("!H", 1001))]
        wire.data(second, pack(struct.pack("!H", 1001), CLOSE), end=True)
        assert wire.until_closed() == NO_ERROR


@scenario()
def who_leaves_takes_his_tunnels_with_him(stage):
    authority, port = Authority(stage), free_port()
    drover = stage.web(uvicorn("--port", "$PORT"), workers=1, top={"listen": [f"127.0.0.1:{free_port()}",
                                                                              {"address": f"127.0.0.1:{port}", "tls": authority.issue("a.test")}]})
    with H2Wire(port, authority.context()) as wire:
        streams = [connect(wire) for _ in range(5)]
        for stream in streams:
            wire.data(stream, pack("over tls"))
            assert hear(wire, stream) == [(TEXT, b"over tls")]
        assert drover.health()["pools"]["web"]["workers"][0]["active_connections"] == 5
    until(lambda: drover.health()["pools"]["web"]["workers"][0]["active_connections"] == 0, "all places are free")
