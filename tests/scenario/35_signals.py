# SPDX-License-Identifier: MIT
"""A pool that is one gunicorn master: grown and shrunk by TTIN and TTOU, counted by its children."""
import json
import os
import re
import signal

from kit import APPS, PYTHON, Load, children, free_port, get, is_running, scenario, until

GUNICORN = [PYTHON, "/usr/bin/gunicorn", "--chdir", APPS, "--bind", "127.0.0.1:$PORT", "wsgi_app:app"]
SIGNALS = {"up": "TTIN", "down": "TTOU"}


def gunicorn(stage, *words, top=None, **pool):
    pool = {"command": GUNICORN + list(words), "workers": {"min": 1, "max": 4}, "concurrency": 1, "signals": SIGNALS,
            "scale": {"idle": "1s", "burst_window": "1s"}, "queue": {"timeout": "30s"}, **pool}
    drover = stage.drover(stage.config({"web": pool}, **(top or {})), wait="up")
    until(lambda: drover.workers("web", "healthy"), drover.said, 20)
    return drover


def serving(drover):
    """How many processes the master really has, by looking ourselves."""
    master = drover.workers()[0].get("worker_id")
    return len(children(master)) if master else 0


def sizes(drover):
    pool = drover.pool()
    return pool["wanted"], pool["ready"], serving(drover)


def becomes(drover, count, within=20):
    until(lambda: sizes(drover) == (count, count, count), lambda: (sizes(drover), drover.said()[-4000:]), within)


def slow_at_once(drover, count, ms):
    wires = []
    for _ in range(count):
        wire = drover.wire(timeout=30)
        wire.send_request("GET", f"/slow?ms={ms}")
        wires.append(wire)
    return wires


@scenario(limit=60)
def load_makes_more_children_and_idleness_fewer_and_no_request_fails(stage):
    drover = gunicorn(stage)
    becomes(drover, 1)
    wires = slow_at_once(drover, 16, 400)
    becomes(drover, 4)
    pids = {wire.read_response().text for wire in wires}
    assert len(pids) >= 4, pids
    with drover.load(clients=1, pause=0.05) as load:
        becomes(drover, 1)
        load.wait_for(20)
    assert not load.failures, load.failures
    worker = drover.workers()[0]
    assert worker["children"] == 1 and worker["name"] == "web.1", worker
    decisions = json.loads(drover.page("/api/decisions").text)["decisions"]
    assert decisions[0]["before"] == 1 and decisions[-1]["wanted"] == 1, decisions
    assert "healthy (1)" in drover.told("status")
    assert drover.stop() == 0


@scenario(limit=60)
def threads_of_gthread_are_places_too(stage):
    drover = gunicorn(stage, "--threads", "4", concurrency=4)
    wires = slow_at_once(drover, 24, 500)
    becomes(drover, 4)
    assert [wire.read_response().status for wire in wires] == [200] * 24


@scenario(limit=60)
def scaling_by_hand_and_what_hup_makes_the_master_forget(stage):
    drover = gunicorn(stage, stop={"timeout": "1s"})
    drover.told("scale", "web", "3")
    becomes(drover, 3)
    master = drover.workers()[0]["worker_id"]
    before = set(children(master))
    os.kill(master, signal.SIGHUP)  # it starts one, as it was told at first, and lets the three go
    until(lambda: not before & set(children(master)), drover.said)
    becomes(drover, 3)
    assert drover.workers()[0]["worker_id"] == master
    drover.told("scale", "web", "2")
    becomes(drover, 2)
    os.kill(master, signal.SIGTTIN)  # by another hand
    until(lambda: serving(drover) >= 3, drover.said)
    becomes(drover, 2)


