# SPDX-License-Identifier: MIT
"""Clients that stay with their worker, by a signed cookie."""
import collections
import json
import os
import signal

import socketio

from certificates import Authority, TlsWire
from kit import APPS, PYTHON, Wire, free_port, get, is_running, plain, scenario, until

AFFINITY = {"cookie": "stay"}


def set_cookie(response):
    """-> (value, attributes) of the one cookie that drover set, or None"""
    lines = [line for line in response.all("Set-Cookie") if line.startswith("stay=")]
    assert len(lines) <= 1, lines
    if not lines:
        return None
    pair, *attributes = lines[0].split("; ")
    return pair.partition("=")[2], attributes


class Client:
    """A browser, as far as this cookie goes."""

    def __init__(self, drover):
        self.drover, self.cookie, self.times_set = drover, None, 0

    def fields(self):
        return [("Cookie", f"a=1; stay={self.cookie}; b=2")] if self.cookie else []

    def take(self, response):
        if new := set_cookie(response):
            self.cookie, self.times_set = new[0], self.times_set + 1
        return response

    def get(self, path="/", **more):
        return self.take(self.drover.get(path, fields=self.fields(), **more))

    def worker(self):
        response = self.get()
        assert response.status == 200, response
        return response.text

    def pid(self):
        return int(self.get("/pid").text)


def crowd(drover, size):
    """Clients that have been here once -> by the worker that they have"""
    clients = collections.defaultdict(list)
    for _ in range(size):
        client = Client(drover)
        clients[client.worker()].append(client)
    return clients


@scenario()
def a_client_stays_and_its_cookie_is_as_the_docs_say(stage):
    drover = stage.web(workers=3, affinity=AFFINITY)
    first = drover.get()
    value, attributes = set_cookie(first)
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax"] and len(value) == 22, first
    assert first.field("Cache-Control") == "private", "no cache gives it to others"
    clients = crowd(drover, 30)
    assert sorted(len(group) for group in clients.values()) == [10, 10, 10], "those without a cookie are spread as ever"
    for name, group in clients.items():
        for client in group:
            assert [client.worker() for _ in range(5)] == [name] * 5
            assert client.times_set == 1, "told once, not again and again"
            assert client.get().field("Cache-Control") is None
    assert len({client.cookie for group in clients.values() for client in group}) == 3
    for group in clients.values():
        assert not any(word in group[0].cookie for word in ("web", "127", str(drover.port)))


@scenario()
def the_worker_does_not_see_the_cookie(stage):
    drover = stage.web(workers=1, affinity=AFFINITY)
    client = Client(drover)
    client.worker()
    fields = client.get("/fields").json()["fields"]
    assert [value for name, value in fields if name == "Cookie"] == ["a=1; b=2"], fields
    only = drover.get("/fields", fields=[("Cookie", f"stay={client.cookie}")]).json()["fields"]
    assert not any(name == "Cookie" for name, _ in only), only


@scenario()
def a_forged_cookie_is_worth_nothing(stage):
    drover = stage.web(workers=2, affinity=AFFINITY)
    good = Client(drover)
    good.worker()
    changed = good.cookie[:-1] + ("A" if good.cookie[-1] != "A" else "B")
    for forged in (changed, good.cookie + "x", good.cookie[:-1], "web.1", "1", "", "../../etc", "x" * 22):
        response = drover.get("/fields", fields=[("Cookie", f"stay={forged}")])
        assert response.status == 200 and set_cookie(response), (forged, response)
        assert not any(name == "Cookie" for name, _ in response.json()["fields"]), "neither is it passed on"
    seen = {drover.get(fields=[("Cookie", "stay=" + "x" * 22)]).text for _ in range(4)}
    assert len(seen) == 2, "it is chosen for as for anybody"


