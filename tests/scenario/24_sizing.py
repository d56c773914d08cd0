# SPDX-License-Identifier: MIT
"""The pool follows the demand: grows when requests wait, goes back when it is idle, to zero and back."""
import json
import os
import signal
import time

from kit import plain, scenario, until, uvicorn


def decisions(drover):
    """On the size."""
    return [one for one in json.loads(drover.page("/api/decisions").text)["decisions"] if one["kind"] == "size"]


def sizes(drover):
    pool = drover.pool()
    return pool["wanted"], pool["ready"]


def slow_at_once(drover, count, ms):
    """So many requests that take `ms` each, sent at once on connections of their own."""
    wires = []
    for _ in range(count):
        wire = drover.wire(timeout=30)
        wire.send_request("GET", f"/slow?ms={ms}")
        wires.append(wire)
    return wires


def answers(wires):
    return [wire.read_response().status for wire in wires]


@scenario(limit=90)
def fifty_slow_requests_at_once_bring_the_pool_to_its_size_within_boot_plus_a_second(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers={"min": 1, "max": 4}, concurrency=2, wait="up",
                       queue={"timeout": "30s"}, scale={"idle": "3s"})
    drover.wait_workers("web", 1)
    boot = boot_time(drover)
    begun = time.monotonic()
    wires = slow_at_once(drover, 50, 500)
    until(lambda: sizes(drover) == (4, 4), lambda: (sizes(drover), drover.said()), 20)
    took = time.monotonic() - begun
    assert took <= 3 * boot + 1.5, f"{took} s, where a worker boots in {boot} s (three boot at once)"
    assert answers(wires) == [200] * 50
    made = decisions(drover)
    assert made and made[0]["before"] == 1 and made[-1]["wanted"] == 4, made
    assert made[0]["waiting"] > 0 and made[0]["reason"] in ("load", "burst", "waiting"), made
    until(lambda: sizes(drover) == (1, 1), lambda: (sizes(drover), drover.said()), 30)
    assert decisions(drover)[-1]["reason"] in ("idle", "drained")
    assert "web: 1 -> " in drover.told("why", "web")
    assert "-> 1 workers" in drover.told("why")


def boot_time(drover):
    found = drover.wait_said(r"web\.1: ready after (\d+) ms")
    return int(found.group(1)) / 1000


@scenario(limit=60)
def a_pool_goes_to_zero_and_the_next_request_waits_for_a_worker(stage):
    drover = stage.web(plain(), workers={"min": 0, "max": 2}, scale={"idle": "1s", "burst_window": "1s"}, wait="up")
    until(lambda: drover.pool()["status"] == "idle", drover.health)
    assert drover.page("/health/worker").status == 200
    for _ in range(2):
        assert drover.get("/").status == 200
        assert drover.pool()["status"] == "healthy"
        until(lambda: sizes(drover) == (0, 0) and not drover.workers(), lambda: (sizes(drover), drover.said()), 30)
        assert drover.pool()["status"] == "idle" and drover.health()["status"] == "healthy"
    reasons = [one["reason"] for one in decisions(drover)]
    assert reasons[0] == reasons[2] == "wake" and {reasons[1], reasons[3]} <= {"idle", "drained"}, reasons


@scenario(limit=60)
def a_steady_load_is_carried_while_the_pool_grows_and_shrinks(stage):
    drover = stage.web(plain(), workers={"min": 1, "max": 4}, concurrency=1, queue={"timeout": "20s"},
                       scale={"idle": "2s"}, wait="up")
    drover.wait_workers("web", 1)
    with drover.load() as load:
        load.wait_for(300)
        until(lambda: drover.pool()["wanted"] > 1, lambda: (sizes(drover), drover.said()), 20)
        load.wait_for(300)
    load.assert_nothing_failed()
    until(lambda: sizes(drover) == (1, 1), lambda: (sizes(drover), drover.said()), 40)


