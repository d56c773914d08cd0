# SPDX-License-Identifier: MIT
"""Workers and servers that speak HTTP/2: many requests on few connections, and all that holds for HTTP/1 holds for them. Node's http2,
hypercorn, nghttpd, and servers of our own over python3-h2 stand behind."""
import contextlib
import json
import os
import socket
import subprocess
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

from certificates import Authority
from kit import APPS, Load, free_port, scenario, until

H2_APP = os.path.join(APPS, "h2_worker.js")
NODE = ["/usr/bin/node", H2_APP]
HYPERCORN = ["/usr/bin/python3", "-m", "hypercorn", "--log-level", "warning"]


class Fake:
    """A server over python3-h2. `play(fake, link, event)` is called with every event of every connection."""

    def __init__(self, play, address="127.0.0.1", streams=100, window=65535):
        self.play, self.streams, self.window = play, streams, window
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"{address}:{self.port}"
        self.links, self.requests, self.resets = [], [], []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        link = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        link.local_settings = h2.settings.Settings(client=False, initial_values={
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.streams,
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: self.window})
        link.socket, link.goaway = connection, None
        self.links.append(link)
        link.initiate_connection()
        with contextlib.suppress(OSError):
            connection.sendall(link.data_to_send())
            while data := connection.recv(65536):
                for event in link.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        self.requests.append((event.stream_id, dict(event.headers)))
                    elif isinstance(event, h2.events.StreamReset):
                        self.resets.append((event.stream_id, event.error_code))
                    elif isinstance(event, h2.events.ConnectionTerminated):
                        link.goaway = event.error_code
                    self.play(self, link, event)
                connection.sendall(link.data_to_send())
        connection.close()

    def paths(self):
        return [headers[":path"] for _, headers in self.requests]

    def close(self):
        self.listener.close()
        for link in self.links:
            link.socket.close()


def answer(link, stream, body=b"ok", trailers=None, **fields):
    link.send_headers(stream, [(":status", "200"), *fields.items()])
    link.send_data(stream, body, end_stream=not trailers)
    if trailers:
        link.send_headers(stream, trailers, end_stream=True)
    link.socket.sendall(link.data_to_send())


def fake(stage, play, **more):
    result = Fake(play, **more)
    stage.closing.callback(result.close)
    return result


def nodes(stage, workers=2, streams=100, top=None, **pool):
    return stage.drover(stage.config({"web": {"command": [*NODE, "$PORT"], "workers": workers, "protocol": "h2",
                                              "environment": {"STREAMS": str(streams)}, **pool}}, **(top or {})))


@scenario(limit=40)
def node_on_a_port_a_socket_and_a_descriptor(stage):
    pool = {"protocol": "h2", "workers": 2, "probe": {"path": "/health"}}
    drover = stage.drover(stage.config({
        "port": {**pool, "command": [*NODE, "$PORT"]},
        "unix": {**pool, "command": [*NODE, "$SOCKET"]},
        "fd": {**pool, "command": NODE, "bind": "fd"}},
        routes=[{"path": "/port", "pool": "port"}, {"path": "/unix", "pool": "unix"}, {"path": "/", "pool": "fd"}]))
    for name in ("port", "unix", "fd"):
        told = [drover.get(f"/{name}", fields=[("X-Request-Id", "abc"), ("X-Some", "Thing")]).json() for _ in range(6)]
        assert {answer["worker"] for answer in told} == {f"{name}.1", f"{name}.2"}, told
        headers = told[0]["headers"]
        assert headers[":authority"] == "app.test" and headers[":scheme"] == "http" and headers[":path"] == f"/{name}", headers
        assert headers["x-some"] == "Thing" and headers["x-forwarded-host"] == "app.test" and "connection" not in headers, headers
    assert drover.stop() == 0


@scenario()
def many_requests_share_few_links(stage):
    drover = nodes(stage, workers=1, top={"threads": 2})
    wires = [drover.wire() for _ in range(60)]
    for wire in wires:
        wire.send_request("GET", "/slow?n=300")
    assert {wire.read_response().status for wire in wires} == {200}
    told = drover.get("/links").json()
    assert told["links"] <= 2 + 1 and told["calls"] >= 60, told  # one for each loop, and the probe's