@scenario()
def a_worker_that_was_killed_gets_its_clients_back_in_its_new_process(stage):
    drover = stage.web(workers=3, affinity=AFFINITY)
    client, busy = Client(drover), Client(drover)
    name, pid = client.worker(), client.pid()
    while busy.worker() != name:
        busy = Client(drover)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_running(pid), "it is dead")
    for _ in range(20):
        assert busy.get().status == 200, "who comes meanwhile goes elsewhere, or to the new process"
    until(lambda: [w for w in drover.workers(status="healthy") if w["name"] == name and w["worker_id"] != pid], lambda: drover.workers(), 20)
    assert client.worker() == name and client.pid() != pid and client.times_set == 1


@scenario()
def who_comes_while_its_worker_is_away_gets_another_and_stays_there(stage):
    drover = stage.web(plain("--start-delay", "600"), workers=3, affinity=AFFINITY, start={"backoff": "500ms"})
    client = Client(drover)
    name, pid = client.worker(), client.pid()
    os.kill(pid, signal.SIGKILL)
    until(lambda: any(worker["name"] == name and worker["status"] != "healthy" for worker in drover.workers()), "its end is noticed")
    other = client.worker()
    assert other != name and client.times_set == 2
    drover.wait_workers("web", 3)
    assert {client.worker() for _ in range(5)} == {other} and client.times_set == 2


@scenario(limit=60)
def a_drained_workers_clients_follow_to_its_replacement(stage):
    drover = stage.web(workers=3, affinity=AFFINITY)
    clients = crowd(drover, 12)
    drover.told("drain", "web.2")
    until(lambda: "web.4" in {w["name"] for w in drover.workers(status="healthy")} and len(drover.workers()) == 3, lambda: drover.workers(), 20)
    for name, group in clients.items():
        wanted = "web.4" if name == "web.2" else name
        for client in group:
            assert client.worker() == wanted and client.times_set == 1, (name, wanted)


@scenario(limit=60)
def through_a_whole_rollout_each_worker_has_exactly_one_successor(stage):
    drover = stage.web(workers=4, affinity=AFFINITY)
    clients = crowd(drover, 24)
    before = drover.pids()
    drover.config["pools"]["web"]["environment"] = {"VERSION": "2"}
    drover.write(drover.config)
    drover.told("reload")
    until(lambda: not set(before) & set(drover.pids()) and len(drover.workers(status="healthy")) == 4 == len(drover.workers()),
          lambda: drover.workers(), 30)
    successors = {name: {client.worker() for client in group} for name, group in clients.items()}
    assert all(len(found) == 1 for found in successors.values()), successors
    assert len(set.union(*successors.values())) == 4, "and they are spread as evenly as before"
    assert all(client.times_set == 1 for group in clients.values() for client in group)


@scenario(limit=60)
def through_a_restart_either_way_nobody_changes_workers_without_need(stage):
    drover = stage.web(workers=3, affinity=AFFINITY)
    clients = crowd(drover, 12)
    before = drover.pids()
    drover.told("restart", "web")
    successors = {name: {client.worker() for client in group} for name, group in clients.items()}
    assert all(len(found) == 1 for found in successors.values()) and len(set.union(*successors.values())) == 3, successors
    drover.told("restart", "web", "--no-surge")
    for name, group in clients.items():
        assert {client.worker() for client in group} == successors[name], "the same slot, another process"
    assert all(client.times_set == 1 for group in clients.values() for client in group)
    assert not set(before) & set(drover.pids())


@scenario(limit=60)
def resizing_moves_only_the_clients_of_who_goes(stage):
    drover = stage.web(workers=4, affinity=AFFINITY)
    clients = crowd(drover, 24)
    drover.told("scale", "web", "2")
    until(lambda: len(drover.workers()) == 2, lambda: drover.workers(), 20)
    left = {worker["name"] for worker in drover.workers()}
    for name, group in clients.items():
        for client in group:
            now = client.worker()
            assert now in left and (now == name or name not in left)
            assert client.times_set == (1 if name in left else 2)
    drover.told("scale", "web", "5")
    drover.wait_workers("web", 5)
    for group in clients.values():
        for client in group:
            assert client.worker() in left, "nobody moves because there are more"