@scenario(limit=60)
def dry_run_decides_and_records_but_keeps_max_workers(stage):
    drover = stage.web(plain(), workers={"min": 1, "max": 3}, concurrency=1, scale={"dry_run": True, "idle": "1s"})
    drover.wait_workers("web", 3)
    wires = slow_at_once(drover, 12, 500)
    until(lambda: [one["wanted"] for one in decisions(drover)][-1:] == [3], lambda: decisions(drover), 30)
    assert answers(wires) == [200] * 12
    until(lambda: [one["wanted"] for one in decisions(drover)][-1:] == [1], lambda: decisions(drover), 30)
    assert all(one["dry_run"] is True for one in decisions(drover))
    assert sizes(drover) == (3, 3)
    assert "not done (dry run)" in drover.told("why", "web")


@scenario(limit=60)
def scale_takes_a_number_a_range_and_the_file(stage):
    drover = stage.web(plain(), workers={"min": 1, "max": 4}, scale={"idle": "1s"}, wait="up")
    drover.wait_workers("web", 1)
    drover.told("scale", "web", "3")
    drover.wait_workers("web", 3)
    drover.told("reload")
    time.sleep(2.5)  # longer than idle: a number by hand stays
    assert sizes(drover) == (3, 3)
    drover.told("scale", "web", "2-5")
    until(lambda: sizes(drover) == (2, 2), lambda: (sizes(drover), drover.said()), 20)
    drover.told("scale", "web", "file")
    until(lambda: sizes(drover) == (1, 1), lambda: (sizes(drover), drover.said()), 20)
    assert "by hand" in drover.told("why", "web")
    for wrong in ("5-2", "0", "0-0", "-", "2-", "x-3", "1-100000"):
        drover.told("scale", "web", wrong, status=1)


@scenario(limit=60, may_crash=True)
def an_engine_that_comes_after_a_crash_goes_on_with_what_is_there(stage):
    drover = stage.web(plain(), workers={"min": 1, "max": 4}, concurrency=1, scale={"idle": "8s"}, wait="up")
    drover.wait_workers("web", 1)
    wires = slow_at_once(drover, 12, 500)
    until(lambda: sizes(drover) == (4, 4), lambda: (sizes(drover), drover.said()), 20)
    assert answers(wires) == [200] * 12
    pids, engine = drover.pids(), drover.engine()
    os.kill(engine, signal.SIGKILL)
    until(lambda: drover.engine() not in (None, engine), "another engine")
    drover.wait_up()
    assert sizes(drover) == (4, 4) and drover.pids() == pids, "they are let go only after idle"
    until(lambda: sizes(drover) == (1, 1), lambda: (sizes(drover), drover.said()), 30)


@scenario(limit=60, may_crash=True)
def a_range_by_hand_outlives_an_engine_and_ends_with_another_in_the_file(stage):
    drover = stage.web(plain(), workers={"min": 1, "max": 4}, scale={"idle": "1s"}, wait="up")
    drover.wait_workers("web", 1)
    drover.told("scale", "web", "2-5")
    drover.wait_workers("web", 2)
    engine = drover.engine()
    os.kill(engine, signal.SIGKILL)
    until(lambda: drover.engine() not in (None, engine), "another engine")
    drover.wait_up()
    time.sleep(2.5)  # longer than idle
    assert sizes(drover) == (2, 2), (sizes(drover), drover.said())
    drover.config["pools"]["web"]["workers"] = {"min": 1, "max": 3}
    drover.write(drover.config)
    drover.told("reload")
    until(lambda: sizes(drover) == (1, 1), lambda: (sizes(drover), drover.said()), 20)


@scenario(limit=60, may_crash=True)
def workers_that_cannot_start_are_not_started_more_often_because_requests_wait(stage):
    drover = stage.web(["/bin/false", "$PORT"], workers={"min": 1, "max": 8}, wait=None, queue={"timeout": "5s"},
                       start={"backoff": "1s", "backoff_max": "5s"})
    drover.wait_page("/health/live")
    wires = slow_at_once(drover, 30, 1)
    time.sleep(2)
    assert drover.pool()["wanted"] == 1, drover.pool()
    assert set(answers(wires)) == {503}
