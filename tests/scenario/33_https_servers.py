# SPDX-License-Identifier: MIT
"""Servers that are spoken to by TLS: who they are is verified, and all that holds for plain ones holds for them."""
import os
import socket
import ssl
import threading

from certificates import Authority
from fakes import Backend, Link
from kit import scenario, until


class TlsBackend(Backend):
    """A scripted backend inside TLS."""

    def __init__(self, pair, version=None, **more):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pair["certificate"], pair["key"])
        self.context.set_alpn_protocols(["http/1.1"])
        if version:
            self.context.minimum_version = self.context.maximum_version = version
        self.names, self.shaken, self.reused, self.failed = [], [], [], 0
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        super().__init__(**more)

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.welcome, args=(connection,), daemon=True).start()

    def welcome(self, connection):
        try:
            secured = self.context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False)
        except (OSError, ssl.SSLError):
            self.failed += 1
            return
        self.shaken.append(secured.selected_alpn_protocol())
        self.reused.append(secured.session_reused)
        with self.lock:
            link = Link(self, secured, len(self.links))
            self.links.append(link)
        self.play(link)


def tls_backend(stage, pair, **more):
    backend = TlsBackend(pair, **more)
    stage.closing.callback(backend.close)
    return backend


def https(backend, host="127.0.0.1"):
    return f"https://{host}:{backend.port}"


@scenario()
def links_are_kept_and_bodies_pass_both_ways(stage):
    authority = Authority(stage)

    def echo(link):
        while request := link.read_request():
            link.answer(request.body)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        backend = tls_backend(stage, authority.issue("a.test"), version=version, script=echo)
        drover = stage.front(https(backend), tls={"ca": authority.file}, top={"threads": 1})
        wire = drover.wire(timeout=30)
        body = os.urandom(3_000_000)
        for size in (0, 10, 3_000_000, 70_000, 1):
            response = wire.request("POST", "/echo", body=body[:size])
            assert (response.status, response.body) == (200, body[:size]), (size, response)
        assert len(backend.links) <= 2 and set(backend.shaken) == {"http/1.1"}, (len(backend.links), backend.shaken)


@scenario()
def a_further_link_shortens_its_handshake(stage):
    authority = Authority(stage)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        backend = tls_backend(stage, authority.issue("a.test"), version=version,
                              script=lambda link: link.read_request() and link.answer(b"x", fields=[("Connection", "close")]))
        drover = stage.front(https(backend), tls={"ca": authority.file})
        for _ in range(6):
            assert drover.get().status == 200
        assert backend.reused[0] is False and sum(backend.reused) >= 4, backend.reused


@scenario()
def requests_that_are_held_whole_pass_too(stage):
    authority = Authority(stage)

    def echo(link):
        while request := link.read_request():
            link.answer(request.body)
    backend = tls_backend(stage, authority.issue("a.test"), script=echo)
    drover = stage.front(https(backend), tls={"ca": authority.file}, buffering="on")
    body = os.urandom(4_000_000)
    assert drover.request("POST", "/echo", body=body, timeout=30).body == body


@scenario()
def who_is_not_who_he_should_be_gets_no_request(stage):
    authority, other = Authority(stage), Authority(stage, "other")
    wrong_name = tls_backend(stage, authority.issue("b.test", "DNS:b.test"))
    wrong_authority = tls_backend(stage, other.issue("a.test"))
    for backend in (wrong_name, wrong_authority):
        drover = stage.front(https(backend), tls={"ca": authority.file})
        assert drover.get().status == 502
        assert not backend.requests
        drover.wait_said(r"web\.1 .*TLS: .*(mismatch|issuer|self.signed|verif)")
    drover = stage.front(https(wrong_name), tls={"ca": authority.file, "name": "b.test"})
    assert drover.get().status == 200 and wrong_name.names[-1] == "b.test", wrong_name.names
    drover = stage.front(https(wrong_authority), tls={"verify": "off"})
    assert drover.get().status == 200
    drover = stage.front(https(wrong_authority))
    assert drover.get().status == 502, "without `ca` those whom the machine trusts"