@scenario(limit=40, may_crash=True)
def cookies_are_good_after_the_engine_fell(stage):
    drover = stage.web(workers=3, affinity=AFFINITY)
    clients = crowd(drover, 6)
    engine = drover.engine()
    os.kill(engine, signal.SIGKILL)
    until(lambda: not is_running(engine), "it is dead")
    drover.wait_workers("web", 3)
    for name, group in clients.items():
        for client in group:
            assert client.worker() == name and client.times_set == 1


@scenario()
def a_full_worker_is_waited_for_and_others_are_not_held_up(stage):
    gate = stage.path("gate")
    drover = stage.web(plain("--gate", gate), workers=2, affinity=AFFINITY, concurrency=1)
    client = Client(drover)
    name = client.worker()
    with Wire(drover.port) as holding, Wire(drover.port) as waiting:
        holding.send_request("GET", "/hold", client.fields())
        until(lambda: any(w["name"] == name and w["active_connections"] for w in drover.workers()), lambda: drover.workers())
        waiting.send_request("GET", "/", client.fields())
        until(lambda: drover.pool()["queued"] == 1, lambda: drover.pool())
        for _ in range(5):
            assert drover.get().text != name, "whoever has no cookie passes by"
        assert not waiting.is_closed() and drover.pool()["queued"] == 1
        open(gate, "w").close()
        assert waiting.read_response().text == name
        assert holding.read_response().status == 200


def moody(stage, **pool):
    """Two servers that hang up on requests while their name is in the set. -> (drover, the set)"""
    bad = set()

    def play(link, name):
        while link.read_request() and name not in bad:
            link.answer(name)
    return stage.front(*[stage.backend(lambda link, name=name: play(link, name)) for name in ("one", "two")], affinity=AFFINITY, **pool), bad


@scenario()
def when_its_server_fails_the_request_goes_elsewhere_with_a_new_cookie(stage):
    drover, bad = moody(stage, max_fails=100)
    client = Client(drover)
    name = client.worker()
    bad.add(name)
    other = client.worker()
    assert other != name and client.times_set == 2
    bad.clear()
    assert {client.worker() for _ in range(4)} == {other}


@scenario()
def no_cookie_leads_to_an_ejected_server(stage):
    drover, bad = moody(stage, max_fails=1, fail_timeout="60s")
    client, idle = Client(drover), Client(drover)
    name = client.worker()
    while idle.worker() != name:
        idle = Client(drover)
    bad.add(name)
    assert client.worker() != name
    until(lambda: any(w["status"] == "ejected" for w in drover.workers()), lambda: drover.workers())
    bad.clear()
    assert idle.worker() != name and idle.times_set == 2


@scenario()
def websockets_follow_the_cookie_and_get_one(stage):
    drover = stage.web(workers=3, affinity=AFFINITY)
    fresh = drover.websocket()
    value, attributes = set_cookie(fresh.response)
    name = drover.get(fields=[("Cookie", f"stay={value}")]).text
    for _ in range(5):
        socket = drover.websocket(fields=[("Cookie", f"stay={value}")])
        assert set_cookie(socket.response) is None
        socket.echo()
    until(lambda: {w["name"]: w["active_connections"] for w in drover.workers()}[name] == 6, lambda: drover.workers())