@scenario()
def a_worker_that_takes_few_streams_has_more_links(stage):
    drover = nodes(stage, workers=1, streams=4)
    for _ in range(2):
        wires = [drover.wire() for _ in range(40)]
        for wire in wires:
            wire.send_request("POST", "/slow?n=200", body=b"x")
        assert {wire.read_response().status for wire in wires} == {200}
    assert drover.workers()[0]["fails"] == 0


@scenario()
def bodies_pass_both_ways(stage):
    drover = nodes(stage)
    wire, body = drover.wire(timeout=30), os.urandom(3_000_000)
    for size in (0, 10, 3_000_000, 70_000, 1):
        response = wire.request("POST", "/echo", body=body[:size])
        assert (response.status, response.body) == (200, body[:size]), (size, response)
    wire.send_request("POST", "/echo", fields=[("Transfer-Encoding", "chunked")])
    for at in range(0, 100_000, 25_000):
        wire.send(b"61a8\r\n" + body[at:at + 25_000] + b"\r\n")
    wire.send(b"0\r\n\r\n")
    assert wire.read_response().body == body[:100_000]
    assert len(wire.get("/big?n=5000000").body) == 5_000_000
    response = wire.request("HEAD", "/big?n=1000")
    assert response.status == 200 and not response.body
    assert wire.get("/nothing").status == 204
    response = wire.get("/trailers")
    assert response.body == b"body", response
    with drover.wire() as raw:
        raw.send_request("GET", "/early")
        head = raw.read_head()
        assert head.status == 103 and head.field("Link") == "</style.css>", head
        assert raw.read_response().body == b"early"


@scenario()
def events_come_as_they_are_sent(stage):
    drover = nodes(stage, top={"timeouts": {"stall": "1s"}})
    with drover.wire() as wire:
        wire.send_request("GET", "/events")
        assert wire.read_head().field("Content-Type") == "text/event-stream"
        since, seen = time.monotonic(), b""
        while seen.count(b"data:") < 5:
            seen += wire.socket.recv(4096)
        assert time.monotonic() - since < 5
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 0, "the place is still held")


@scenario()
def a_slow_reader_holds_up_nobody_else_and_costs_little(stage):
    drover = nodes(stage, workers=1, top={"threads": 1})
    slow = [drover.wire() for _ in range(30)]
    for wire in slow:
        wire.send_request("GET", "/big?n=10000000")
    time.sleep(0.5)
    for _ in range(20):
        response = drover.get("/")
        assert response.status == 200, response
    for wire in slow:
        wire.reset()
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 0, "places are still held")


@scenario(limit=40)
def a_worker_killed_amid_streams_fails_no_get_and_is_replaced(stage):
    drover = nodes(stage, workers=3)
    with Load(drover.port, clients=8) as load:
        until(lambda: load.answered > 200, "the load does not run")
        for pid in drover.pids()[:2]:
            os.kill(pid, 9)
            drover.wait_workers("web", 3)
        until(lambda: len(load.workers) == 3, lambda: load.workers)
    assert not load.failures, load.failures


@scenario(limit=40)
def a_response_that_breaks_off_is_seen_cut(stage):
    drover = nodes(stage, workers=1)
    for path in ("/half", "/half-die"):
        with drover.wire() as wire:
            wire.send_request("GET", path)
            assert wire.read_head().status == 200
            rest = wire.rest()
            assert rest.startswith(b"4\r\nhalf\r\n") and b"0\r\n\r\n" not in rest, rest
    until(lambda: sum(" broken " in line for line in drover.access_lines()) == 2, drover.access_lines)


@scenario(limit=40)
def a_rollout_under_load_fails_nothing(stage):
    drover = nodes(stage)
    before = drover.pids()
    with Load(drover.port, clients=6) as load, Load(drover.port, clients=2, method="POST", path="/echo", body=b"x" * 2000) as posts:
        until(lambda: load.answered > 100 and posts.answered > 20, "the load does not run")
        drover.told("restart", "web")
        until(lambda: len(drover.pids()) == 2 and not set(before) & set(drover.pids()), drover.workers)
    assert not load.failures and not posts.failures, (load.failures, posts.failures)


