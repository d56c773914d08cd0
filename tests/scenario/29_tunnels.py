# SPDX-License-Identifier: MIT
"""Many WebSockets while the pool changes: who stays is untouched, who goes is told 1012, and load finds its way to new workers."""
import collections
import selectors
import struct
import threading
import time

from kit import CLOSE, PATIENCE, TEXT, WebSocket, plain, scenario, until, uvicorn


class Conversation:
    """A WebSocket that is spoken to with numbers and expects exactly those back, in their order. A pump plays all of them."""

    def __init__(self, drover):
        self.socket = WebSocket(drover.port, timeout=20)
        self.worker = self.socket.response.field("X-Worker")
        self.sent = self.received = 0
        self.code = None      # of the close frame that came
        self.wrong = None     # what should not have come
        self.buffer = b""
        self.is_over = False
        self.wire = self.socket.wire.socket
        self.buffer = self.socket.wire.buffer

    def say(self):
        """The next number, once the last one has come back."""
        if not self.is_over and self.code is None and self.sent == self.received:
            self.sent += 1
            self.socket.send(f"{self.worker}:{self.sent}")

    def frames(self):
        while len(self.buffer) >= 2:
            opcode, size = self.buffer[0] & 0x0F, self.buffer[1] & 0x7F
            assert size < 126 and len(self.buffer) >= 2
            if len(self.buffer) < 2 + size:
                return
            payload, self.buffer = self.buffer[2:2 + size], self.buffer[2 + size:]
            yield opcode, payload

    def hear(self):
        try:
            data = self.wire.recv(4096)
        except OSError:
            data = b""
        self.buffer += data
        for opcode, payload in self.frames():
            if opcode == TEXT and payload.decode() == f"{self.worker}:{self.received + 1}" and self.received < self.sent:
                self.received += 1
            elif opcode == CLOSE and self.code is None:
                self.code = struct.unpack("!H", payload[:2])[0]
                self.socket.send(payload[:2], CLOSE)
            else:
                self.wrong = (opcode, payload, self.sent, self.received)
        if not data:
            self.is_over = True


class Crowd:
    """Conversations, all of them going on in a thread. `comes_back`: who is closed with 1012 opens another."""

    def __init__(self, drover, size, comes_back=False):
        self.drover, self.comes_back = drover, comes_back
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        self.all = []
        self.stopping, self.failure = False, None
        self.add(size)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def add(self, size):
        for _ in range(size):
            conversation = Conversation(self.drover)
            with self.lock:
                self.all.append(conversation)
            self.selector.register(conversation.wire, selectors.EVENT_READ, conversation)

    def turn(self):
        for key, _ in self.selector.select(0.01):
            conversation = key.data
            conversation.hear()
            if conversation.is_over:
                self.selector.unregister(conversation.wire)
                conversation.socket.drop()
                if self.comes_back and conversation.code == 1012:
                    self.add(1)
        with self.lock:
            everybody = list(self.all)
        for conversation in everybody:
            try:
                conversation.say()
            except OSError:
                conversation.is_over = True

    def run(self):
        try:
            while not self.stopping:
                self.turn()
        except Exception as error:
            self.failure = repr(error)
            raise

    def open(self):
        assert self.failure is None, self.failure
        with self.lock:
            return [conversation for conversation in self.all if not conversation.is_over]

    def over(self):
        with self.lock:
            return [conversation for conversation in self.all if conversation.is_over]

    def spread(self):
        return collections.Counter(conversation.worker for conversation in self.open())

    def exchanged(self):
        return sum(conversation.received for conversation in self.open())

    def wait_progress(self):
        """Each one that is open has heard something new."""
        marks = {conversation: conversation.received for conversation in self.open()}
        until(lambda: all(c.received > mark or c.is_over for c, mark in marks.items()), "some conversation stands still", 20)

    def assert_whole(self):
        """Nothing was lost, doubled, changed or mixed up."""
        with self.lock:
            for conversation in self.all:
                assert conversation.wrong is None, conversation.wrong
                assert conversation.sent - conversation.received in (0, 1), "what was said is on its way, or has come back"

    def stop(self):
        self.stopping = True
        self.thread.join(10 * PATIENCE)
        for conversation in self.open():
            conversation.socket.drop()

    close = stop


def held(drover):
    """Tunnels by worker, as drover counts them (nothing else is going on)."""
    return {worker["name"]: worker["active_connections"] for worker in drover.workers(status="healthy")}


