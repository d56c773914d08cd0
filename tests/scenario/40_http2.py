# SPDX-License-Identifier: MIT
"""HTTP/2: what comes on a stream is a request like any other, and one connection's streams do not stand in each other's way."""
import json
import re
import shutil
import subprocess
import time

from certificates import Authority
from h2_wire import CANCEL, H2Wire, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, frame
from kit import PATIENCE, Skipped, Wire, free_port, plain, resident_kb, scenario, until


def run(*command, environment=None, input=None):
    if not shutil.which(command[0]):
        raise Skipped(f"{command[0]} is not there")
    return subprocess.run(command, capture_output=True, text=True, timeout=40 * PATIENCE, env=environment, input=input)


def fields_of(backend):
    return {name.lower(): value for name, value in backend.requests[-1].fields}


def log_of(drover):
    return "\n".join(drover.access_lines())


def both(stage, backend=None, **top):
    """drover with a plain and an HTTPS listener. -> (drover, port of HTTPS, authority)"""
    authority, port = Authority(stage), free_port()
    listen = [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{port}", "tls": authority.issue("a.test")}]
    drover = stage.front(backend or stage.backend(), top={"listen": listen, **top})
    return drover, port, authority


@scenario()
def a_request_reaches_the_worker_as_any_other(stage):
    backend = stage.backend()
    drover = stage.front(backend)
    with H2Wire(drover.port) as wire:
        stream = wire.get("/a?b=c", [("x-one", "1"), ("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("x_under", "no"), ("x-forwarded-for", "6.6.6.6")],
                          authority="Example.org:81")
        assert stream.status == 200 and stream.body == b"fake", stream
        assert stream.field("content-length") == "4" and stream.field("date") and not stream.field("connection"), stream
        fields = fields_of(backend)
        assert backend.requests[-1].raw.startswith(b"GET /a?b=c HTTP/1.1\r\nHost: Example.org:81\r\n"), backend.requests[-1].raw
        assert fields["cookie"] == "a=1; b=2" and fields["x-one"] == "1" and "te" not in fields and "x_under" not in fields, fields
        assert fields["x-forwarded-for"] == "127.0.0.1" and fields["x-forwarded-host"] == "Example.org:81" and fields["via"] == "2.0 drover", fields
        assert re.fullmatch("[0-9a-f]{32}", fields["x-request-id"]) and fields["x-request-start"].startswith("t="), fields
        assert wire.get("/", [("host", wire.authority)]).status == 200, "a Host that says the same is fine"
        assert wire.wait(wire.open([(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "only.here")])).status == 200
        assert fields_of(backend)["host"] == "only.here"
        assert wire.settings[3] == 100 and wire.settings[4] == 65536 and wire.settings[8] == 1, wire.settings
    until(lambda: '"GET /a?b=c HTTP/2.0" 200 4 ' in log_of(drover), "the line in the log")


@scenario()
def many_requests_are_answered_at_once_in_any_order(stage):
    drover = stage.web(plain(), workers=2)
    with H2Wire(drover.port) as wire:
        slow = wire.ask(path="/slow?ms=1000")
        quick = [wire.ask(path=f"/?{i}") for i in range(90)]
        wire.wait(*quick)
        assert not slow.is_over and all(stream.status == 200 for stream in quick)
        assert wire.wait(slow).status == 200


@scenario()
def curl_nghttp_and_h2load_are_served_with_and_without_tls(stage):
    drover, port, authority = both(stage)
    for arguments in (["--http2-prior-knowledge", f"http://127.0.0.1:{drover.port}/"],
                      ["--http2", "--cacert", authority.file, "--resolve", f"a.test:{port}:127.0.0.1", f"https://a.test:{port}/"]):
        result = run("curl", "-sS", "-w", " %{http_version} %{http_code}", *arguments)
        assert result.stdout == "fake 2 200", result
    result = run("curl", "-sS", "-w", " %{http_version}", "--http1.1", "--cacert", authority.file, "--resolve", f"a.test:{port}:127.0.0.1", f"https://a.test:{port}/")
    assert result.stdout == "fake 1.1", result
    result = run("nghttp", "-nv", "-m", "5", f"http://127.0.0.1:{drover.port}/")
    assert result.returncode == 0 and len(re.findall(":status: 200", result.stdout)) == 5, result
    for url in (f"http://127.0.0.1:{drover.port}/", f"https://127.0.0.1:{port}/"):
        result = run("h2load", "-n", "2000", "-c", "4", "-m", "20", url)
        assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in result.stdout, result.stdout


@scenario()
def httpx_and_node_are_served(stage):
    drover, port, authority = both(stage, stage.backend(answer_length))
    import httpx
    with httpx.Client(http2=True, verify=authority.context()) as client:
        url = f"https://127.0.0.1:{port}"
        answers = [client.get(f"{url}/{i}") for i in range(5)]
        assert all(answer.http_version == "HTTP/2" and answer.text == "0" for answer in answers), answers
        assert client.post(url, content=b"x" * 300000).text == "300000"
        assert client.post(url, content=(b"x" * 1000 for _ in range(200))).text == "200000"
    script = """
        const client = require('http2').connect(process.argv[1]);
        const ask = (size) => new Promise((resolve, reject) => {
            const stream = client.request(size ? {':method': 'POST'} : {});
            let text = '', status;
            stream.on('response', (fields) => status = fields[':status']);
            stream.on('data', (data) => text += data).on('end', () => resolve(status + ' ' + text)).on('error', reject);
            stream.end(size ? 'x'.repeat(size) : undefined);
        });
        Promise.all([0, 1, 100000, 1000000].map(ask)).then((answers) => { console.log(answers.join(',')); client.close(); });
    """
    result = run("node", "-e", script, f"http://127.0.0.1:{drover.port}")
    assert result.stdout.strip() == "200 0,200 1,200 100000,200 1000000", result


def answer_length(link):
    while asked := link.read_request():
        link.answer(str(len(asked.body)))


@scenario()
def it_can_be_switched_off(stage):
    authority, port, plain_port = Authority(stage), free_port(), free_port()
    stage.front(stage.backend(), top={"listen": [{"address": f"127.0.0.1:{plain_port}", "http2": False},
                                                 {"address": f"127.0.0.1:{port}", "http2": False, "tls": authority.issue("a.test")}]})
    result = run("curl", "-sS", "-w", " %{http_version}", "--http2", "--cacert", authority.file, "--resolve", f"a.test:{port}:127.0.0.1", f"https://a.test:{port}/")
    assert result.stdout == "fake 1.1", result
    with Wire(plain_port) as wire:
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert wire.read_response().status == 505


@scenario()
def bodies_and_trailers_pass_both_ways(stage):
    def script(link):
        while asked := link.read_request():
            link.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
            for i in range(0, len(asked.body), 5000):
                piece = asked.body[i:i + 5000]
                link.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            link.send("0\r\nX-Sum: 42\r\nContent-Length: 1\r\n\r\n")
    backend = stage.backend(script)
    drover = stage.front(backend)
    body = bytes(range(256)) * 3000
    with H2Wire(drover.port) as wire:
        stream = wire.ask("POST", body=b"abc", fields=[("content-length", "3")])
        assert wire.wait(stream).body == b"abc" and fields_of(backend)["content-length"] == "3"
        assert stream.trailers == [("x-sum", "42")], stream.trailers
        stream = wire.open(wire.head("PUT"), end=False)
        for at in range(0, len(body), 60000):  # never more than the window
            wire.data(stream, body[at:at + 60000])
            wire.until(lambda: len(stream.body) >= 0, "-")
            wire.quiet(0.02)
        wire.trailers(stream, [("x-mine", "yes"), ("host", "forged")])
        assert wire.wait(stream).body == body
        assert fields_of(backend)["transfer-encoding"] == "chunked" and backend.requests[-1].trailers == [("x-mine", "yes")], backend.requests[-1].trailers
        assert wire.wait(wire.ask("POST")).status == 200
        assert fields_of(backend)["content-length"] == "0", "a POST without a body says so"
        assert wire.wait(wire.ask("POST", body=b"")).status == 200


@scenario()
def a_request_is_collected_whole_where_the_pool_is_buffered(stage):
    backend = stage.backend(answer_length)
    drover = stage.front(backend, concurrency=2)
    with H2Wire(drover.port) as wire:
        stream = wire.open(wire.head("POST", fields=[("expect", "100-continue")]), end=False)
        wire.until(lambda: stream.interims, "the 100")
        for _ in range(5):
            wire.data(stream, b"x" * 60000)
            wire.quiet(0.02)
        assert not backend.requests, "nothing of it was sent yet"
        wire.data(stream, b"", end=True)
        assert wire.wait(stream).body == b"300000" and fields_of(backend)["content-length"] == "300000"


@scenario()
def answers_without_a_body_and_interim_ones_pass(stage):
    def script(link):
        while asked := link.read_request():
            if asked.target == "/hint":
                link.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x-secret\r\nX-Secret: 1\r\n\r\nok")
            elif asked.target == "/204":
                link.send("HTTP/1.1 204 No Content\r\n\r\n")
            elif asked.target == "/304":
                link.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: x\r\n\r\n")
            elif asked.target == "/until-close":
                link.send("HTTP/1.1 200 OK\r\n\r\nall of it")
                return
            else:
                link.send("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n")
    drover = stage.front(stage.backend(script))
    with H2Wire(drover.port) as wire:
        stream = wire.get("/hint")
        assert stream.interims == [[(":status", "103"), ("link", "</x>")]] and stream.body == b"ok" and not stream.field("x-secret"), stream
        assert wire.get("/204").status == 204
        stream = wire.get("/304")
        assert stream.status == 304 and stream.field("content-length") == "10"
        stream = wire.wait(wire.ask("HEAD"))
        assert stream.status == 200 and stream.field("content-length") == "77" and stream.body == b""
        assert wire.get("/until-close").body == b"all of it"


@scenario()
def what_drover_answers_itself_is_as_in_http_1(stage):
    backend = stage.backend()
    port = free_port()
    drover = stage.front(backend, top={"listen": [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{port}", "redirect": "https:444"}],
                                       "limits": {"header": "4k", "headers": 10, "body": "1k"}, "routes": [{"path": "/app", "pool": "web"}]})
    with H2Wire(drover.port) as wire:
        stream = wire.get("/nowhere", [("accept", "text/html")])
        assert stream.status == 404 and stream.field("content-type").startswith("text/html"), stream
        stream = wire.get("/nowhere")
        assert json.loads(stream.body) == {"status": 404, "error": "no_route"}, stream
        stream = wire.wait(wire.ask("TRACE", "/app"))
        assert stream.status == 405 and "GET" in stream.field("allow"), stream
        assert wire.wait(wire.open([(":method", "CONNECT"), (":authority", "a:80")])).status == 405
        assert wire.wait(wire.ask("OPTIONS", "/app", [("max-forwards", "0")])).status == 200
        assert wire.get("/app", [("x-big", "x" * 5000)]).status == 431
        assert wire.get("/app", [(f"x-{i}", "1") for i in range(11)]).status == 431
        assert wire.get("/app/" + "x" * 5000).status == 414
        assert wire.wait(wire.ask("POST", "/app", [("content-length", "2000")], body=b"x" * 2000)).status == 413
        assert wire.wait(wire.ask("POST", "/app", body=b"x" * 2000)).status == 413
        assert wire.get("/app", [("expect", "the impossible")]).status == 417
        assert not backend.requests or backend.requests[-1].method == "POST"
        assert wire.get("/app").status == 200, "and the connection goes on"
    with H2Wire(port) as wire:
        stream = wire.get("/x?y", authority="a.test:80")
        assert stream.status == 308 and stream.field("location") == "https://a.test:444/x?y", stream


@scenario()
def malformed_requests_reset_their_stream_and_no_other(stage):
    backend = stage.backend()
    drover = stage.front(backend)
    with H2Wire(drover.port) as wire:
        head = wire.head()
        malformed = [head + [("connection", "close")], head + [("transfer-encoding", "chunked")], head + [("te", "gzip")], head + [("Upper", "x")],
                     head + [("x-a", "b\r\nx-c: d")], head + [("x-a", "b\0")], head + [("x a", "b")], head + [("x:a", "b")], head + [("", "b")],
                     head + [(":path", "/again")], [("x-early", "1")] + head, head[:1] + head[2:], head[:3], head + [(":unknown", "x")], head + [("x-a", " b")],
                     wire.head(path=""), wire.head(method="GE T"), head + [("content-length", "1")], head + [("content-length", "+0")]]
        for fields in malformed:
            stream = wire.wait(wire.open(fields))
            assert stream.reset == PROTOCOL_ERROR and stream.status is None, (fields, stream)
        for fields in (head + [("host", "other.org")], wire.head(authority="user@a.org"), wire.head(authority="a b"), wire.head(path="x"), wire.head(path="/a#b"),
                       wire.head(path="*"), wire.head(scheme="ftp"), [field for field in head if field[0] != ":authority"]):
            stream = wire.wait(wire.open(fields))
            assert stream.status == 400 or stream.reset == PROTOCOL_ERROR, (fields, stream)
        for size, body in ((5, b"abc"), (2, b"abc")):
            stream = wire.open(wire.head("POST", fields=[("content-length", str(size))]), end=False)
            wire.data(stream, body, end=True)
            assert wire.wait(stream).reset == PROTOCOL_ERROR, stream
        assert all(not asked.is_whole for asked in backend.requests), backend.requests
        assert wire.get("/").status == 200 and not wire.goaways


@scenario()
def a_reset_cancels_the_request_and_a_cut_response_is_a_reset(stage):
    def script(link):
        while asked := link.read_request():
            if asked.target == "/cut":
                link.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                return
            if asked.target == "/hang":
                hanging.append(link)
                gone.append(link.wait_closed())
                return
            link.answer("fine")
    hanging, gone = [], []
    drover = stage.front(stage.backend(script), top={"timeouts": {"response": "1s"}})
    with H2Wire(drover.port) as wire:
        stream = wire.get("/cut")
        assert stream.status == 200 and stream.body == b"half" and stream.reset == INTERNAL_ERROR and not stream.is_ended, stream
        stream = wire.ask(path="/hang")
        until(lambda: hanging, "the request is there")
        wire.reset(stream)
        assert wire.get("/").body == b"fine", "the others go on"
        until(lambda: gone == [True], "the link is closed")
    until(lambda: re.search('"GET /hang HTTP/2.0" 499 .* client_gone ', log_of(drover)), "the line in the log")
    assert re.search('"GET /cut HTTP/2.0" 200 4 .* broken ', log_of(drover)), log_of(drover)


@scenario()
def what_is_cancelled_counts_until_its_worker_has_answered(stage):
    def script(link):
        while asked := link.read_request():
            if asked.target == "/hang":
                hanging.append(link)
                release.wait(10 * PATIENCE)
            link.answer("fine")
    import threading
    hanging, release = [], threading.Event()
    drover = stage.front(stage.backend(script), top={"limits": {"streams": 3}, "timeouts": {"response": "20s"}})
    with H2Wire(drover.port) as wire:
        for i in range(3):
            stream = wire.ask(path="/hang")
            until(lambda: len(hanging) == i + 1, "it is at the worker")
            wire.reset(stream)
        assert wire.get("/").reset == REFUSED_STREAM
        release.set()
        until(lambda: wire.get("/").status == 200, "there is room again")
        assert not wire.goaways


@scenario()
def a_stream_that_is_not_read_stops_neither_the_others_nor_fills_memory(stage):
    def script(link):
        while asked := link.read_request():
            if asked.target == "/large":
                link.send("HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
                for _ in range(500):
                    link.send(b"x" * 100000)
            else:
                link.answer("small")
    drover = stage.front(stage.backend(script))
    with H2Wire(drover.port, takes=False, settings={4: 100000}) as wire:
        wire.window(1 << 24)
        before = resident_kb(drover.engine())
        large = [wire.ask(path="/large") for _ in range(20)]
        wire.until(lambda: all(len(stream.body) == 100000 for stream in large), "the windows are full")
        for _ in range(20):
            assert wire.get("/").body == b"small"
        grown = resident_kb(drover.engine()) - before
        assert grown < 20 * 700, f"{grown} kB for 20 streams that nobody reads"
        for stream in large[1:]:
            wire.reset(stream)
        for _ in range(499):
            wire.window(100000)
            wire.window(100000, large[0])
            size = len(large[0].body) + 100000
            wire.until(lambda: len(large[0].body) >= size, "a window's worth")
        assert wire.wait(large[0]).is_ended and len(large[0].body) == 50000000


@scenario()
def an_upload_goes_no_faster_than_its_worker(stage):
    import threading
    release = threading.Event()

    def script(link):
        asked = link.read_head()
        if asked:
            release.wait(20 * PATIENCE)
            end = link.buffer[-7:]
            while end != b"\r\n0\r\n\r\n":
                end = (end + link.socket.recv(1 << 20))[-7:]
            link.answer("all of it")
    drover = stage.front(stage.backend(script), top={"limits": {"body": "100m"}})
    with H2Wire(drover.port) as wire:
        wire.until(lambda: 4 in wire.settings, "the settings")
        stream = wire.open(wire.head("POST"), end=False)
        windows = {0: 65535, stream.number: wire.settings[4]}
        take = wire.on_frame

        def on_frame(kind, flags, number, payload):
            if kind == 8:
                windows[number] += int.from_bytes(payload, "big")
            take(kind, flags, number, payload)
        wire.on_frame = on_frame
        sent, total = 0, 30000000

        def send_what_fits():
            size = min(16384, total - sent, *windows.values())
            wire.data(stream, b"x" * size)
            for number in windows:
                windows[number] -= size
            return size
        while min(windows.values()) > 0 and sent < total:
            sent += send_what_fits()
            for _ in range(25):
                if min(windows.values()) == 0:
                    wire.quiet(0.02)
        assert sent < 12000000, f"{sent} bytes went to a worker that reads nothing"
        release.set()
        while sent < total:
            wire.until(lambda: min(windows.values()) > 0, "room for more")
            sent += send_what_fits()
        wire.data(stream, b"", end=True)
        assert wire.wait(stream).body == b"all of it"


@scenario()
def a_stop_lets_streams_end_and_says_goodbye_in_two_steps(stage):
    drover = stage.web(plain(), workers=1)
    with H2Wire(drover.port) as wire:
        assert wire.get().status == 200
        slow = wire.ask(path="/slow?ms=1500")
        until(lambda: drover.health()["pools"]["web"]["workers"][0]["active_connections"] == 1, "it is at work")
        drover.signal(15)
        wire.until(lambda: wire.goaways, "the first goodbye")
        assert wire.goaways == [(0x7fffffff, NO_ERROR)], wire.goaways
        late = wire.ask()
        assert wire.wait(late).status == 200, "what was on its way is answered"
        wire.until(lambda: len(wire.goaways) == 2, "the second")
        assert wire.goaways[1] == (late.number, NO_ERROR), wire.goaways
        assert wire.wait(slow).status == 200
        assert wire.until_closed() == NO_ERROR


@scenario()
def everything_has_its_time(stage):
    def script(link):
        while asked := link.read_request():
            link.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            link.send(b"x" * 1000000)
    backend = stage.backend(script)
    drover = stage.front(backend, top={"timeouts": {"header": "600ms", "keep_alive": "900ms", "body": "500ms", "send": "800ms"}})
    with H2Wire(drover.port) as silent, H2Wire(drover.port) as idle, H2Wire(drover.port, takes=False) as stuck, H2Wire(drover.port) as slow, \
            H2Wire(drover.port) as half:
        began = time.monotonic()
        stalled = stuck.ask()
        body = slow.open(slow.head("POST"), end=False)
        slow.data(body, b"some")
        assert idle.wait(idle.ask()).status == 200
        block = half.encoder.encode(half.head())
        half.send(frame(1, 0, 1, block[:10]))  # and never END_HEADERS
        assert silent.until_closed() == NO_ERROR, "not a request since it came"
        assert half.until_closed() == PROTOCOL_ERROR, "a head without an end"
        assert slow.wait(body).status == 408, body
        assert stuck.wait(stalled).reset == CANCEL, "a window that is never opened"
        assert len(stalled.body) == 65535
        assert idle.until_closed() == NO_ERROR
        assert time.monotonic() - began < 6 * PATIENCE
    until(lambda: "slow_client" in log_of(drover) and "client_timeout" in log_of(drover), "the words in the log")
