# SPDX-License-Identifier: MIT
"""Memory: no worker is started that would not fit, and who is killed for memory is named and learned from."""
import json
import os
import signal

from cgroups import limited
from kit import plain, scenario, until

MB = 1 << 20


def score(pid):
    with open(f"/proc/{pid}/oom_score_adj") as file:
        return int(file.read())


def decisions(drover):
    """Those on memory."""
    return [one for one in json.loads(drover.page("/api/decisions").text)["decisions"] if one["kind"] == "memory"]


def note(drover, pool="web"):
    return json.loads(drover.page("/api/status").text)["pools"][pool].get("memory_note", "")


def boxed(stage, box, **pool):
    """drover in that cgroup."""
    pool = {"command": plain("--hold", "40"), "workers": 1, **pool}
    return stage.drover(stage.config({"web": pool}), prefix=box.prefix())


def eat(drover, mb):
    """(A GET would be sent to another worker too.)"""
    return drover.request("POST", f"/eat?mb={mb}").status


def leave_room(box, bytes):
    """A limit so far above what is in use now. (A twentieth of it is what drover keeps free.)"""
    box.limit(int((box.used() + bytes) / 0.95))


@scenario()
def the_kernel_ends_workers_before_drover(stage):
    drover = stage.web(workers=2)
    ours = [score(drover.pid), score(drover.engine())]
    assert ours == [score(os.getpid())] * 2, ours
    for pid in drover.pids():
        assert score(pid) == min(ours[0] + 500, 1000), (score(pid), ours)


@scenario()
def a_worker_that_is_ready_is_measured(stage):
    drover = stage.web(plain("--hold", "30"), workers=2)
    assert all(worker["memory"] > 30 * MB for worker in drover.workers()), drover.workers()


@scenario(limit=60)
def a_pool_in_a_cgroup_stays_inside(stage):
    with limited(stage) as box:
        drover = boxed(stage, box)
        drover.wait_workers("web", 1)
        each = drover.workers()[0]["memory"]
        leave_room(box, int(2.5 * each))
        drover.told("scale", "web", "8")
        drover.wait_workers("web", 3)
        until(lambda: "does not fit" in note(drover), lambda: (note(drover), drover.said()[-3000:]))
        assert "3 of 8 run: another one" in drover.told("why", "web")
        assert box.file_of_limit() in note(drover), note(drover)
        told = len(decisions(drover))
        with drover.load() as load:
            load.wait_for(200)
        load.assert_nothing_failed()
        assert len(drover.workers(status="healthy")) == 3 and box.kills() == 0
        assert len(decisions(drover)) == told, "said once, not every second"
        box.limit(box.used() + 12 * each)
        drover.wait_workers("web", 8)
        assert note(drover) == "" and box.kills() == 0


@scenario(limit=60)
def a_worker_killed_for_memory_is_named_and_one_fewer_runs(stage):
    with limited(stage) as box:
        drover = boxed(stage, box, workers=3)
        drover.wait_workers("web", 3)
        leave_room(box, 60 * MB)
        engine, pids = drover.engine(), set(drover.pids())
        assert eat(drover, 400) == 502
        drover.wait_said(r"web\.\d: process \d+ killed for memory by the kernel \(SIGKILL\) at \d+")
        until(lambda: drover.pool()["wanted"] == 2, drover.pool)
        assert drover.engine() == engine and len(pids & set(drover.pids())) == 2, "the others and drover go on"
        made = decisions(drover)[-1]
        assert made["reason"] == "killed" and made["worker"].startswith("web.") and "at most 2 workers instead of 3" in made["text"], made
        assert "killed for memory" in drover.told("why", "web") and "at most 2" in note(drover)
        assert "killed for memory" in drover.told("status")
        assert drover.get("/").status == 200
        box.limit(1 << 40)
        drover.told("scale", "web", "3")  # by hand: what was learned is lifted
        drover.wait_workers("web", 3)
        assert note(drover) == ""


@scenario()
def the_only_worker_killed_for_memory_comes_back_and_its_end_is_shown(stage):
    with limited(stage) as box:
        drover = boxed(stage, box, start={"backoff": "3s", "backoff_max": "3s"})
        drover.wait_workers("web", 1)
        leave_room(box, 60 * MB)
        assert eat(drover, 400) == 502
        until(lambda: drover.workers() and drover.workers()[0]["status"] == "backoff", drover.workers)
        assert "killed for memory at" in drover.told("status", status=1)
        drover.wait_workers("web", 1)
        assert drover.pool()["wanted"] == 1


@scenario()
def a_kill_from_outside_is_named_as_that(stage):
    drover = stage.web(workers=2)
    os.kill(drover.pids()[0], signal.SIGKILL)
    drover.wait_said(r"killed by SIGKILL from outside, not for memory")
    drover.wait_workers("web", 2)
    assert drover.pool()["wanted"] == 2 and not decisions(drover)


@scenario()
def memory_pool_bounds_one_pool(stage):
    drover = stage.drover(stage.config({"web": {"command": plain("--hold", "40"), "workers": 4, "memory": {"pool": "140m"}},
                                        "jobs": {"command": plain(), "workers": 2}},
                                       routes=[{"path": "/jobs", "pool": "jobs"}, {"path": "/", "pool": "web"}]), wait="up")
    drover.wait_workers("jobs", 2)
    until(lambda: len(drover.workers(status="healthy")) == 2 and "memory.pool 140m" in note(drover), lambda: (note(drover), drover.said()[-3000:]))
    assert drover.pool()["status"] == "degraded"


@scenario()
def check_prints_why_the_sizes_are_what_they_are(stage):
    with limited(stage) as box:
        box.limit(512 * MB)
        stage.write("drover.yaml", "pools: {web: {command: 'sh $SOCKET', workers: {min: 1, max: auto}, concurrency: 5},"
                                   " more: {command: 'sh $SOCKET', workers: 40}}")
        checked = stage.run("check", prefix=box.prefix())
        assert checked.returncode == 0, checked.stderr
        assert f"memory: 512m by {box.file_of_limit()}" in checked.stdout, checked.stdout
        assert "CPUs: " in checked.stdout and "max auto: 2 x " in checked.stdout
        assert "memory allows: 512m - 64m for the rest: 2 of 150m each" in checked.stdout, checked.stdout
        assert "x 5 (concurrency) = " in checked.stdout and "30m a request" in checked.stdout, checked.stdout
        assert "40 workers may not fit: at 150m each, memory (512m by " in checked.stderr, checked.stderr
