# SPDX-License-Identifier: MIT
"""The other ends that a scenario plays itself: scripted backends and a name server. Threads of the scenario's own process."""
import socket
import socketserver
import struct
import threading

from wire import PATIENCE, parse_head


class Request:
    def __init__(self, method, target, version, fields, raw):
        self.method, self.target, self.version, self.fields, self.raw = method, target, version, fields, raw
        self.body = b""
        self.trailers = []
        self.is_whole = False

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def field(self, name):
        values = self.all(name)
        return values[0] if values else None

    def __repr__(self):
        return f"<{self.method} {self.target} {self.fields} {self.body[:60]!r}>"


class Link:
    """A connection that drover made to a scripted backend."""

    def __init__(self, backend, connection, number):
        self.backend, self.socket, self.number = backend, connection, number
        self.buffer = b""
        self.requests = 0

    def fill(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def read_head(self):
        """The next request without its body; None when drover closed."""
        try:
            while b"\r\n\r\n" not in self.buffer:
                if not self.fill():
                    return None
        except OSError:
            return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, fields = parse_head(head)
        method, target, version = first.split(" ")
        request = Request(method, target, version, fields, head)
        self.requests += 1
        with self.backend.lock:
            self.backend.requests.append(request)
        return request

    def take(self, size):
        parts, there = [self.buffer], len(self.buffer)
        while there < size:
            self.buffer = b""
            if not self.fill():
                raise ConnectionError("the request was cut")
            parts.append(self.buffer)
            there += len(self.buffer)
        data = b"".join(parts)
        data, self.buffer = data[:size], data[size:]
        return data

    def line(self):
        while b"\r\n" not in self.buffer:
            if not self.fill():
                raise ConnectionError("the request was cut")
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def read_body(self, request):
        if (request.field("Transfer-Encoding") or "").lower() == "chunked":
            while size := int(self.line().split(b";")[0], 16):
                request.body += self.take(size)
                self.take(2)
            while line := self.line():
                name, _, value = line.decode("latin-1").partition(":")
                request.trailers.append((name, value.strip()))
        elif request.field("Content-Length"):
            request.body = self.take(int(request.field("Content-Length")))
        request.is_whole = True
        return request

    def read_request(self):
        request = self.read_head()
        return self.read_body(request) if request else None

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def answer(self, body=b"", status="200 OK", fields=()):
        body = body if isinstance(body, bytes) else body.encode()
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"X-Backend: {self.backend.name}"]
        self.send("\r\n".join(lines + [f"{name}: {value}" for name, value in fields]) + "\r\n\r\n")
        self.send(body)

    def wait_closed(self, within=10):
        """True when drover closes its end in that time."""
        self.socket.settimeout(within * PATIENCE)
        try:
            while self.socket.recv(65536):
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self):
        # shutdown first: a close alone would leave the descriptor's other users waiting
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def answer_all(link):
    """The plain script: 200 to everything, for as long as drover keeps the link."""
    while request := link.read_request():
        link.answer(b"" if request.method == "HEAD" else link.backend.name)


class Backend:
    """Listens on a port of the kernel's choice; `script(link)` plays each connection, in a thread. `script` may be replaced while it runs."""

    def __init__(self, script=answer_all, name="fake", address="127.0.0.1", port=0, backlog=128):
        self.script, self.name = script, name
        self.requests, self.links, self.errors = [], [], []
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(backlog)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    @property
    def address(self):
        return "%s:%d" % self.listener.getsockname()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                link = Link(self, connection, len(self.links))
                self.links.append(link)
            threading.Thread(target=self.play, args=(link,), daemon=True).start()

    def play(self, link):
        try:
            self.script(link)
        except ConnectionError:
            pass
        except OSError as error:
            self.errors.append(repr(error))
        except Exception as error:  # told by whoever looks at `errors`
            self.errors.append(repr(error))
            raise
        finally:
            try:
                link.close()
            except OSError:
                pass

    def seen(self, method=None, target=None):
        with self.lock:
            return [r for r in self.requests if (not method or r.method == method) and (not target or r.target.startswith(target))]

    def refuse(self):
        """From now on nobody listens here."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def close(self):
        self.refuse()
        with self.lock:
            for link in self.links:
                try:
                    link.close()
                except OSError:
                    pass


class NameServer:
    """Answers A questions from a table that the scenario changes; anything else is empty or unknown."""

    def __init__(self, table, ttl=1):
        self.table, self.ttl = table, ttl   # {"api": ["127.0.0.1"]}; a missing name is NXDOMAIN, None is silence
        self.questions = 0
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                data, answer_to = self.request
                answer = outer.answer(data)
                if answer:
                    answer_to.sendto(answer, self.client_address)

        self.server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, data):
        self.questions += 1
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += 1 + data[at]
        question = data[12:at + 5]
        kind, = struct.unpack("!H", data[at + 1:at + 3])
        name = ".".join(labels).lower()
        addresses = self.table.get(name, ())
        if addresses is None:
            return None
        code = 0 if name in self.table else 3
        records = [socket.inet_aton(text) for text in addresses] if kind == 1 else []
        head = data[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, self.ttl, 4) + record for record in records)
        return head + question + body

    def close(self):
        self.server.shutdown()
        self.server.server_close()
