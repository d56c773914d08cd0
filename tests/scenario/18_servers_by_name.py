# SPDX-License-Identifier: MIT
"""Fixed servers, by name: resolved again and again, so that drover can stand beside a Compose service."""
import socketserver
import subprocess
import threading
import time

from kit import PATIENCE, Backend, free_port, plain, request, scenario, until


def behind(stage, names, server="api", **more):
    """drover in front of NAME:PORT with our name server -> (drover, port)"""
    port = free_port()
    drover = stage.front(f"{server}:{port}", environment={"DROVER_DNS": names.address}, **more)
    return drover, port


def at(stage, address, port):
    backend = Backend(name=address, address=address, port=port)
    stage.keep(backend)
    return backend


@scenario(limit=40)
def a_name_that_moves_is_followed(stage):
    names = stage.name_server({"api": ["127.0.0.2"]})
    drover, port = behind(stage, names)
    at(stage, "127.0.0.2", port)
    until(lambda: drover.get().text == "127.0.0.2", "the first address", 5)
    at(stage, "127.0.0.3", port)
    names.table["api"] = ["127.0.0.3"]
    until(lambda: drover.get().text == "127.0.0.3", "the new address", 10)
    assert {drover.get().text for _ in range(10)} == {"127.0.0.3"}


@scenario(limit=40)
def a_container_that_comes_back_elsewhere_under_load_costs_little(stage):
    names = stage.name_server({"api": ["127.0.0.2"]})
    drover, port = behind(stage, names)
    old = at(stage, "127.0.0.2", port)
    until(lambda: drover.get().status == 200, "it serves", 5)
    with drover.load(good=(200, 502, 503, 504)) as load:
        load.wait_for(50)
        at(stage, "127.0.0.4", port)
        names.table["api"] = ["127.0.0.4"]
        old.close()
        until(lambda: drover.get().text == "127.0.0.4", "it is found again", 10)
        load.wait_for(50)
    load.assert_nothing_failed()


@scenario(limit=40)
def all_addresses_of_a_name_are_used(stage):
    names = stage.name_server({"api": ["127.0.0.2", "127.0.0.3", "127.0.0.4"]})
    drover, port = behind(stage, names)
    for address in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
        at(stage, address, port)
    until(lambda: len(drover.workers()) == 3, lambda: drover.workers(), 5)
    assert {drover.get().text for _ in range(30)} == {"127.0.0.2", "127.0.0.3", "127.0.0.4"}
    names.table["api"] = ["127.0.0.3", "127.0.0.4"]
    until(lambda: len(drover.workers()) == 2, lambda: drover.workers(), 10)
    assert {drover.get().text for _ in range(30)} == {"127.0.0.3", "127.0.0.4"}


@scenario(limit=40)
def a_name_that_cannot_be_resolved_yet_is_no_error_at_the_start(stage):
    names = stage.name_server({})
    drover, port = behind(stage, names, queue={"timeout": "300ms"})
    started = time.monotonic()
    assert drover.get().status == 503
    assert time.monotonic() - started < 3 * PATIENCE
    at(stage, "127.0.0.2", port)
    names.table["api"] = ["127.0.0.2"]
    until(lambda: drover.get().status == 200, "it is found", 15)


@scenario(limit=40)
def the_last_good_addresses_are_kept_when_the_name_server_fails(stage):
    names = stage.name_server({"api": ["127.0.0.2"]})
    drover, port = behind(stage, names)
    at(stage, "127.0.0.2", port)
    until(lambda: drover.get().status == 200, "it serves", 5)
    for broken in (None, ()):
        asked = names.questions
        if broken is None:
            names.table["api"] = None          # silence
        else:
            del names.table["api"]             # no such name
        until(lambda: names.questions > asked + 1, "it was asked again", 20)
        assert [drover.get().status for _ in range(5)] == [200] * 5
        names.table["api"] = ["127.0.0.2"]


@scenario()
def a_websocket_stays_when_its_servers_name_moves(stage):
    names = stage.name_server({"api": ["127.0.0.1"]})
    port = free_port()
    worker = subprocess.Popen([*plain()[:2], "--port", str(port)])
    stage.closing.callback(lambda: (worker.kill(), worker.wait()))
    drover = stage.front(f"api:{port}", environment={"DROVER_DNS": names.address})
    until(lambda: drover.get().status == 200, "it serves", 5)
    socket = drover.websocket()
    at(stage, "127.0.0.2", port)
    names.table["api"] = ["127.0.0.2"]
    until(lambda: drover.get().text == "127.0.0.2", "new requests go there", 10)
    socket.echo()


@scenario()
def weights_share_in_proportion(stage):
    one, three = stage.backend(name="one"), stage.backend(name="three")
    drover = stage.front(one.address, f"{three.address} weight=3")
    texts = [drover.get().text for _ in range(80)]
    assert 15 <= texts.count("one") <= 25, texts.count("one")


@scenario()
def a_unix_socket_can_be_a_server(stage):

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while (line := self.rfile.readline()):
                if line == b"\r\n":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nunix")
    server = socketserver.ThreadingUnixStreamServer(stage.path("server.sock"), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stage.closing.callback(server.shutdown)
    drover = stage.front(f"unix:{stage.path('server.sock')}")
    assert [drover.get().text for _ in range(5)] == ["unix"] * 5
    assert request(drover.port, "POST", "/").text == "unix"
