# SPDX-License-Identifier: MIT
"""HTTPS: what browsers, curl and Python expect of it, and certificates that change while drover runs."""
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

from certificates import Authority, TlsWire
from kit import PATIENCE, Skipped, Wire, WebSocket, descriptors, free_port, get, plain, scenario, until
from wire import request


def https(stage, tls, backend=None, **top):
    """drover with a plain and an HTTPS listener. -> (drover, port of HTTPS)"""
    port = free_port()
    listen = [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{port}", "tls": tls}]
    if backend:
        return stage.front(backend, top={"listen": listen, **top}), port
    return stage.web(plain(), workers=2, top={"listen": listen, **top}), port


def curl(stage, authority, port, *arguments, name="a.test", path="/"):
    if not shutil.which("curl"):
        raise Skipped("curl is not there")
    return stage_run(["curl", "-sS", "--cacert", authority.file, "--resolve", f"{name}:{port}:127.0.0.1", "--max-time", str(20 * PATIENCE), *arguments,
                      f"https://{name}:{port}{path}"])


def stage_run(command, input=None):
    return subprocess.run(command, capture_output=True, text=True, timeout=40 * PATIENCE, input=input)


@scenario()
def both_versions_of_tls_are_served_and_the_app_is_told_https(stage):
    authority = Authority(stage)
    backend = stage.backend()
    drover, port = https(stage, authority.issue("a.test"), backend)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with TlsWire(port, authority.context(version)) as wire:
            assert wire.get("/").status == 200 and wire.get("/again").status == 200
            assert wire.tls.version() == ("TLSv1.2" if version == ssl.TLSVersion.TLSv1_2 else "TLSv1.3")
    fields = dict((name.lower(), value) for name, value in backend.requests[-1].fields)
    assert fields["x-forwarded-proto"] == "https" and fields["x-forwarded-port"] == str(port), fields
    assert get(drover.port).status == 200, "the plain listener stays plain"
    assert dict((n.lower(), v) for n, v in backend.requests[-1].fields)["x-forwarded-proto"] == "http"


@scenario()
def curl_speaks_to_it_and_its_protocol_is_agreed_upon(stage):
    authority = Authority(stage)
    _, port = https(stage, authority.issue("a.test"))
    for version in (["--tls-max", "1.2"], ["--tlsv1.3"]):
        result = curl(stage, authority, port, *version, "-v", "--http1.1", "-w", "%{http_code} %{ssl_verify_result}\n", "-o", "/dev/null")
        assert result.stdout == "200 0\n" and re.search("ALPN.*accepted.* http/1.1", result.stderr), result
    result = stage_run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-alpn", "smtp"], "")
    assert "no application protocol" in result.stderr, result
    for refused in ("-tls1", "-tls1_1"):
        result = stage_run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-cipher", "ALL:@SECLEVEL=0", refused], "")
        assert "alert" in result.stderr and "Cipher is (NONE)" in result.stdout, (refused, result)


@scenario()
def large_bodies_pass_both_ways(stage):
    authority = Authority(stage)
    drover, port = https(stage, authority.issue("a.test"))
    body = os.urandom(3_000_000)
    with TlsWire(port, authority.context(), timeout=30) as wire:
        for _ in range(2):
            assert wire.request("POST", "/echo", body=body).body == body
        chunks = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in (body[:70000], b"x", body[70000:90000])) + b"0\r\n\r\n"
        wire.send(b"POST /echo HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        assert wire.read_response().body == body[:70000] + b"x" + body[70000:90000]


@scenario()
def a_slow_reader_gets_all_of_a_large_answer(stage):
    authority = Authority(stage)
    body = os.urandom(20_000_000)
    backend = stage.backend(lambda link: link.read_request() and link.answer(body))
    _, port = https(stage, authority.issue("a.test"), backend)
    with TlsWire(port, authority.context(), timeout=30) as wire:
        wire.send_request("GET", "/")
        time.sleep(0.7)
        assert wire.read_response().body == body


@scenario()
def the_name_that_is_asked_for_chooses_the_certificate(stage):
    authority = Authority(stage)
    _, port = https(stage, [authority.issue("a.test"), authority.issue("wild.test", "DNS:*.wild.test"), authority.issue("x.wild.test")])
    context = authority.context()
    context.check_hostname = False
    for name, wanted in (("a.test", "a.test"), ("x.wild.test", "x.wild.test"), ("y.wild.test", "wild.test"), ("other.test", "a.test"), (None, "a.test")):
        with TlsWire(port, context, name=name) as wire:
            assert wire.subject() == wanted, (name, wire.subject())
            assert wire.get().status == 200


@scenario(limit=40)
def a_client_that_comes_back_shortens_its_handshake_on_any_loop_and_after_an_engines_death(stage):
    authority = Authority(stage)
    drover, port = https(stage, authority.issue("a.test"))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context, ticket = authority.context(version), None
        for turn in range(8):
            with TlsWire(port, context, again=ticket) as wire:
                assert wire.get().status == 200
                assert wire.tls.session_reused == (turn > 0), (version, turn)
                fresh = wire.tls.session
                assert version == ssl.TLSVersion.TLSv1_2 or not ticket or fresh.id != ticket.id, "in TLS 1.3 a ticket is for one use"
                ticket = fresh
    drover.config["timeouts"] = {"response": "33s"}
    drover.write(drover.config)
    drover.told("reload")
    with TlsWire(port, context, again=ticket) as wire:
        assert wire.tls.session_reused, "a reload keeps the keys"
        assert wire.get().status == 200
        ticket = wire.tls.session


@scenario(limit=40, may_crash=True)
def tickets_outlive_an_engine(stage):
    authority = Authority(stage)
    drover, port = https(stage, authority.issue("a.test"))
    context = authority.context()
    with TlsWire(port, context) as wire:
        wire.get()
        ticket = wire.tls.session
    engine = drover.engine()
    os.kill(engine, 9)
    until(lambda: drover.engine() != engine, "another engine")
    drover.wait_workers()
    with TlsWire(port, context, again=ticket) as wire:
        assert wire.get().status == 200 and wire.tls.session_reused


@scenario()
def websockets_pass_through_tls(stage):
    authority = Authority(stage)
    drover, port = https(stage, authority.issue("a.test"))

    class Secure(WebSocket):
        def __init__(self):
            import wire as module
            plain_wire, module.Wire = module.Wire, lambda where, timeout, source: TlsWire(where, authority.context())
            try:
                super().__init__(port)
            finally:
                module.Wire = plain_wire

    socket_ = stage.keep(Secure())
    for size in (1, 200, 70000):
        socket_.echo("x" * size)
    assert socket_.close() == 1000
    second = stage.keep(Secure())
    second.echo()
    assert drover.stop() == 0
    assert second.receive_close() == 1001


@scenario()
def plain_http_on_the_tls_port_is_told_and_rubbish_is_not_answered(stage):
    authority = Authority(stage)
    drover, port = https(stage, authority.issue("a.test"), timeouts={"header": "1s"})
    response = request(port, "GET", "/")
    assert response.status == 400 and "TLS" in response.text, response
    for rubbish in (b"\0" * 50, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(600), os.urandom(500)):
        with Wire(port) as wire:
            wire.send(rubbish)
            assert wire.is_closed(5 * PATIENCE) or wire.rest() is not None
    open_files = descriptors(drover.engine())
    crowd = [Wire(port) for _ in range(60)]
    for wire in crowd[::2]:
        wire.send(b"\x16\x03\x01\x02\x00\x01")
    started = time.monotonic()
    until(lambda: all(wire.is_closed() for wire in crowd), "half handshakes are closed when their time is over", 8)
    assert time.monotonic() - started > 0.5, "not before"
    for wire in crowd:
        wire.close()
    until(lambda: descriptors(drover.engine()) <= open_files, "and leave nothing")
    with TlsWire(port, authority.context()) as wire:
        assert wire.get().status == 200


@scenario()
def an_answer_that_breaks_off_has_no_close_notify_and_a_whole_one_has(stage):
    authority = Authority(stage)
    backend = stage.backend(lambda link: link.read_request() and link.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))
    _, port = https(stage, authority.issue("a.test"), backend)
    with TlsWire(port, authority.context()) as wire:
        wire.send_request("GET", "/")
        try:
            wire.read_response()
        except ssl.SSLError as error:
            assert "EOF" in str(error), error
        except ConnectionResetError:
            pass
        else:
            raise AssertionError("the answer was short")
    whole = stage.backend()
    _, port = https(stage, authority.issue("a.test"), whole)
    with TlsWire(port, authority.context()) as wire:
        wire.send_request("GET", "/", [("Connection", "close")])
        assert wire.read_response().status == 200
        assert wire.rest() == b""


