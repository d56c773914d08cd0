# SPDX-License-Identifier: MIT
"""HTTP/1.1 and 1.0 between a client and a worker: framing, fields, everything that is legal."""
import json
import select
import time

from kit import Wire, chunk, get, request, scenario, until


def echo_head(link):
    """A backend that tells what it got: the head as it came, the body's size."""
    while asked := link.read_request():
        told = {"line": asked.raw.split(b"\r\n")[0].decode("latin-1"), "fields": asked.fields, "size": len(asked.body),
                "trailers": asked.trailers}
        link.answer(b"" if asked.method == "HEAD" else json.dumps(told))


def fields_of(response):
    return [(name.lower(), value) for name, value in response.json()["fields"]]


@scenario()
def every_framing_of_a_request_arrives_whole(stage):
    backend = stage.backend(echo_head)
    drover = stage.front(backend)
    with Wire(drover.port) as wire:
        for size in (0, 1, 1000, 65536, 300000):
            assert wire.request("POST", "/", body=b"a" * size).json()["size"] == size
            wire.send_request("POST", "/", [("Transfer-Encoding", "chunked")])
            for at in range(0, size, 7000):
                wire.send(chunk(b"b" * min(7000, size - at)))
            wire.send(b"0\r\n\r\n")
            assert wire.read_response().json()["size"] == size
        assert wire.get().json()["size"] == 0
    with Wire(drover.port) as wire:  # in small pieces
        for byte in b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n":
            wire.send(bytes([byte]))
        assert wire.read_response().json()["size"] == 3


@scenario()
def every_framing_of_a_response_arrives_whole(stage):
    body = bytes(range(256)) * 1000

    def script(link):
        while asked := link.read_request():
            if asked.target == "/length":
                link.answer(body)
            elif asked.target == "/chunked":
                link.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
                for at in range(0, len(body), 10000):
                    link.send(chunk(body[at:at + 10000]))
                link.send("0\r\nX-Sum: 42\r\n\r\n")
            elif asked.target == "/close":
                link.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)
                return
            elif asked.target == "/old":
                link.send(b"HTTP/1.0 200 OK\r\n\r\n" + body)
                return
            elif asked.target == "/204":
                link.send("HTTP/1.1 204 No Content\r\n\r\n")
            elif asked.target == "/304":
                link.send('HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 1000\r\n\r\n')
    drover = stage.front(stage.backend(script))
    with Wire(drover.port) as wire:
        for path in ("/length", "/chunked", "/close", "/old", "/length"):
            response = wire.get(path)
            assert response.status == 200 and response.body == body, (path, response)
            if path in ("/close", "/old"):
                assert response.field("Transfer-Encoding") == "chunked", "an end by closing becomes chunked: the connection is kept"
        assert wire.get("/204").status == 204
        response = wire.get("/304")
        assert response.status == 304 and response.field("ETag") == '"x"'
        assert wire.get("/length").body == body


@scenario()
def trailers_pass_both_ways_and_no_field_that_matters_is_smuggled_in_them(stage):
    def script(link):
        while asked := link.read_request():
            told = json.dumps(asked.trailers).encode()
            link.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(told) + b"0\r\nX-After: yes\r\nContent-Length: 5\r\n\r\n")
    drover = stage.front(stage.backend(script))
    with Wire(drover.port) as wire:
        wire.send_request("POST", "/", [("Transfer-Encoding", "chunked"), ("TE", "trailers"), ("Connection", "TE")])
        wire.send(chunk(b"body") + b"0\r\nX-Sum: 7\r\nHost: evil.test\r\nTransfer-Encoding: chunked\r\n\r\n")
        response = wire.read_response()
        names = {name.lower() for name, _ in response.json()}
        assert not names & {"host", "transfer-encoding", "content-length"}, names
        assert "content-length" not in {name.lower() for name, _ in response.trailers}, response.trailers
        assert wire.get().status == 200


@scenario()
def head_has_no_body_but_all_fields(stage):
    drover = stage.web(workers=1)
    with Wire(drover.port) as wire:
        for _ in range(3):
            response = wire.request("HEAD", "/")
            assert response.status == 200 and response.field("Content-Length") == "5" and response.body == b""
        assert wire.get("/").body == b"web.1"


