# SPDX-License-Identifier: MIT
"""A client of HTTP/1 and WebSocket that hides nothing: it sends the bytes it is given and tells exactly what came back."""
import base64
import hashlib
import json
import os
import select
import socket
import struct

PATIENCE = float(os.environ.get("DROVER_SCENARIO_PATIENCE", "1"))
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Cut(ConnectionError):
    """The other side closed before the message was whole. `response` is what there was of it, or None."""

    def __init__(self, text, response=None):
        super().__init__(text)
        self.response = response


class Response:
    def __init__(self, status, reason, version, fields):
        self.status, self.reason, self.version, self.fields = status, reason, version, fields
        self.body = b""
        self.trailers = []
        self.interims = []   # responses with a 1xx status that came before

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def field(self, name):
        values = self.all(name)
        return values[0] if values else None

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.fields} {self.body[:100]!r}>"


def parse_head(head):
    lines = head.decode("latin-1").split("\r\n")
    fields = []
    for line in lines[1:]:
        if line:
            name, _, value = line.partition(":")
            fields.append((name, value.strip(" \t")))
    return lines[0], fields


class Wire:
    """One connection. `where` is a port of 127.0.0.1 or a path of a unix socket."""

    def __init__(self, where, timeout=10, source=None):
        self.timeout = timeout * PATIENCE
        if isinstance(where, int):
            self.socket = socket.create_connection(("127.0.0.1", where), self.timeout, source_address=(source, 0) if source else None)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(self.timeout)
            self.socket.connect(where)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Leaves with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def fill(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def is_closed(self, within=0):
        """True when the other side has closed and nothing is left to read."""
        readable, _, _ = select.select([self.socket], [], [], within)
        if not readable:
            return False
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return True

    def rest(self):
        """Everything until the other side closes."""
        try:
            while self.fill():
                pass
        except ConnectionError:
            pass
        data, self.buffer = self.buffer, b""
        return data

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                raise Cut(f"closed before a whole head, after {self.buffer[:80]!r}")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, fields = parse_head(head)
        version, status, reason = (first.split(" ", 2) + [""])[:3]
        return Response(int(status), reason, version, fields)

    def exactly(self, size, response):
        parts, there = [self.buffer], len(self.buffer)
        while there < size:
            self.buffer = b""
            if not self.fill():
                response.body += b"".join(parts)
                raise Cut(f"closed {size - there} bytes short", response)
            parts.append(self.buffer)
            there += len(self.buffer)
        data = b"".join(parts)
        data, self.buffer = data[:size], data[size:]
        return data

    def line(self, response):
        while b"\r\n" not in self.buffer:
            if not self.fill():
                raise Cut("closed inside a chunk's line", response)
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def read_body(self, response, method="GET"):
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return response
        if (response.field("Transfer-Encoding") or "").lower() == "chunked":
            while True:
                size = int(self.line(response).split(b";")[0], 16)
                if size == 0:
                    break
                response.body += self.exactly(size, response)
                self.exactly(2, response)
            while line := self.line(response):
                name, _, value = line.decode("latin-1").partition(":")
                response.trailers.append((name, value.strip()))
        elif response.field("Content-Length") is not None:
            response.body = self.exactly(int(response.field("Content-Length")), response)
        else:
            response.body = self.rest()
        return response

    def read_response(self, method="GET"):
        interims = []
        while True:
            response = self.read_head()
            if response.status >= 200 or response.status == 101:
                break
            interims.append(response)
        response.interims = interims
        return self.read_body(response, method)

    def send_request(self, method="GET", path="/", fields=(), body=None, host="app.test", version="1.1"):
        lines = [f"{method} {path} HTTP/{version}"] + ([f"Host: {host}"] if host is not None else [])
        lines += [f"{name}: {value}" for name, value in fields]
        if body is not None and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in fields):
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines) + "\r\n\r\n")
        if body:
            self.send(body)

    def request(self, method="GET", path="/", fields=(), body=None, **more):
        self.send_request(method, path, fields, body, **more)
        return self.read_response(method)

    def get(self, path="/", fields=(), **more):
        return self.request("GET", path, fields, **more)


def request(where, method="GET", path="/", fields=(), body=None, timeout=10, **more):
    """One request on a connection of its own."""
    with Wire(where, timeout) as wire:
        return wire.request(method, path, list(fields) + [("Connection", "close")], body, **more)


def get(where, path="/", fields=(), **more):
    return request(where, "GET", path, fields, **more)


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class WebSocket:
    """One WebSocket, frame by frame."""

    def __init__(self, where, path="/ws", fields=(), timeout=10, source=None):
        self.wire = Wire(where, timeout, source)
        key = base64.b64encode(os.urandom(16))
        try:
            self.wire.send_request("GET", path, [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
                                                 ("Sec-WebSocket-Key", key.decode())] + list(fields))
            self.response = self.wire.read_head()
            if self.response.status != 101:
                self.wire.read_body(self.response)
                raise ConnectionError(f"handshake answered with {self.response}")
        except BaseException:
            self.wire.close()
            raise
        wanted = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        assert self.response.field("Sec-WebSocket-Accept") == wanted, self.response

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    def send(self, payload, opcode=TEXT, final=True):
        if isinstance(payload, str):
            payload = payload.encode()
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([opcode | (0x80 if final else 0)])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0x80 | 126]) + struct.pack("!H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack("!Q", size)
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")).to_bytes(size, "big")
        self.wire.send(head + mask + masked)

    def receive_frame(self):
        """-> (final, opcode, payload)"""
        wire, nothing = self.wire, Response(101, "", "", [])
        first, second = wire.exactly(2, nothing)
        assert not second & 0x80, "a frame to a client must not be masked"
        size = second & 0x7F
        if size == 126:
            size, = struct.unpack("!H", wire.exactly(2, nothing))
        elif size == 127:
            size, = struct.unpack("!Q", wire.exactly(8, nothing))
        return bool(first & 0x80), first & 0x0F, wire.exactly(size, nothing)

    def receive(self):
        """A whole message -> (opcode, payload)"""
        final, opcode, payload = self.receive_frame()
        while not final:
            final, _, more = self.receive_frame()
            payload += more
        return opcode, payload

    def echo(self, text="hello"):
        self.send(text)
        opcode, payload = self.receive()
        assert (opcode, payload) == (TEXT, text.encode()), (opcode, payload[:100])

    def receive_close(self):
        """-> the close code; passes over anything before it. None when there was no close frame."""
        try:
            while True:
                opcode, payload = self.receive()
                if opcode == CLOSE:
                    return struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
        except ConnectionError:
            return None

    def close(self, code=1000):
        """The whole closing handshake."""
        self.send(struct.pack("!H", code), CLOSE)
        answer = self.receive_close()
        self.wire.close()
        return answer

    def drop(self):
        self.wire.close()

    def is_closed(self):
        return self.wire.is_closed()
