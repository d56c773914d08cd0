# SPDX-License-Identifier: MIT
"""hash, random_two, slow_start."""
import collections
import time

from kit import plain, scenario, until


@scenario()
def hash_by_a_field_keeps_a_user_on_one_worker(stage):
    drover = stage.web(plain(), workers=4, balance="hash", key="header:X-User")
    homes = {}
    for _ in range(3):
        for user in range(60):
            worker = drover.get(fields=[("X-User", f"u{user}")]).field("X-Worker")
            assert homes.setdefault(user, worker) == worker
    counts = collections.Counter(homes.values())
    assert len(counts) == 4 and max(counts.values()) < 35, counts


@scenario()
def when_one_goes_only_its_own_users_move(stage):
    drover = stage.web(plain(), workers=4, balance="hash", key="cookie:sid", start={"backoff": "20s"}, top={"timeouts": {"drain": "1s"}})

    def home(user):
        return drover.get(fields=[("Cookie", f"a=b; sid=u{user}; c=d")]).field("X-Worker")
    before = {user: home(user) for user in range(60)}
    drover.told("scale", "web", "3")
    drover.wait_workers("web", 3)
    gone = {"web.1", "web.2", "web.3", "web.4"} - {worker["name"] for worker in drover.workers()}
    after = {user: home(user) for user in range(60)}
    moved = [user for user in before if before[user] != after[user]]
    assert moved and all(before[user] in gone for user in moved), moved


@scenario()
def hash_by_client_uses_the_clients_address(stage):
    drover = stage.web(plain(), workers=3, balance="hash", key="client", top={"trusted_proxies": ["127.0.0.1"]})
    homes = {}
    for _ in range(2):
        for client in range(40):
            worker = drover.get(fields=[("X-Forwarded-For", f"203.0.113.{client}")]).field("X-Worker")
            assert homes.setdefault(client, worker) == worker
    assert len(set(homes.values())) == 3


@scenario()
def random_two_uses_all_and_avoids_the_busy(stage):
    gate = stage.path("gate")
    drover = stage.web(plain("--gate", gate), workers=3, balance="random_two")
    assert {drover.get().field("X-Worker") for _ in range(60)} == {"web.1", "web.2", "web.3"}
    wires = [drover.wire() for _ in range(30)]
    for wire in wires:
        wire.send_request("GET", "/hold")
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 30, lambda: drover.workers())
    held = [worker["active_connections"] for worker in drover.workers()]
    assert max(held) - min(held) <= 5, held
    stage.write("gate", "")
    for wire in wires:
        wire.read_response()


@scenario(limit=40)
def a_worker_that_is_new_gets_its_full_share_only_slowly(stage):
    drover = stage.web(plain(), workers=2, slow_start="20s")
    time.sleep(0.2)
    drover.told("scale", "web", "3")
    drover.wait_workers("web", 3)
    counts = collections.Counter(drover.get().field("X-Worker") for _ in range(60))
    assert counts["web.3"] < 15 and counts["web.3"] < min(counts["web.1"], counts["web.2"]), counts
