# SPDX-License-Identifier: MIT
"""WebSocket: the handshake is checked, then frames pass both ways in bounded memory."""
import base64
import hashlib
import threading
import time

from kit import BINARY, CLOSE, PING, PONG, TEXT, Wire, WebSocket, plain, resident_kb, scenario, until, uvicorn
from wire import GUID


def accept_of(asked):
    return base64.b64encode(hashlib.sha1(asked.field("Sec-WebSocket-Key").encode() + GUID).digest()).decode()


def upgrade(link, asked, accept=None, more=""):
    link.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{more}"
              f"Sec-WebSocket-Accept: {accept or accept_of(asked)}\r\n\r\n")


def refused(port, wanted, fields=()):
    with Wire(port) as wire:
        wire.send_request("GET", "/ws", [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
                                         ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), *fields])
        response = wire.read_response()
        assert response.status == wanted, response
        return response


@scenario()
def control_frames_fragments_and_every_length_pass(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers=1)
    with drover.websocket() as socket:
        for size in (0, 1, 125, 126, 127, 65535, 65536, 500000):
            socket.send(b"x" * size, BINARY)
            assert socket.receive() == (BINARY, b"x" * size)
        socket.send("part", TEXT, final=False)
        socket.send("ly", 0)
        assert socket.receive() == (TEXT, b"partly")
        socket.send(b"are you there", PING)
        assert socket.receive() == (PONG, b"are you there")
        assert socket.close(1000) == 1000


@scenario()
def an_answer_with_a_wrong_accept_opens_no_tunnel(stage):
    def script(link):
        asked = link.read_head()
        if asked:
            upgrade(link, asked, "bm90IHRoZSByaWdodCBhY2NlcHQ=")
            link.wait_closed()
    drover = stage.front(stage.backend(script))
    assert b"bm90" not in refused(drover.port, 502).body