@scenario()
def pipelined_requests_are_answered_in_order(stage):
    drover = stage.web(workers=2)
    with Wire(drover.port) as wire:
        heads = "".join(f"GET /slow?ms={40 if i % 3 == 0 else 0}&i={i} HTTP/1.1\r\nHost: a\r\n\r\n"
                        f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n{i:03d}" for i in range(20))
        wire.send(heads)
        for i in range(20):
            assert wire.read_response().status == 200
            assert wire.read_response().body == f"{i:03d}".encode()
    with Wire(drover.port) as wire:
        wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wire.read_response().status == 200
        assert wire.rest() == b"", "after Connection: close nothing more is answered"


@scenario()
def http_1_0_is_answered_in_its_own_way(stage):
    def script(link):
        while link.read_request():
            link.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"hello ") + chunk(b"world") + b"0\r\n\r\n")
    drover = stage.front(stage.backend(script))
    with Wire(drover.port) as wire:
        response = wire.request("GET", "/", version="1.0", host=None)
        assert response.body == b"hello world" and response.field("Transfer-Encoding") is None, "no chunks for HTTP/1.0"
        assert wire.is_closed(2)
    worker = stage.web(workers=1)
    with Wire(worker.port) as wire:
        for _ in range(3):
            response = wire.request("GET", "/", [("Connection", "keep-alive")], version="1.0")
            assert response.body == b"web.1" and (response.field("Connection") or "").lower() == "keep-alive", response
    with Wire(worker.port) as wire:
        assert wire.request("GET", "/", version="1.0").body == b"web.1"
        assert wire.is_closed(2)


@scenario()
def expect_100_continue_lets_the_worker_decide_where_requests_are_not_buffered(stage):
    def script(link):
        while asked := link.read_head():
            if asked.target == "/no":
                link.answer("too large for me", "413 Content Too Large", [("Connection", "close")])
                return
            link.send("HTTP/1.1 100 Continue\r\n\r\n")
            link.read_body(asked)
            link.answer(str(len(asked.body)))
    backend = stage.backend(script)
    drover = stage.front(backend, buffering="off")
    with Wire(drover.port) as wire:
        wire.send_request("POST", "/yes", [("Expect", "100-continue"), ("Content-Length", "5")])
        assert wire.read_head().status == 100
        wire.send(b"hello")
        assert wire.read_response().text == "5"
    with Wire(drover.port) as wire:
        wire.send_request("POST", "/no", [("Expect", "100-continue"), ("Content-Length", "500000")])
        response = wire.read_response()
        assert response.status == 413 and not response.interims, response


@scenario()
def with_whole_requests_drover_itself_says_continue(stage):
    backend = stage.backend(echo_head)
    drover = stage.front(backend, buffering="on")
    with Wire(drover.port) as wire:
        wire.send_request("POST", "/", [("Expect", "100-continue"), ("Content-Length", "5")])
        assert wire.read_head().status == 100
        assert not backend.requests, "nothing has been sent to the worker yet"
        wire.send(b"hello")
        response = wire.read_response()
        assert response.json()["size"] == 5
        assert "expect" not in dict(fields_of(response))
    small = stage.front(backend, buffering="on", top={"limits": {"body": 1000}})
    with Wire(small.port) as wire:
        wire.send_request("POST", "/", [("Expect", "100-continue"), ("Content-Length", "5000")])
        assert wire.read_response().status == 413


@scenario()
def early_hints_and_other_1xx_are_relayed_but_not_to_http_1_0(stage):
    def script(link):
        while link.read_request():
            link.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
            link.answer("done")
    drover = stage.front(stage.backend(script))
    with Wire(drover.port) as wire:
        response = wire.get()
        assert [interim.status for interim in response.interims] == [103, 102], response.interims
        assert response.interims[0].field("Link") == "</a.css>; rel=preload" and response.text == "done"
    with Wire(drover.port) as wire:
        response = wire.request("GET", "/", version="1.0")
        assert not response.interims and response.text == "done"


