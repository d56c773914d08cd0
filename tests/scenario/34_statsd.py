# SPDX-License-Identifier: MIT
"""The demand as gunicorn reports it by StatsD, for traffic that does not pass through drover."""
import json
import os
import signal
import socket

from kit import APPS, PYTHON, Load, free_port, get, plain, scenario, until


def statsd_pool(stage, pools, **top):
    port = free_port()
    drover = stage.drover(stage.config(pools, statsd=f"127.0.0.1:{port}", **top), wait="up")
    sender = stage.keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sender.connect(("127.0.0.1", port))
    return drover, sender


def report(sender, count, ms, prefix=""):
    """So many requests that took so long, as gunicorn says it."""
    for _ in range(count):
        sender.send(f"{prefix}gunicorn.request.duration:{ms}|ms".encode())
        sender.send(f"{prefix}gunicorn.requests:1|c|@1.0\n{prefix}gunicorn.request.status.200:1|c|@1.0".encode())


def status(drover):
    return json.loads(drover.page("/api/status").text)


def wanted(drover, pool="web"):
    return drover.pool(pool)["wanted"]


def keep_reporting(drover, sender, done, count=10, ms=1000, every=0.05, prefix="", within=20):
    def step():
        report(sender, count, ms, prefix)
        return done()
    until(step, lambda: (drover.health(), drover.said()[-2000:]), within, every)


SIZED = {"command": plain(), "workers": {"min": 1, "max": 4}, "measure": "statsd", "scale": {"idle": "1s", "burst_window": "1s"}}


@scenario(limit=60)
def what_is_reported_makes_the_pool_larger_and_silence_makes_it_smaller(stage):
    drover, sender = statsd_pool(stage, {"web": SIZED})
    drover.wait_workers("web", 1)
    keep_reporting(drover, sender, lambda: wanted(drover) == 4)
    decision = json.loads(drover.page("/api/decisions").text)["decisions"][0]
    assert decision["rate"] > 0 and 0.9 < decision["service"] < 1.1, decision
    until(lambda: wanted(drover) == 1, drover.health, 30)
    counts = status(drover)["statsd"]
    assert counts["lines"] > counts["packets"] > 0 and counts["unreadable"] == counts["nobodys"] == 0, counts


@scenario(limit=60)
def a_prefix_is_the_name_of_its_pool_and_what_is_meant_for_nobody_is_counted_and_told(stage):
    other = dict(SIZED, command=plain())
    drover, sender = statsd_pool(stage, {"web": SIZED, "api": other}, routes=[{"path": "/", "pool": "web"}])
    keep_reporting(drover, sender, lambda: wanted(drover, "api") == 4, prefix="api.")
    assert wanted(drover, "web") == 1
    report(sender, 1, 10)  # two pools could be meant
    report(sender, 1, 10, "wbe.")
    for rubbish in (b"gunicorn.requests:-1|c", b"\x00\xff", b"gunicorn.requests:1", b"", b"a" * 60000):
        sender.send(rubbish)
    until(lambda: status(drover)["statsd"]["unreadable"] == 4, lambda: status(drover)["statsd"])
    assert status(drover)["statsd"]["nobodys"] == 4
    assert drover.said().count("no pool with 'measure: statsd'") == 1
    assert drover.get("/").status == 200


@scenario(limit=60)
def gunicorn_reports_and_the_pool_follows_though_nothing_passes_through_drover(stage):
    port, public = free_port(), free_port()
    gunicorn = [PYTHON, "/usr/bin/gunicorn", "--chdir", APPS, "--log-level", "warning", "--bind", "127.0.0.1:$PORT", "--bind", f"127.0.0.1:{public}",
                "--reuse-port", "--statsd-host", f"127.0.0.1:{port}", "--statsd-prefix", "web", "wsgi_app:app"]
    pool = {"command": gunicorn, "workers": {"min": 1, "max": 3}, "measure": "statsd", "target": {"concurrency": 1, "p95": "300ms"},
            "scale": {"idle": "2s", "burst_window": "1s"}, "probe": {"path": "/"}}
    drover = stage.drover(stage.config({"web": pool}, statsd=f"127.0.0.1:{port}"), wait="up")
    drover.wait_workers("web", 1)
    assert get(public, "/").status == 200
    with Load(public, clients=4, path="/slow?ms=100", keep_alive=False):
        until(lambda: wanted(drover) == 3, lambda: (drover.health(), drover.said()[-2000:]), 20)
    until(lambda: wanted(drover) == 1, lambda: (drover.health(), drover.said()[-2000:]), 40)


@scenario(limit=60, may_crash=True)
def reports_wait_while_the_engine_is_replaced_and_a_reload_cannot_move_the_place(stage):
    drover, sender = statsd_pool(stage, {"web": SIZED})
    drover.wait_workers("web", 1)
    engine = drover.engine()
    os.kill(engine, signal.SIGKILL)
    until(lambda: alive(drover) not in (None, engine), "no other engine")
    keep_reporting(drover, sender, lambda: wanted(drover) == 4)
    drover.write(dict(drover.config, statsd="off", pools={"web": {"command": plain(), "workers": 1}}))
    assert "statsd: expected" in drover.told("reload", status=1)


def alive(drover):
    try:
        return drover.engine()
    except OSError:
        return None