@scenario(limit=120)
def two_hundred_websockets_through_three_resizes(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers=4, top={"timeouts": {"drain_tunnel": "2s"}})
    crowd = stage.keep(Crowd(drover, 200))
    assert set(crowd.spread().values()) == {50}, crowd.spread()
    crowd.wait_progress()

    pids = {worker["name"]: worker["worker_id"] for worker in drover.workers()}
    drover.told("scale", "web", "6")
    drover.wait_workers("web", 6)
    crowd.wait_progress()
    assert len(crowd.open()) == 200, "more workers close nothing"
    until(lambda: sorted(held(drover).values()) == [0, 0, 50, 50, 50, 50], lambda: held(drover))

    drover.told("scale", "web", "3")
    until(lambda: len(drover.workers()) == 3, lambda: drover.workers(), 20)
    left = {worker["name"]: worker["worker_id"] for worker in drover.workers()}
    assert set(left) < set(pids), "those without tunnels went first, then those with the fewest"
    assert all(pids[name] == pid for name, pid in left.items()), "who stays is the same process"
    until(lambda: len(crowd.open()) == 150, lambda: len(crowd.open()))
    crowd.wait_progress()
    assert all(c.code == 1012 and c.worker not in left for c in crowd.over())
    assert all(c.worker in left for c in crowd.open())
    until(lambda: held(drover) == {name: 50 for name in left}, lambda: held(drover))

    drover.told("scale", "web", "5")
    drover.wait_workers("web", 5)
    crowd.add(100)
    crowd.wait_progress()
    until(lambda: sum(held(drover).values()) == 250 and set(held(drover).values()) == {50}, lambda: held(drover))
    assert len(crowd.open()) == 250 and len(crowd.over()) == 50
    crowd.stop()
    crowd.assert_whole()
    until(lambda: not any(held(drover).values()), lambda: held(drover))


@scenario(limit=60)
def those_with_the_fewest_tunnels_go_first(stage):
    drover = stage.web(plain(), workers=3, top={"timeouts": {"drain_tunnel": "1s"}})
    sockets = [drover.websocket() for _ in range(12)]
    by_worker = collections.defaultdict(list)
    names = {}
    for socket_ in sockets:
        name = socket_.response.field("X-Worker")
        by_worker[name].append(socket_)
    victim = sorted(by_worker)[1]
    for socket_ in by_worker[victim][:3]:
        socket_.close()
    until(lambda: held(drover).get(victim) == 1, lambda: held(drover))
    drover.told("scale", "web", "2")
    until(lambda: len(drover.workers()) == 2, lambda: drover.workers(), 20)
    names = {worker["name"] for worker in drover.workers()}
    assert victim not in names, (victim, names)
    assert by_worker[victim][3].receive_close() == 1012
    for name, group in by_worker.items():
        if name != victim:
            for socket_ in group:
                socket_.echo()


@scenario(limit=90)
def after_scale_up_the_oldest_move_until_the_spread_is_even(stage):
    drover = stage.web(plain(), workers=1, tunnels={"rebalance": "1000%"})
    crowd = stage.keep(Crowd(drover, 40, comes_back=True))
    old = crowd.open()
    drover.told("scale", "web", "2")
    drover.wait_workers("web", 2)
    until(lambda: len(crowd.open()) == 40 and max(crowd.spread().values()) <= 26, lambda: crowd.spread(), 30)
    drover.wait_said(r"web: rebalance \(even\): \d+ tunnels were moved", 10)
    closed = crowd.over()
    assert closed and all(c.code == 1012 for c in closed), [c.code for c in closed]
    assert len(closed) <= 20, "no more than makes it even"
    oldest = old[:len(closed) + 12]
    assert all(c in oldest for c in closed), "the oldest ones of each loop"
    crowd.wait_progress()
    crowd.stop()
    crowd.assert_whole()
    why = drover.told("why", "web")
    assert "web.1: rebalance (uneven): 40 tunnels, the mean is 20.0" in why, why


@scenario(limit=60)
def without_it_nobody_is_moved(stage):
    drover = stage.web(plain(), workers=1)
    crowd = stage.keep(Crowd(drover, 20))
    drover.told("scale", "web", "2")
    drover.wait_workers("web", 2)
    crowd.wait_progress()
    started = time.monotonic()
    while time.monotonic() - started < 2:
        crowd.wait_progress()
    assert not crowd.over() and set(crowd.spread()) == {"web.1"}
    crowd.stop()
    crowd.assert_whole()