@scenario()
def forwarded_fields_tell_the_truth(stage):
    drover = stage.front(stage.backend(echo_head))
    before = time.time()
    lies = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.test"), ("Forwarded", "for=1.2.3.4"),
            ("X-Real-IP", "1.2.3.4"), ("X-Request-Id", "forged"), ("X-Request-Start", "t=1"), ("X-Scheme", "https"),
            ("X-Original-URL", "/admin"), ("X-Rewrite-URL", "/admin"), ("Proxy", "http://evil.test"), ("X-Forwarded-Port", "443"),
            ("X-Forwarded-Server", "evil"), ("X-Kept", "yes")]
    seen = fields_of(drover.get("/a?b=c", fields=lies, host="shop.test:81"))
    named = dict(seen)
    assert len(named) == len(seen), f"no field stands twice: {seen}"
    assert named["host"] == "shop.test:81" and named["x-kept"] == "yes"
    assert named["x-forwarded-for"] == named["x-real-ip"] == "127.0.0.1"
    assert (named["x-forwarded-proto"], named["x-forwarded-host"], named["x-forwarded-port"]) == ("http", "shop.test:81", str(drover.port))
    assert named["via"] == "1.1 drover" and len(named["x-request-id"]) >= 8 and named["x-request-id"] != "forged"
    assert named["x-request-start"].startswith("t=") and abs(int(named["x-request-start"][2:]) / 1e6 - before) < 5
    for name in ("forwarded", "x-scheme", "x-original-url", "x-rewrite-url", "proxy", "x-forwarded-server"):
        assert name not in named, name


@scenario()
def a_trusted_proxy_is_believed_and_appended_to(stage):
    drover = stage.front(stage.backend(echo_head), top={"trusted_proxies": ["127.0.0.0/8"]})
    told = [("X-Forwarded-For", "203.0.113.9, 127.0.0.7"), ("X-Forwarded-Proto", "https"), ("X-Request-Id", "abc-1.2_3"), ("Proxy", "x")]
    named = dict(fields_of(drover.get(fields=told)))
    assert named["x-forwarded-for"] == "203.0.113.9, 127.0.0.7, 127.0.0.1", named
    assert named["x-real-ip"] == "203.0.113.9", "the right-most that is not trusted"
    assert named["x-forwarded-proto"] == "https" and named["x-request-id"] == "abc-1.2_3" and "proxy" not in named
    named = dict(fields_of(drover.get(fields=[("X-Forwarded-Proto", "HTTPS, evil"), ("X-Request-Id", "no spaces please")])))
    assert named["x-forwarded-proto"] == "http" and named["x-request-id"] != "no spaces please"


@scenario()
def hop_by_hop_fields_are_dropped_both_ways(stage):
    def script(link):
        while asked := link.read_request():
            link.answer(json.dumps({"fields": asked.fields}), fields=[("Connection", "X-Private, keep-alive"), ("X-Private", "1"),
                                                                      ("Keep-Alive", "timeout=5"), ("Proxy-Authenticate", "x"), ("X-Public", "2")])
    drover = stage.front(stage.backend(script))
    with Wire(drover.port) as wire:
        response = wire.get(fields=[("Connection", "X-Hop, keep-alive"), ("X-Hop", "1"), ("Keep-Alive", "3"), ("Proxy-Connection", "keep-alive"),
                                    ("TE", "gzip"), ("Proxy-Authorization", "Basic x"), ("X-End", "2")])
        seen = dict(fields_of(response))
        assert seen["x-end"] == "2"
        assert not {"x-hop", "keep-alive", "proxy-connection", "proxy-authorization"} & set(seen), seen
        assert "gzip" not in seen.get("te", "")
        assert response.field("X-Public") == "2"
        assert not [name for name in ("X-Private", "Keep-Alive", "Proxy-Authenticate") if response.field(name) is not None], response


@scenario()
def names_with_an_underscore_are_dropped_unless_asked_for(stage):
    backend = stage.backend(echo_head)
    drop, keep = stage.front(backend), stage.front(backend, top={"underscores": "pass"})
    assert "x_user" not in dict(fields_of(drop.get(fields=[("X_User", "root"), ("X-User", "me")])))
    assert dict(fields_of(keep.get(fields=[("X_User", "root")])))["x_user"] == "root"