@scenario()
def a_goaway_loses_nothing(stage):
    drover = nodes(stage, workers=1)
    with Load(drover.port, clients=6, path="/slow?n=5") as load, Load(drover.port, clients=1, path="/leave", pause=0.02) as leaving:
        until(lambda: leaving.answered > 40, lambda: (leaving.answered, leaving.failures))
    assert not load.failures and not leaving.failures, (load.failures, leaving.failures)


@scenario()
def what_a_goaway_leaves_is_asked_again_and_what_was_begun_is_answered(stage):
    def play(fake, link, event):
        if not isinstance(event, h2.events.StreamEnded):
            return
        if len(fake.links) > 1:
            answer(link, event.stream_id, b"second")
        elif len(fake.requests) == 2:  # the second POST was never looked at
            link.close_connection(last_stream_id=1)
            link.socket.sendall(link.data_to_send())
            # python3-h2 says nothing after its GOAWAY: the frames of the first answer, by hand
            link.socket.sendall(b"\0\0\1\1\4\0\0\0\1\x88" + b"\0\0\5\0\1\0\0\0\1first")
    server = fake(stage, play)
    drover = stage.front(server.address, protocol="h2", top={"threads": 1})
    wires = [drover.wire() for _ in range(2)]
    wires[0].send_request("POST", "/1", body=b"x")
    until(lambda: len(server.requests) == 1, "the first does not come")
    wires[1].send_request("POST", "/2", body=b"x")
    assert [wire.read_response().body for wire in wires] == [b"first", b"second"]
    assert server.paths() == ["/1", "/2", "/2"], server.paths()


