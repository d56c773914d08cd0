# SPDX-License-Identifier: MIT
"""A crowd of slow clients: the others do not feel it, and it costs little memory."""
import os
import re
import resource
import statistics
import subprocess
import time

from certificates import Authority
from kit import APPS, PATIENCE, PYTHON, VARIANT, Wire, descriptors, die_with_parent, free_port, plain, scenario, until

KINDS = ("head", "body", "read")
LONG = {name: "10m" for name in ("header", "body", "send", "stall", "response", "keep_alive")}


def crowd_size(wanted):
    """Of each kind: drover needs a descriptor for each, and for those that have reached a worker a second one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(wanted if VARIANT == "release" else wanted // 10, (hard - 4000) // 5)


class Crowd:
    """apps/slow.py while it is there."""

    def __init__(self, port, count, kinds=KINDS, *more):
        self.count = count * len(kinds)
        self.process = subprocess.Popen([PYTHON, os.path.join(APPS, "slow.py"), str(port), str(count), *kinds, *more], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)

    def __enter__(self):
        assert self.process.stdout.readline() == f"ready {self.count}\n"
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.last = self.process.stdout.readline()
        self.process.wait(30 * PATIENCE)


def latency_ms(port, seconds):
    """-> the 99th percentile of another client's requests"""
    took = []
    end = time.monotonic() + seconds
    with Wire(port) as wire:
        while time.monotonic() < end:
            start = time.monotonic()
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            assert wire.read_response().status == 200
            took.append((time.monotonic() - start) * 1000)
            time.sleep(0.002)
    return statistics.quantiles(took, n=100)[98]


def memory_kb(pid):
    """Of the engine, its own; under a sanitizer, whose shadow would be counted, 0."""
    if VARIANT != "release":
        return 0
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return int(re.search(r"Pss:\s+(\d+)", file.read())[1])


def settled_kb(pid):
    """Once all have come in and what was to be moved has been: they arrive in a second, which is another matter than that they are there."""
    seen = [(descriptors(pid), memory_kb(pid))]

    def is_settled():
        time.sleep(0.4)
        seen.append((descriptors(pid), memory_kb(pid)))
        return seen[-1][0] == seen[-2][0] and abs(seen[-1][1] - seen[-2][1]) <= max(256, seen[-1][1] // 200)
    until(is_settled, lambda: f"it goes on changing: {seen}", 20)
    return seen[-1][1]


def in_front(stage, listen, **pool):
    drover = stage.web(plain(), workers=2, top={"listen": listen, "timeouts": LONG, "limits": {"connections": 60000}}, **pool)
    latency_ms(drover.port, 0.3)
    return drover


@scenario(limit=60)
def a_crowd_of_slow_clients_costs_little_and_slows_nobody(stage):
    drover = in_front(stage, [f"127.0.0.1:{free_port()}"])
    count, engine, before = crowd_size(4000), drover.engine(), memory_kb(drover.engine())
    quiet, crowded, costs = [], [], []
    for _ in range(2):
        quiet.append(latency_ms(drover.port, 1.2))
        with Crowd(drover.port, count) as crowd:
            costs.append((settled_kb(engine) - before) / crowd.count)
            crowded.append(latency_ms(drover.port, 1.2))
        assert crowd.last == "closed 0\n", crowd.last
    print(f"{crowd.count} slow clients: p99 {quiet} ms without, {crowded} ms with them; {costs} KB each")
    assert max(costs) < 16, costs
    # Twice, and what a scheduler with other things to do adds to some of the rounds.
    assert min(crowded) < 2 * statistics.median(quiet) + 2 * PATIENCE, (quiet, crowded)


@scenario(limit=60)
def no_kind_of_them_costs_more_than_its_share(stage):
    drover = in_front(stage, [f"127.0.0.1:{free_port()}"])
    engine, before = drover.engine(), memory_kb(drover.engine())
    for kind, more in (("head", ()), ("body", ("--part", "60000")), ("read", ())):
        with Crowd(drover.port, crowd_size(4000), (kind,), *more) as crowd:
            cost = (settled_kb(engine) - before) / crowd.count
        assert crowd.last == "closed 0\n" and cost < 16, (kind, cost, crowd.last)


@scenario(limit=60)
def where_requests_and_responses_are_buffered_neither_does_it(stage):
    drover = in_front(stage, [f"127.0.0.1:{free_port()}"], concurrency=1000)
    count, engine, before = crowd_size(1500), drover.engine(), memory_kb(drover.engine())
    with Crowd(drover.port, count, KINDS, "--part", "60000", "--target", "/bytes?n=600000") as crowd:
        cost = (settled_kb(engine) - before) / crowd.count
        latency_ms(drover.port, 0.3)
        until(lambda: all(worker["active_connections"] == 0 for worker in drover.workers()), "a slow client holds a worker")
    assert crowd.last == "closed 0\n" and cost < 16, (cost, crowd.last)


@scenario(limit=90)
def inside_tls_the_record_layer_comes_on_top(stage):
    authority = Authority(stage)
    port = free_port()
    drover = in_front(stage, [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{port}", "tls": authority.issue("a.test")}])
    count, engine, before = crowd_size(1000), drover.engine(), memory_kb(drover.engine())
    with Crowd(port, count, KINDS, "--tls", authority.file) as crowd:
        cost = (settled_kb(engine) - before) / crowd.count
        latency_ms(drover.port, 0.3)
    assert crowd.last == "closed 0\n" and cost < 32, (cost, crowd.last)


@scenario(limit=40)
def what_a_crowd_needed_goes_back_to_the_system(stage):
    drover = in_front(stage, [f"127.0.0.1:{free_port()}"])
    engine, before = drover.engine(), memory_kb(drover.engine())
    count = crowd_size(4000)
    with Crowd(drover.port, count, ("read",)):
        held = settled_kb(engine) - before
    until(lambda: VARIANT != "release" or memory_kb(engine) - before < held * 0.6, lambda: f"{memory_kb(engine) - before} of {held} KB", 25)