@scenario(limit=60)
def certificates_change_under_load_without_a_dropped_connection(stage):
    authority = Authority(stage)
    first, second = authority.issue("a.test", subject="/CN=one"), authority.issue("a.test", subject="/CN=two")
    pair = {"certificate": stage.path("pair.pem"), "key": stage.path("pair.key")}

    def place(source):
        for key, path in pair.items():
            shutil.copy(source[key], path + ".new")
            os.rename(path + ".new", path)

    place(first)
    drover, port = https(stage, pair)
    context = authority.context()
    kept = stage.keep(TlsWire(port, context))
    assert kept.get().status == 200 and kept.subject() == "one"
    with drover.load() as load:
        place(second)

        def presented():
            with TlsWire(port, context) as wire:
                assert wire.get().status == 200
                return wire.subject()
        until(lambda: presented() == "two", "noticed by itself", 15)
        place(first)
        drover.told("reload")
        assert presented() == "one", "and by a reload"
        load.wait_for(20)
    load.assert_nothing_failed()
    assert kept.get().status == 200, "the connection from before goes on"


@scenario(limit=60)
def a_bad_new_pair_keeps_the_old_one_and_says_why(stage):
    authority = Authority(stage)
    good, other = authority.issue("a.test"), authority.issue("a.test")
    pair = {"certificate": stage.path("pair.pem"), "key": stage.path("pair.key")}
    for key, path in pair.items():
        shutil.copy(good[key], path)
    drover, port = https(stage, pair)
    shutil.copy(other["key"], pair["key"])
    said = len(drover.said())
    drover.wait_said(r"listen\[1\]\.tls\.key: expected the certificate's key", 15, after=said)
    assert "refused" in drover.told("reload", status=1) + drover.said()[said:]
    with TlsWire(port, authority.context()) as wire:
        assert wire.get().status == 200
    os.unlink(pair["certificate"])
    text = drover.told("reload", status=1)
    assert "No such file" in text, text
    with TlsWire(port, authority.context()) as wire:
        assert wire.get().status == 200
    shutil.copy(other["certificate"], pair["certificate"])
    drover.told("reload")
    with TlsWire(port, authority.context()) as wire:
        assert wire.get().status == 200