@scenario()
def via_can_be_left_out(stage):
    drover = stage.front(stage.backend(echo_head), top={"via": "off"})
    assert "via" not in dict(fields_of(drover.get()))


@scenario()
def path_and_query_are_never_changed(stage):
    drover = stage.front(stage.backend(echo_head))
    for target in ("/", "/a/../b//c/./d", "/%2e%2e/%2F?x=%00&y=[z]|{}", "/a;b=c?d?e", "*"):
        method = "OPTIONS" if target == "*" else "GET"
        line = drover.request(method, target).json()["line"]
        assert line == f"{method} {target} HTTP/1.1", line
    assert drover.get("/\u00fc").status == 400, "a byte that no URI has"
    assert drover.get("http://app.test/x?y").json()["line"].split(" ")[1].endswith("/x?y")


@scenario()
def drovers_own_errors_are_short_and_json_or_html_by_accept(stage):
    drover = stage.front("127.0.0.1:1", top={"timeouts": {"connect": "300ms"}})
    response = drover.get(fields=[("Accept", "application/json")])
    assert response.status in (502, 503) and "json" in response.field("Content-Type"), response
    assert isinstance(response.json(), dict) and len(response.body) < 2000
    response = drover.get(fields=[("Accept", "text/html,application/xhtml+xml")])
    assert "text/html" in response.field("Content-Type") and b"<" in response.body
    assert response.field("Content-Length") == str(len(response.body))


@scenario()
def what_is_answered_here_never_reaches_a_worker(stage):
    backend = stage.backend()
    drover = stage.front(backend)
    assert request(drover.port, "TRACE", "/").status == 405
    assert request(drover.port, "CONNECT", "app.test:443").status in (405, 400)
    assert request(drover.port, "OPTIONS", "/", [("Max-Forwards", "0")]).status in (200, 204)
    assert get(drover.port, "/", version="2.0").status == 505
    assert not backend.requests, backend.requests
    assert request(drover.port, "OPTIONS", "/", [("Max-Forwards", "5")]).status == 200
    assert backend.requests[0].field("Max-Forwards") == "4"


@scenario()
def time_outs_of_slow_clients_are_408_and_close(stage):
    backend = stage.backend()
    drover = stage.front(backend, top={"timeouts": {"header": "500ms", "body": "500ms", "keep_alive": "700ms"}})
    with Wire(drover.port) as wire:  # nothing at all: closed, with or without a word
        until(lambda: wire.is_closed(0.1) or wire.fill(), "the silent client is closed", 5)
    with Wire(drover.port) as wire:
        wire.send("GET / HTTP/1.1\r\nHos")
        assert wire.read_response().status == 408
        assert wire.is_closed(2)
    with Wire(drover.port) as wire:  # a byte now and then does not help
        wire.send("GET / HTTP/1.1\r\nX-Slow: ")
        for _ in range(100):
            if select.select([wire.socket], [], [], 0.05)[0]:
                break
            wire.send("a")
        assert wire.read_response().status == 408
    with Wire(drover.port) as wire:
        wire.send_request("POST", "/", [("Content-Length", "10")])
        wire.send("abc")
        assert wire.read_response().status == 408
        assert wire.is_closed(2)
    with Wire(drover.port) as wire:  # an idle kept connection is closed without a word
        assert wire.get().status == 200
        assert wire.is_closed(3) and wire.rest() == b""
    assert all(asked.method == "GET" or not asked.is_whole for asked in backend.requests)


@scenario()
def a_unix_listener_serves_too(stage):
    path = stage.path("front.sock")
    drover = stage.web(workers=1, top={"listen": [f"unix:{path}"]})
    for _ in range(20):
        assert get(path).body == b"web.1"
    seen = {name.lower(): value for name, value in get(path, "/fields").json()["fields"]}
    assert "host" in seen
    assert seen["x-real-ip"] == "unix" and "x-forwarded-port" not in seen, seen
    assert drover.stop() == 0