@scenario(limit=60)
def a_master_that_dies_comes_back_with_as_many(stage):
    drover = gunicorn(stage, workers={"min": 1, "max": 4})
    drover.told("scale", "web", "3")
    becomes(drover, 3)
    master = drover.workers()[0]["worker_id"]
    below = children(master)
    os.kill(master, signal.SIGKILL)
    until(lambda: not any(is_running(pid) for pid in below), "its children outlived it")
    until(lambda: drover.workers("web", "healthy") and drover.workers()[0]["worker_id"] != master, drover.said, 20)
    becomes(drover, 3)
    asked = re.findall(r"is asked for (\d)", drover.said())
    assert asked == ["2", "3"], asked  # the second master began with three
    assert drover.get("/").status == 200


@scenario(limit=60)
def a_restart_brings_another_master_with_as_many_and_no_request_fails(stage):
    drover = gunicorn(stage)
    drover.told("scale", "web", "2")
    becomes(drover, 2)
    master = drover.workers()[0]["worker_id"]
    with drover.load(clients=2) as load:
        drover.told("restart", "web")
        until(lambda: len(drover.workers()) == 1, drover.said, 20)
    assert not load.failures, load.failures
    assert drover.workers()[0]["worker_id"] != master
    becomes(drover, 2)


@scenario(limit=60)
def a_signal_that_is_lost_is_given_again(stage):
    config = stage.write("deaf.py", "def when_ready(server):\n    usual, calls = server.handle_ttin, []\n"
                         "    def handle():\n        calls.append(1)\n        if len(calls) > 1:\n            usual()\n    server.handle_ttin = handle\n")
    drover = gunicorn(stage, "-c", config)
    drover.told("scale", "web", "2")
    drover.wait_said(r"has 1 workers where 2 were expected")
    becomes(drover, 2)


@scenario(limit=60, may_crash=True)
def the_next_engine_goes_on_with_what_is_there(stage):
    drover = gunicorn(stage, scale={"idle": "30s"})
    wires = slow_at_once(drover, 12, 300)
    becomes(drover, 4)
    for wire in wires:
        wire.read_response()
    master, engine = drover.workers()[0]["worker_id"], drover.engine()
    below = children(master)
    os.kill(engine, signal.SIGKILL)

    def is_there():
        try:
            return drover.engine() != engine and drover.workers("web", "healthy")
        except OSError:
            return False
    until(is_there, drover.said, 20)
    becomes(drover, 4)
    assert drover.workers()[0]["worker_id"] == master and children(master) == below


@scenario(limit=60)
def a_dry_run_decides_and_sends_nothing(stage):
    drover = gunicorn(stage, workers={"min": 1, "max": 2}, scale={"idle": "1s", "burst_window": "1s", "dry_run": "on"})
    becomes(drover, 2)
    for wire in slow_at_once(drover, 8, 300):
        wire.read_response()
    until(lambda: "not done (dry run)" in drover.said(), drover.said, 20)
    assert sizes(drover) == (2, 2, 2)
    assert "is asked for" not in drover.said()


@scenario(limit=60)
def a_shell_around_gunicorn_is_not_stopped_by_signals_that_it_does_not_know(stage):
    command = ["/bin/sh", "-c", " ".join(word.replace("$", "$$") for word in GUNICORN) + "; true"]
    drover = gunicorn(stage, command=command, environment={"PORT": "$PORT"})
    drover.told("scale", "web", "3")
    drover.wait_said(r"has no handler for SIGTTIN")
    assert drover.get("/").status == 200


@scenario(limit=60)
def what_gunicorn_reports_sizes_it_when_nothing_passes_through_drover(stage):
    port, public = free_port(), free_port()
    drover = gunicorn(stage, "--bind", f"127.0.0.1:{public}", "--statsd-host", f"127.0.0.1:{port}", top={"statsd": f"127.0.0.1:{port}"},
                      measure="statsd", target={"concurrency": 1}, concurrency=0)
    becomes(drover, 1)
    with Load(public, clients=6, path="/slow?ms=100", keep_alive=False) as load:
        becomes(drover, 4)
    assert not load.failures, load.failures
    becomes(drover, 1, 30)
    assert get(public, "/").status == 200