@scenario()
def a_wrong_pair_does_not_start(stage):
    authority = Authority(stage)
    good, other = authority.issue("a.test"), authority.issue("a.test")
    config = stage.config({"web": {"command": plain(), "workers": 1}},
                          listen=[{"address": f"127.0.0.1:{free_port()}", "tls": {"certificate": good["certificate"], "key": other["key"]}}])
    import json
    stage.write("wrong.yaml", json.dumps(config))
    result = stage.run("-c", stage.path("wrong.yaml"))
    assert result.returncode == 2 and "listen[0].tls.key" in result.stderr, result


@scenario()
def keys_that_only_root_may_read_serve_an_engine_that_is_somebody_else(stage):
    if os.geteuid() != 0:
        raise Skipped("needs root")
    authority = Authority(stage)
    pair = authority.issue("a.test")
    os.chmod(pair["key"], 0o600)
    os.chmod(stage.directory, 0o755)
    drover, port = https(stage, pair, user="nobody")
    context = authority.context()
    with TlsWire(port, context) as wire:
        assert wire.get().status == 200
    with open(f"/proc/{drover.engine()}/status") as status:
        assert re.search(r"Uid:\s+(\d+)", status.read())[1] != "0"
    drover.config["limits"] = {"headers": 50}
    drover.write(drover.config)
    drover.told("reload")
    with TlsWire(port, context) as wire:
        assert wire.get().status == 200


@scenario()
def a_client_that_asks_for_other_keys_again_and_again_is_served(stage):
    """Renegotiation is refused, TLS 1.3's change of keys is not."""
    authority = Authority(stage)
    _, port = https(stage, authority.issue("a.test"))
    request_text = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
    result = stage_run(["sh", "-c", f"(echo R; sleep 1; printf '{request_text}'; sleep 1) | openssl s_client -connect 127.0.0.1:{port} -tls1_2 -crlf 2>&1"])
    assert "no renegotiation" in result.stdout or "200 OK" not in result.stdout, result.stdout[-500:]
    result = stage_run(["sh", "-c", f"(echo K; sleep 0.3; echo k; sleep 0.3; printf '{request_text}'; sleep 1) | "
                                    f"openssl s_client -connect 127.0.0.1:{port} -tls1_3 2>&1"])
    assert "200 OK" in result.stdout, result.stdout[-500:]
