# SPDX-License-Identifier: MIT
"""Whose connection it is, when a proxy in front says so; and how many connections one address may have."""
import contextlib
import socket
import struct

from certificates import Authority, TlsWire
from kit import Cut, Wire, free_port, get, scenario, until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version_2(client, command=1, more=b""):
    addresses = socket.inet_aton(client) + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 56324, 443)
    return SIGNATURE + bytes([0x20 | command, 0x11]) + struct.pack("!H", len(addresses + more)) + addresses + more


def fields_of(backend):
    return {name.lower(): value for name, value in backend.requests[-1].fields}


def real_ip(backend):
    return fields_of(backend)["x-real-ip"]


def behind(stage, trusted="127.0.0.1", **top):
    backend = stage.backend()
    drover = stage.front(backend, top={"listen": [{"address": f"127.0.0.1:{free_port()}", "proxy_protocol": True}], "trusted_proxies": [trusted], **top})
    return drover, backend


@scenario()
def both_versions_name_the_client(stage):
    drover, backend = behind(stage)
    for header in (b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n", version_2("203.0.113.7"), version_2("203.0.113.7", more=b"\x04\x00\x01x")):
        with Wire(drover.port) as wire:
            wire.send(header)
            for _ in range(2):
                assert wire.get("/", [("X-Forwarded-For", "198.51.100.1")]).status == 200
                fields = fields_of(backend)
                assert fields["x-real-ip"] == "203.0.113.7" and fields["x-forwarded-for"] == "203.0.113.7", fields
    for header in (b"PROXY UNKNOWN\r\n", version_2("203.0.113.7", command=0)):
        with Wire(drover.port) as wire:
            wire.send(header)
            assert wire.get().status == 200 and real_ip(backend) == "127.0.0.1"


@scenario()
def a_header_in_pieces_and_together_with_the_request_is_read(stage):
    drover, backend = behind(stage)
    for header in (b"PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n", version_2("203.0.113.9")):
        with Wire(drover.port) as wire:
            for byte in header:
                wire.send(bytes([byte]))
            assert wire.get().status == 200 and real_ip(backend) == "203.0.113.9"
        with Wire(drover.port) as wire:
            wire.send(header + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.read_response().status == 200 and real_ip(backend) == "203.0.113.9"


@scenario()
def without_a_header_a_trusted_proxy_is_not_heard_and_with_one_a_stranger_is_not(stage):
    drover, backend = behind(stage, timeouts={"header": "1s"})
    for nonsense in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"PROXY TCP4 nonsense\r\n", SIGNATURE + b"\x99" * 20, b"PROXY " + b"x" * 200):
        with Wire(drover.port) as wire:
            wire.send(nonsense)
            with contextlib.suppress(ConnectionError):
                assert wire.rest() == b"", nonsense
    with Wire(drover.port) as wire:
        wire.send(b"PROXY TCP4 203.0.113.7 ")
        with contextlib.suppress(ConnectionError):
            assert wire.rest() == b"", "not whole in its time"
    assert not backend.requests
    drover, backend = behind(stage, trusted="192.0.2.1")
    with Wire(drover.port) as wire:
        wire.send(b"PROXY TCP4 203.0.113.7 10.0.0.1 1 2\r\n")
        assert wire.get().status == 400
    assert get(drover.port).status == 200 and real_ip(backend) == "127.0.0.1", "strangers speak for themselves"


@scenario()
def it_comes_before_tls(stage):
    authority, backend, port = Authority(stage), stage.backend(), free_port()
    stage.front(backend, top={"listen": [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{port}", "proxy_protocol": "on", "tls": authority.issue("a.test")}],
                              "trusted_proxies": ["127.0.0.0/8"]})
    with Wire(port) as raw:
        raw.send(version_2("203.0.113.7"))
        raw.socket = authority.context().wrap_socket(raw.socket, server_hostname="a.test")
        assert raw.get().status == 200 and real_ip(backend) == "203.0.113.7"
        assert fields_of(backend)["x-forwarded-proto"] == "https"


@scenario()
def one_address_has_no_more_than_its_share_of_connections(stage):
    backend = stage.backend()
    drover = stage.front(backend, top={"limits": {"connections_per_ip": 3}, "threads": 2})
    inside = [drover.wire() for _ in range(3)]
    for wire in inside:
        assert wire.get().status == 200
    outside = drover.wire()
    outside.send_request("GET", "/")
    with contextlib.suppress(ConnectionError, Cut):
        assert outside.read_response().status == 503
    with Wire(drover.port, source="127.0.0.2") as other:
        assert other.get().status == 200, "another address has a share of its own"
    inside.pop().close()

    def is_let_in():
        with contextlib.suppress(ConnectionError, Cut):
            return drover.get().status == 200
    until(is_let_in, "who left makes room")
    drover.config["limits"] = {"connections_per_ip": 100}
    drover.write(drover.config)
    drover.told("reload")
    assert [drover.wire().get().status for _ in range(10)] == [200] * 10


@scenario()
def behind_a_proxy_the_named_address_counts(stage):
    drover, _ = behind(stage, limits={"connections_per_ip": 2})

    def come(ip):
        wire = drover.wire()
        wire.send(version_2(ip))
        wire.send_request("GET", "/")
        return wire.read_response().status
    assert [come("203.0.113.7"), come("203.0.113.7"), come("203.0.113.8")] == [200, 200, 200]
    assert come("203.0.113.7") == 503
