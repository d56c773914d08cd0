# SPDX-License-Identifier: MIT
"""A steady load of small requests in a thread of its own, which counts what went wrong by its reason."""
import asyncio
import collections
import threading
import time

from wire import PATIENCE, parse_head


class Load:
    """`clients` keep-alive connections, each a request after the other with a short pause. What counts as failed: any status but
    `good`, a refused connection, a broken answer. A kept connection that is closed before any byte of an answer is what RFC 9112 section 9.3.1
    lets happen: the request is made again on a new connection and counted in `reopened`."""

    def __init__(self, port, clients=6, path="/", pause=0.004, method="GET", body=b"", good=(200,), keep_alive=True):
        self.port, self.count, self.path, self.pause, self.good = port, clients, path, pause, good
        self.keep_alive = keep_alive
        self.method, self.body = method, body
        self.answered = 0
        self.reopened = 0
        self.failures = collections.Counter()
        self.failed_at = []      # monotonic times
        self.answered_at = collections.deque(maxlen=20000)
        self.workers = collections.Counter()
        self.stopping = False
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopping = True
        self.thread.join(30 * PATIENCE)
        assert not self.thread.is_alive(), "the load did not end"

    async def run(self):
        await asyncio.gather(*(self.client() for _ in range(self.count)))

    def fail(self, why):
        self.failures[why] += 1
        self.failed_at.append(time.monotonic())

    async def client(self):
        connection = None
        while not self.stopping:
            is_fresh = connection is None
            try:
                if is_fresh:
                    connection = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", self.port), 10 * PATIENCE)
                keep = await asyncio.wait_for(self.exchange(*connection), 20 * PATIENCE)
                if not keep:
                    connection = await self.drop(connection)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError, OSError) as error:
                nothing_came = isinstance(error, (ConnectionError, asyncio.IncompleteReadError)) and not getattr(error, "partial", b"")
                connection = await self.drop(connection)
                if not is_fresh and nothing_came:
                    self.reopened += 1
                    continue
                self.fail(f"{type(error).__name__}: {error}")
            await asyncio.sleep(self.pause)
        await self.drop(connection)

    async def drop(self, connection):
        if connection:
            connection[1].close()

    async def exchange(self, reader, writer):
        close = "" if self.keep_alive else "Connection: close\r\n"
        length = f"Content-Length: {len(self.body)}\r\n" if self.body else ""
        writer.write(f"{self.method} {self.path} HTTP/1.1\r\nHost: app.test\r\n{length}{close}\r\n".encode() + self.body)
        head = await reader.readuntil(b"\r\n\r\n")
        first, fields = parse_head(head[:-4])
        fields = {name.lower(): value for name, value in fields}
        status = int(first.split(" ")[1])
        try:
            if "content-length" in fields:
                await reader.readexactly(int(fields["content-length"]))
            elif fields.get("transfer-encoding") == "chunked":
                while size := int(await reader.readuntil(b"\r\n"), 16):
                    await reader.readexactly(size + 2)
                await reader.readexactly(2)
            else:
                await reader.read()
                fields["connection"] = "close"
        except asyncio.IncompleteReadError as error:
            raise OSError("cut inside the body") from error
        if status in self.good:
            self.answered += 1
            self.answered_at.append(time.monotonic())
            self.workers[fields.get("x-worker", "?")] += 1
        else:
            self.fail(f"status {status}")
        return self.keep_alive and fields.get("connection", "").lower() != "close"

    def wait_for(self, more=200, within=30):
        """Until so many more requests have been answered."""
        target, deadline = self.answered + more, time.monotonic() + within * PATIENCE
        while self.answered < target:
            assert time.monotonic() < deadline, f"only {more - (target - self.answered)} of {more} answered; failed: {dict(self.failures)}"
            time.sleep(0.01)

    def assert_nothing_failed(self):
        assert not self.failures, f"failed: {dict(self.failures)}, answered: {self.answered}"
        assert self.answered > 0, "nothing was answered"