@scenario()
def a_name_is_asked_for(stage):
    authority = Authority(stage)
    backend = tls_backend(stage, authority.issue("localhost", "DNS:localhost"))
    drover = stage.front(https(backend, "localhost"), tls={"ca": authority.file})
    until(lambda: drover.get().status == 200, "resolved and verified")
    assert backend.names[-1] == "localhost"


@scenario()
def a_plain_server_behind_https_and_one_that_says_nothing_fail_in_time(stage):
    authority = Authority(stage)
    plain_backend = stage.backend(lambda link: link.fill() and link.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
    drover = stage.front(f"https://{plain_backend.address}", tls={"ca": authority.file})
    assert drover.get().status == 502
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        drover = stage.front("https://127.0.0.1:%d" % silent.getsockname()[1], tls={"ca": authority.file}, top={"timeouts": {"connect": "500ms"}}, retries=0)
        assert drover.get().status == 504, "the handshake is part of connecting"


@scenario()
def a_body_that_ends_without_close_notify_is_cut(stage):
    authority = Authority(stage)

    def until_close(clean):
        def script(link):
            link.read_request()
            link.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody")
            if clean:
                link.socket.unwrap()
            else:
                os.close(link.socket.detach())
        return script
    whole = tls_backend(stage, authority.issue("a.test"), script=until_close(True))
    response = stage.front(https(whole), tls={"ca": authority.file}).get()
    assert response.text == "body", response
    cut = tls_backend(stage, authority.issue("a.test"), script=until_close(False))
    try:
        stage.front(https(cut), tls={"ca": authority.file}).get()
    except ConnectionError:
        pass
    else:
        raise AssertionError("the client was told that it is whole")


@scenario()
def probes_speak_tls_and_weights_and_plain_ones_stand_beside(stage):
    authority = Authority(stage)
    good, bad, plain = tls_backend(stage, authority.issue("a.test"), name="good"), tls_backend(stage, Authority(stage, "other").issue("a.test"), name="bad"), \
        stage.backend(name="plain")
    drover = stage.front(https(good) + " weight=2", https(bad), plain.address, tls={"ca": authority.file}, probe={"path": "/health", "interval": "200ms"})
    until(lambda: len(drover.workers(status="healthy")) == 2, lambda: drover.workers())
    names = {drover.get().text for _ in range(30)}
    assert names == {"good", "plain"}, names
    drover.wait_said(r"web\.2 .*not fit")


@scenario()
def websockets_pass(stage):
    import base64
    import hashlib
    authority = Authority(stage)

    def accept(link):
        request = link.read_head()
        key = request.field("Sec-WebSocket-Key").encode()
        answer = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        link.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {answer}\r\n\r\n")
        while link.fill():
            head = link.buffer
            size = head[1] & 0x7F
            mask, data = head[2:6], head[6:6 + size]
            link.socket.sendall(bytes([head[0], size]) + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))
            link.buffer = b""
    backend = tls_backend(stage, authority.issue("a.test"), script=accept)
    drover = stage.front(https(backend), tls={"ca": authority.file})
    websocket = drover.websocket()
    for _ in range(5):
        websocket.echo()


@scenario()
def what_is_trusted_changes_with_a_reload(stage):
    authority, other = Authority(stage), Authority(stage, "other")
    backend = tls_backend(stage, other.issue("a.test"))
    drover = stage.front(https(backend), tls={"ca": authority.file}, max_fails=0)
    assert drover.get().status == 502
    drover.config["pools"]["web"]["tls"]["ca"] = other.file
    drover.write(drover.config)
    drover.told("reload")
    assert drover.get().status == 200
    drover.config["pools"]["web"]["tls"]["ca"] = authority.file
    drover.write(drover.config)
    drover.told("reload")
    assert drover.get().status == 502, "no link from before is used"
