# SPDX-License-Identifier: MIT
"""A client of HTTP/2 that hides nothing: it sends the frames it is told to, well formed or not, and tells what came back (python3-hyperframe, python3-hpack)."""
import select
import socket
import struct
import time

import hpack

from wire import PATIENCE, Cut

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, REFUSED_STREAM, CANCEL, CALM = 0, 1, 2, 3, 5, 7, 8, 11


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


class Stream:
    """What came on one stream."""

    def __init__(self, number):
        self.number = number
        self.interims, self.fields, self.trailers = [], None, []
        self.body = bytearray()
        self.is_ended = False
        self.reset = None   # the code

    @property
    def status(self):
        return int(self.field(":status")) if self.fields else None

    def all(self, name):
        return [value for key, value in self.fields or () if key == name]

    def field(self, name):
        values = self.all(name)
        return values[0] if values else None

    @property
    def is_over(self):
        return self.is_ended or self.reset is not None

    def __repr__(self):
        return f"<stream {self.number}: {self.fields} {bytes(self.body[:80])!r} {'ended' if self.is_ended else ''} reset={self.reset}>"


class H2Wire:
    """One connection, by prior knowledge on a port of 127.0.0.1, or with ALPN inside TLS. `takes`: windows are opened as bytes come."""

    def __init__(self, port, context=None, name="a.test", settings=None, takes=True, timeout=10, begins=True):
        self.timeout = timeout * PATIENCE
        self.socket = socket.create_connection(("127.0.0.1", port), self.timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname=name)
            assert self.socket.selected_alpn_protocol() == "h2"
        self.authority = f"127.0.0.1:{port}"
        self.scheme = "https" if context else "http"
        self.buffer, self.takes = b"", takes
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.streams, self.next = {}, 1
        self.settings, self.goaways, self.pongs, self.settings_acked = {}, [], 0, 0
        self.block = None
        self.closed = False
        if begins:
            self.send(PREFACE + self.settings_frame(settings or {}))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # --- out

    def send(self, data):
        self.socket.sendall(data)

    @staticmethod
    def settings_frame(settings):
        return frame(SETTINGS, 0, 0, b"".join(struct.pack("!HI", key, value) for key, value in settings.items()))

    def head(self, method="GET", path="/", fields=(), authority=None, scheme=None, pseudo=()):
        """The fields of a request."""
        return [(":method", method), (":scheme", scheme or self.scheme), (":authority", authority or self.authority), (":path", path), *pseudo, *fields]

    def open(self, fields, end=True, number=None):
        """Sends a head of exactly these fields. -> Stream"""
        number = number or self.next
        self.next = max(self.next, number + 2)
        stream = self.streams.setdefault(number, Stream(number))
        self.send(self.headers_frame(number, fields, end))
        return stream

    def headers_frame(self, number, fields, end=True):
        return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), number, self.encoder.encode(list(fields)))

    def ask(self, method="GET", path="/", fields=(), body=None, **more):
        """A whole request of the usual kind. -> Stream"""
        stream = self.open(self.head(method, path, fields, **more), end=body is None)
        if body is not None:
            self.data(stream, body, end=True)
        return stream

    def data(self, stream, data=b"", end=False):
        pieces = [data[i:i + 16384] for i in range(0, len(data), 16384)] or [b""]
        self.send(b"".join(frame(DATA, END_STREAM if end and i == len(pieces) - 1 else 0, stream.number, piece) for i, piece in enumerate(pieces)))

    def trailers(self, stream, fields):
        self.send(self.headers_frame(stream.number, fields, True))

    def reset(self, stream, code=CANCEL):
        self.send(frame(RST_STREAM, 0, stream.number, struct.pack("!I", code)))

    def window(self, size, stream=None):
        self.send(frame(WINDOW_UPDATE, 0, stream.number if stream else 0, struct.pack("!I", size)))

    # --- in

    def read_frame(self):
        """Takes one frame in. False: the other side has closed."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                self.closed = True
                return False
            self.buffer += data
        size = int.from_bytes(self.buffer[:3], "big")
        kind, flags = self.buffer[3], self.buffer[4]
        number = int.from_bytes(self.buffer[5:9], "big") & 0x7fffffff
        payload, self.buffer = self.buffer[9:9 + size], self.buffer[9 + size:]
        self.on_frame(kind, flags, number, payload)
        return True

    def on_frame(self, kind, flags, number, payload):
        stream = self.streams.get(number)
        if kind == HEADERS:
            self.block = payload
        elif kind == CONTINUATION:
            self.block += payload
        if kind in (HEADERS, CONTINUATION) and flags & END_HEADERS:
            self.on_fields(stream, self.decoder.decode(self.block))
        if kind == DATA:
            stream.body += payload
            if self.takes and payload:
                self.window(len(payload))
                if not flags & END_STREAM:
                    self.window(len(payload), stream)
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            stream.is_ended = True
        if kind == RST_STREAM and stream:
            stream.reset, = struct.unpack("!I", payload)
        elif kind == SETTINGS and not flags & ACK:
            self.settings.update(struct.iter_unpack("!HI", payload))
            self.send(frame(SETTINGS, ACK))
        elif kind == SETTINGS:
            self.settings_acked += 1
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == PING:
            self.pongs += 1
        elif kind == GOAWAY:
            self.goaways.append((int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:8], "big")))

    @staticmethod
    def on_fields(stream, fields):
        fields = [(name, value) for name, value in fields]
        if stream.fields is not None:
            stream.trailers = fields
        elif fields[0][1].startswith("1"):
            stream.interims.append(fields)
        else:
            stream.fields = fields

    def until(self, condition, what):
        """Reads until that is so."""
        deadline = time.monotonic() + self.timeout
        while not condition():
            if time.monotonic() > deadline or not self.read_frame():
                raise Cut(f"{what}: it did not happen (goaways {self.goaways}, {list(self.streams.values())[-3:]})")

    def wait(self, *streams):
        """Until these are over. -> the last of them"""
        self.until(lambda: all(stream.is_over for stream in streams), "the end of streams")
        return streams[-1]

    def get(self, path="/", fields=(), **more):
        return self.wait(self.ask("GET", path, fields, **more))

    def quiet(self, seconds):
        """Takes in what comes in that time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            pending = getattr(self.socket, "pending", lambda: 0)()
            if not pending and not select.select([self.socket], [], [], left)[0]:
                return
            if not self.read_frame():
                return

    def until_closed(self):
        """-> the code of the last GOAWAY, or None"""
        self.socket.settimeout(self.timeout)
        while self.read_frame():
            pass
        return self.goaways[-1][1] if self.goaways else None
