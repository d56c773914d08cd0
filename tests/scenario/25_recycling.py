# SPDX-License-Identifier: MIT
"""A worker whose time is over (requests, age, memory) is replaced: another is ready first, one at a time, and no request fails."""
import json
import re

from kit import APPS, PYTHON, plain, scenario, until, uvicorn

SYNC = [PYTHON, "/usr/bin/gunicorn", "--chdir", APPS, "--log-level", "warning", "--bind", "unix:$SOCKET", "wsgi_app:app"]


def recycles(drover, reason=None):
    return [one for one in json.loads(drover.page("/api/decisions").text)["decisions"]
            if one["kind"] == "recycle" and reason in (None, one["reason"])]


def no_more_than_one_more(drover, workers, seen):
    """How many serve and how many there are, noted; a recycling pool never has fewer that serve."""
    all_of_them = drover.workers()
    seen.add((sum(worker["status"] == "healthy" for worker in all_of_them), len(all_of_them)))
    return all(serving >= workers for serving, _ in seen)


def leaks_under_load(drover, workers):
    """All workers leak; each is recycled while requests go on."""
    before = {worker["name"]: worker["worker_id"] for worker in drover.workers()}
    megabyte = min(worker["memory"] for worker in drover.workers()) // 1000000
    bound = f"{megabyte + 30}m"
    drover.config["pools"]["web"]["memory"] = {"worker": bound}
    drover.write(drover.config)
    drover.told("reload")
    seen = set()
    with drover.load(clients=4, path="/leak", pause=0.005) as load:
        until(lambda: no_more_than_one_more(drover, workers, seen) and len(recycles(drover, "memory")) >= workers,
              lambda: (drover.workers(), recycles(drover), drover.said()[-2000:]), 40)
        load.wait_for(50)
    load.assert_nothing_failed()
    assert load.reopened == 0
    assert {one["worker"] for one in recycles(drover)[:workers]} == set(before), recycles(drover)
    until(lambda: not set(before.values()) & set(drover.pids()), drover.workers, 30)
    assert min(serving for serving, _ in seen) == workers, seen


def wait_measured(drover):
    until(lambda: all(worker["memory"] for worker in drover.workers()), drover.workers)


@scenario(limit=120)
def uvicorn_workers_that_leak_are_recycled_under_load_and_no_request_fails(stage):
    drover = stage.web(uvicorn("--uds", "$SOCKET"), workers=2)
    wait_measured(drover)
    leaks_under_load(drover, 2)


@scenario(limit=120)
def a_gunicorn_master_is_recycled_for_what_its_own_worker_leaks(stage):
    drover = stage.web(SYNC, workers=1, concurrency=1)
    wait_measured(drover)
    leaks_under_load(drover, 1)


@scenario(limit=60)
def requests_with_jitter_recycle_one_after_the_other(stage):
    drover = stage.web(plain(), workers=3, recycle={"requests": 300, "jitter": 300})
    before, seen = drover.pids(), set()
    with drover.load(clients=6, pause=0.001) as load:
        until(lambda: no_more_than_one_more(drover, 3, seen) and len(recycles(drover)) >= 5,
              lambda: (drover.workers(), recycles(drover)), 30)
    load.assert_nothing_failed()
    assert load.reopened == 0
    until(lambda: not set(before) & set(drover.pids()), drover.workers, 20)
    made = recycles(drover, "requests")
    bounds = {int(re.search(r"requests \(most (\d+)\)", one["text"])[1]) for one in made}
    assert len(bounds) > 1 and all(300 <= bound <= 600 for bound in bounds), made
    assert max(count for _, count in seen) <= 5, seen  # three, one that comes, one that leaves
    assert min(serving for serving, _ in seen) >= 3, seen


@scenario(limit=60)
def age_recycles_an_idle_pool_too(stage):
    drover = stage.web(plain(), workers=2, recycle={"age": "2s"})
    before, seen = drover.pids(), set()
    until(lambda: no_more_than_one_more(drover, 2, seen) and not set(before) & set(drover.pids()), drover.workers, 20)
    assert all(one["reason"] == "age" for one in recycles(drover)) and len(recycles(drover)) >= 2
    assert "recycle (age)" in drover.told("why", "web")
    assert "drover_pool_decisions_total{pool=\"web\",kind=\"recycle\",why=\"age\"}" in drover.page("/metrics").text


@scenario(limit=60)
def a_bound_below_what_the_app_needs_makes_one_warning_and_no_storm(stage):
    drover = stage.web(plain(), workers=3, memory={"worker": "1m"})
    drover.wait_said(r"above memory\.worker .* the bound is too near", 20)
    until(lambda: len(recycles(drover)) == 1 and len(drover.workers(status="healthy")) == 3, drover.workers, 20)
    first = drover.health()["uptime"]  # all three are above the bound: in a storm the second goes now
    with drover.load() as load:
        load.wait_for(500)
        until(lambda: drover.health()["uptime"] > first + 2, drover.health, 20)
    load.assert_nothing_failed()
    assert len(recycles(drover)) == 1, recycles(drover)
    assert drover.said().count("the bound is too near") == 1


@scenario(limit=60)
def a_websocket_on_a_recycled_worker_has_drain_tunnel_and_then_1012(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers=1, recycle={"requests": 3}, top={"timeouts": {"drain_tunnel": "1s"}})
    socket = drover.websocket()
    pid = drover.pids()[0]
    for _ in range(3):
        assert drover.get().status == 200
    until(lambda: any(worker["status"] == "draining" for worker in drover.workers()), drover.workers, 20)
    socket.echo()
    assert drover.get().json()["pid"] != pid, "the new one serves"
    socket.echo()
    assert socket.receive_close() == 1012
    until(lambda: pid not in drover.pids(), drover.workers, 20)


@scenario(limit=60)
def a_replacement_that_does_not_come_up_leaves_the_old_one_serving(stage):
    drover = stage.web(plain(), workers=2, start={"backoff": "300ms"}, recycle={"requests": 200})
    before = drover.pids()
    drover.config["pools"]["web"]["command"] = plain("--crash")
    drover.write(drover.config)
    drover.told("reload", status=1)
    with drover.load() as load:
        load.wait_for(600)
        drover.wait_said("no worker is replaced any more")
        load.wait_for(200)
    load.assert_nothing_failed()
    assert set(before) <= set(drover.pids())