@scenario()
def any_other_answer_is_relayed_as_the_response_that_it_is(stage):
    def script(link):
        while asked := link.read_head():
            if asked.target == "/ws":
                link.answer("not today", "403 Forbidden", [("X-Why", "closed")])
            else:
                link.answer("plain")
    drover = stage.front(stage.backend(script))
    response = refused(drover.port, 403)
    assert response.text == "not today" and response.field("X-Why") == "closed"
    with Wire(drover.port) as wire:  # and the connection goes on as HTTP
        wire.send_request("GET", "/ws", [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
                                         ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")])
        assert wire.read_response().status == 403
        assert wire.get("/x").text == "plain"


@scenario()
def a_101_that_nobody_asked_for_is_502(stage):
    def script(link):
        while asked := link.read_request():
            link.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nstolen")
    drover = stage.front(stage.backend(script))
    response = drover.get()
    assert response.status == 502 and b"stolen" not in response.body


@scenario()
def an_upgrade_to_anything_else_goes_on_as_plain_http(stage):
    backend = stage.backend()
    drover = stage.front(backend)
    response = drover.request("GET", "/", [("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")])
    assert response.status == 200
    assert backend.requests[0].field("Upgrade") is None


@scenario()
def the_handshakes_fields_and_the_chosen_protocol_pass(stage):
    seen = []

    def script(link):
        asked = link.read_head()
        if asked:
            seen.append(asked)
            upgrade(link, asked, more="Sec-WebSocket-Protocol: chat\r\nX-Extra: 1\r\n")
            link.wait_closed()
    drover = stage.front(stage.backend(script))
    with WebSocket(drover.port, "/ws?room=1", [("Sec-WebSocket-Protocol", "chat, news"), ("Origin", "http://app.test"), ("Cookie", "sid=1")]) as socket:
        assert socket.response.field("Sec-WebSocket-Protocol") == "chat" and socket.response.field("X-Extra") == "1"
    asked = seen[0]
    assert asked.target == "/ws?room=1" and asked.field("Origin") == "http://app.test" and asked.field("Cookie") == "sid=1"
    assert asked.field("Sec-WebSocket-Protocol") == "chat, news" and asked.field("X-Forwarded-For") == "127.0.0.1"
    assert asked.field("Upgrade").lower() == "websocket" and "upgrade" in asked.field("Connection").lower()


@scenario()
def bytes_that_follow_the_handshake_at_once_are_not_lost(stage):
    def script(link):
        asked = link.read_head()
        if asked:
            frame = bytes([0x81, 5]) + b"first"
            link.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      f"Sec-WebSocket-Accept: {accept_of(asked)}\r\n\r\n".encode() + frame)
            link.wait_closed()
    drover = stage.front(stage.backend(script))
    with WebSocket(drover.port) as socket:
        assert socket.receive() == (TEXT, b"first")


@scenario()
def each_side_may_end_the_tunnel(stage):
    def script(link):
        asked = link.read_head()
        if not asked:
            return
        upgrade(link, asked)
        if asked.target == "/ws/close":
            link.send(bytes([0x88, 2]) + (4001).to_bytes(2, "big"))
            link.wait_closed()
        elif asked.target == "/ws/cut":
            return
        else:
            assert link.wait_closed(), "a client that is gone is told to the worker"
            closed.set()
    closed = threading.Event()
    backend = stage.backend(script)
    drover = stage.front(backend)
    socket = WebSocket(drover.port, "/ws/close")
    assert socket.receive_close() == 4001
    socket.drop()
    socket = WebSocket(drover.port, "/ws/cut")
    assert socket.receive_close() is None and socket.is_closed()
    WebSocket(drover.port, "/ws/stay").drop()
    assert closed.wait(10), "the worker's side was closed"
    assert not backend.errors, backend.errors
    until(lambda: drover.health()["active_connections"] <= 1, lambda: drover.health())


@scenario()
def half_a_tunnel_may_be_closed_while_the_other_half_still_talks(stage):
    def script(link):
        asked = link.read_head()
        if not asked:
            return
        upgrade(link, asked)
        while link.fill():
            pass
        link.send(bytes([0x81, 4]) + b"last" + bytes([0x88, 2]) + (1000).to_bytes(2, "big"))
    drover = stage.front(stage.backend(script))
    with WebSocket(drover.port) as socket:
        socket.send("done")
        socket.wire.finish_sending()
        assert socket.receive() == (TEXT, b"last")
        assert socket.receive_close() == 1000


@scenario(limit=40)
def a_reader_that_does_not_read_costs_no_memory(stage):
    def script(link):
        asked = link.read_head()
        if asked:
            upgrade(link, asked)
            frame = bytes([0x82, 127]) + (65536).to_bytes(8, "big") + b"z" * 65536
            link.socket.settimeout(0.5)
            try:
                for _ in range(1000):
                    link.socket.sendall(frame)
                    link.backend.sent += 1
            except TimeoutError:
                link.backend.is_held = True
            link.wait_closed()
    backend = stage.backend(script)
    backend.sent, backend.is_held = 0, False
    drover = stage.front(backend)
    engine = drover.engine()
    before = resident_kb(engine)
    with WebSocket(drover.port):
        until(lambda: backend.is_held, "the worker is held back", 15)
        assert backend.sent < 400, "64 MB did not vanish into drover"
        assert resident_kb(engine) - before < 4096, resident_kb(engine) - before


@scenario()
def an_idle_tunnel_ends_after_its_time_and_a_busy_one_does_not(stage):
    drover = stage.web(plain(), workers=1, top={"timeouts": {"tunnel": "1s"}})
    idle, busy = drover.websocket(), drover.websocket()
    started = time.monotonic()
    while time.monotonic() - started < 2.2:
        busy.echo()
        time.sleep(0.2)
    assert idle.is_closed() or idle.receive_close() is not None
    busy.echo()


@scenario()
def a_tunnel_holds_its_place_until_it_ends(stage):
    drover = stage.web(plain(), workers=1)
    socket = drover.websocket()
    until(lambda: drover.workers()[0]["active_connections"] == 1, lambda: drover.workers())
    socket.send(b"\x03\xe8", CLOSE)
    socket.receive_close()
    until(lambda: drover.workers()[0]["active_connections"] == 0, lambda: drover.workers())


@scenario()
def a_wrong_handshake_is_refused_or_plain(stage):
    backend = stage.backend()
    drover = stage.front(backend)
    refused(drover.port, 200, [])  # the backend answers 200: relayed
    with Wire(drover.port) as wire:  # no key: no handshake
        wire.send_request("GET", "/ws", [("Upgrade", "websocket"), ("Connection", "Upgrade")])
        assert wire.read_response().status in (200, 400, 426)
    with Wire(drover.port) as wire:  # not GET
        wire.send_request("POST", "/ws", [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
                                          ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Content-Length", "0")])
        assert wire.read_response().status in (200, 400)
    assert all(asked.method != "POST" or asked.field("Upgrade") is None for asked in backend.requests)