@scenario()
def refused_streams_go_to_another_server(stage):
    def refuse(fake, link, event):
        if isinstance(event, h2.events.StreamEnded):
            link.reset_stream(event.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
    refusing = fake(stage, refuse)
    good = fake(stage, lambda fake, link, event: answer(link, event.stream_id) if isinstance(event, h2.events.StreamEnded) else None)
    drover = stage.front(refusing.address, good.address, protocol="h2", max_fails=0)
    for _ in range(6):
        assert drover.request("POST", "/", body=b"x").status == 200
    assert refusing.requests and len(good.requests) == 6


@scenario()
def a_client_that_leaves_keeps_its_place_until_the_answer(stage):
    gate = threading.Event()

    def play(fake, link, event):
        if isinstance(event, h2.events.StreamEnded):
            if fake.requests[-1][1][":path"] == "/left":
                threading.Thread(target=lambda: (gate.wait(), answer(link, event.stream_id, b"x" * 100)), daemon=True).start()
            else:
                answer(link, event.stream_id)
    server = fake(stage, play)
    drover = stage.front(server.address, protocol="h2", concurrency=1, top={"threads": 1})
    leaver, next_one = drover.wire(), drover.wire()
    leaver.send_request("GET", "/left")
    until(lambda: server.paths() == ["/left"], "it does not come")
    leaver.reset()
    next_one.send_request("GET", "/next")
    time.sleep(0.3)
    assert server.paths() == ["/left"], server.paths()
    gate.set()
    assert next_one.read_response().status == 200
    assert len(server.links) == 1


@scenario()
def flow_control_of_a_server_holds_an_upload(stage):
    taken = threading.Event()

    def play(fake, link, event):
        if isinstance(event, h2.events.DataReceived):
            fake.got = getattr(fake, "got", 0) + len(event.data)
            if taken.is_set():
                link.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            else:
                fake.owed = getattr(fake, "owed", 0) + event.flow_controlled_length
        elif isinstance(event, h2.events.StreamEnded):
            answer(link, event.stream_id, str(fake.got).encode())
    server = fake(stage, play)
    drover = stage.front(server.address, protocol="h2", top={"threads": 1})
    wire = drover.wire(timeout=30)
    sender = threading.Thread(target=lambda: wire.send_request("POST", "/", body=b"x" * 2_000_000), daemon=True)
    sender.start()
    until(lambda: getattr(server, "got", 0) == 65535, lambda: getattr(server, "got", 0))
    time.sleep(0.2)
    assert server.got == 65535
    taken.set()
    link = server.links[0]
    link.acknowledge_received_data(server.owed, 1)
    link.socket.sendall(link.data_to_send())
    assert wire.read_response().body == b"2000000"
    sender.join()


@scenario(limit=40)
def servers_by_https_agree_on_http2_or_are_refused(stage):
    authority = Authority(stage)
    pair, port = authority.issue("a.test"), free_port()
    os.mkdir(stage.path("site"))
    stage.write("site/page.txt", "over TLS")
    server = subprocess.Popen(["/usr/sbin/nghttpd", "-a", "127.0.0.1", "-d", stage.path("site"), str(port), pair["key"],
                               pair["certificate"]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stage.closing.callback(lambda: (server.kill(), server.wait()))

    def listens():
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
    until(listens, "nghttpd does not come")
    drover = stage.front(f"https://127.0.0.1:{port}", protocol="h2", tls={"ca": authority.file},
                         probe={"path": "/page.txt", "interval": "200ms"})
    until(lambda: drover.workers()[0]["status"] == "healthy", lambda: drover.workers())
    wires = [drover.wire() for _ in range(10)]
    for wire in wires * 2:
        wire.send_request("GET", "/page.txt")
        assert wire.read_response().body == b"over TLS"

    plain_tls = subprocess.Popen(["/usr/bin/openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-alpn", "http/1.1", "-cert",
                                  pair["certificate"], "-key", pair["key"]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    stage.closing.callback(lambda: (plain_tls.kill(), plain_tls.wait()))
    line = b""
    while b"ACCEPT" not in line:
        line = plain_tls.stdout.readline()
    other = stage.front("https://127.0.0.1:" + line.decode().rsplit(":", 1)[1].strip(), protocol="h2", tls={"ca": authority.file})
    assert other.get("/").status == 502
    other.wait_said(r"TLS: .*(does not speak HTTP/2|alert)")


@scenario(limit=40)
def nghttpd_and_hypercorn_are_workers(stage):
    os.mkdir(stage.path("site"))
    stage.write("site/page.txt", "from nghttpd")
    drover = stage.drover(stage.config({
        "site": {"command": ["/usr/sbin/nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", stage.path("site"), "$PORT"], "protocol": "h2"},
        "app": {"command": [*HYPERCORN, "--bind", "unix:$SOCKET", "fastapi_app:app"], "directory": APPS, "protocol": "h2", "workers": 2}},
        routes=[{"path": "/page.txt", "pool": "site"}, {"path": "/", "pool": "app"}]))
    assert drover.get("/page.txt").body == b"from nghttpd"
    with Load(drover.port, clients=6) as load:
        until(lambda: load.answered > 100, lambda: load.failures)
    assert not load.failures and len(load.workers) == 2, (load.failures, load.workers)
    assert drover.stop() == 0


@scenario()
def a_websocket_is_refused_in_words(stage):
    drover = nodes(stage, workers=1)
    response = drover.get("/ws", fields=[("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                                         ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")])
    assert response.status == 501 and json.loads(response.body)["error"] == "websocket_to_h2", response


@scenario()
def a_server_of_http1_is_unreadable_and_a_dead_one_refused(stage):
    def say_http1(link):
        link.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        link.wait_closed()
    drover = stage.front(stage.backend(say_http1), protocol="h2", max_fails=0)
    assert drover.get("/").status == 502
    drover.wait_said("unreadable: ")
    other = stage.front(f"127.0.0.1:{free_port()}", protocol="h2")
    response = other.get("/")
    assert response.status == 502 and response.json()["error"] == "refused", response


@scenario()
def a_reload_from_http1_to_http2_uses_no_old_link(stage):
    drover = nodes(stage, workers=1)
    config = json.loads(json.dumps(drover.config))
    assert drover.get("/").status == 200
    config["pools"]["web"]["protocol"] = "h1"
    drover.write(config)
    drover.hup()
    until(lambda: drover.get("/").status == 502, "still HTTP/2")
    config["pools"]["web"]["protocol"] = "h2"
    drover.write(config)
    drover.hup()
    until(lambda: drover.get("/").status == 200, "still HTTP/1")