@scenario()
def the_cookie_is_secure_where_the_client_came_by_https(stage):
    authority = Authority(stage)
    pair = authority.issue("a.test")
    port = free_port()
    listen = [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{port}", "tls": pair}]
    drover = stage.drover(stage.config({"web": {"command": plain(), "affinity": AFFINITY},
                                        "other": {"command": plain(), "affinity": {"cookie": "stay", "same_site": "none"}}},
                                       listen=listen, trusted_proxies=["127.0.0.1"],
                                       routes=[{"path": "/other", "pool": "other"}, {"path": "/", "pool": "web"}]))
    with TlsWire(port, authority.context()) as wire:
        assert set_cookie(wire.get())[1] == ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"]
    assert "Secure" not in set_cookie(drover.get())[1]
    assert "Secure" in set_cookie(drover.get(fields=[("X-Forwarded-Proto", "https")]))[1], "a trusted proxy's word"
    assert set_cookie(drover.get("/other"))[1] == ["Path=/", "HttpOnly", "SameSite=None", "Secure"]


@scenario()
def with_one_key_several_drovers_send_a_client_to_the_same_server(stage):
    key = stage.write("affinity.key", "0123456789abcdef0123456789abcdef\n")
    backends = [stage.backend(lambda link, name=name: answer(link, name)) for name in ("one", "two", "three")]
    first = stage.front(*backends, affinity={"cookie": "stay", "key": key})
    second = stage.drover(stage.config({"web": {"servers": [b.address for b in reversed(backends)],
                                                "affinity": {"cookie": "stay", "secret": "${SECRET}"}}}),
                          wait="up", environment={"SECRET": "0123456789abcdef0123456789abcdef"})
    stranger = stage.front(*backends, affinity=AFFINITY)
    for _ in range(6):
        client = Client(first)
        name = client.worker()
        client.drover = second
        assert client.worker() == name and client.times_set == 1
    client.drover = stranger
    client.worker()
    assert client.times_set == 2, "another key: not believed"
    assert "0123456789abcdef" not in second.told("check", "--print")


def answer(link, name):
    while link.read_request():
        link.answer(name)


@scenario()
def turning_it_on_off_and_changing_the_key_takes_a_reload(stage):
    drover = stage.web(workers=2)
    pids = drover.pids()
    assert set_cookie(drover.get()) is None

    def adopt(affinity):
        drover.config["pools"]["web"]["affinity"] = affinity
        drover.write(drover.config)
        drover.told("reload")
    adopt({"cookie": "stay", "secret": "the first secret of two"})
    client = Client(drover)
    client.worker()
    adopt({"cookie": "stay", "secret": "the second secret of two"})
    client.worker()
    assert client.times_set == 2
    adopt("off")
    response = drover.get("/fields", fields=client.fields())
    assert set_cookie(response) is None and ["Cookie", f"a=1; stay={client.cookie}; b=2"] in response.json()["fields"]
    assert drover.pids() == pids


def talk(drover, transports, messages=6):
    """A Socket.IO client's conversation -> which workers answered"""
    client = socketio.Client(reconnection=False, request_timeout=5)
    client.connect(f"http://127.0.0.1:{drover.port}", transports=transports, wait_timeout=5)
    try:
        answers = [client.call("say", f"{number}", timeout=5) for number in range(messages)]
    finally:
        client.disconnect()
    assert [text for _, text in answers] == [f"{number}" for number in range(messages)]
    return {worker for worker, _ in answers}


def socketio_pool(stage, **more):
    command = [PYTHON, "-m", "uvicorn", "--app-dir", APPS, "--log-level", "critical", "--port", "$PORT", "socketio_app:app"]
    return stage.web(command, workers=3, **more)


@scenario(limit=60)
def socket_io_by_polling_works_with_several_workers(stage):
    drover = socketio_pool(stage, affinity={"cookie": "io"})
    seen = set()
    for _ in range(6):
        workers = talk(drover, ["polling"])
        assert len(workers) == 1, workers
        seen |= workers
    assert len(seen) > 1, "clients are spread"
    assert len(talk(drover, ["polling", "websocket"])) == 1, "and so it is when polling becomes a WebSocket"


@scenario(limit=60)
def socket_io_by_polling_needs_it(stage):
    drover = socketio_pool(stage)
    answers = {get(drover.port, "/socket.io/?transport=polling&EIO=4").text for _ in range(3)}
    session = json.loads(next(iter(answers))[1:])["sid"]
    replies = [get(drover.port, f"/socket.io/?transport=polling&EIO=4&sid={session}", timeout=20).status for _ in range(3)]
    assert 400 in replies, "a worker that does not know the conversation refuses it"
    assert len(talk(drover, ["websocket"])) == 1, "WebSockets alone need no affinity"
