# SPDX-License-Identifier: MIT
"""Pools that take no requests: supervised like the others, one at a time where there is one, started and stopped in order."""
import json
import os
import re
import signal

from kit import app, get, is_running, plain, scenario, until


class Diary:
    """What the workers of apps/background.py (and, for the order, of plain.py's processes) wrote."""

    def __init__(self, stage, name="diary"):
        self.path = stage.path(name)
        open(self.path, "w").close()

    def lines(self):
        with open(self.path) as file:
            return [line.split() for line in file]

    def words(self, worker=None):
        return [line[1] for line in self.lines() if worker in (None, line[2])]

    def when(self, word, worker):
        return [float(line[0]) for line in self.lines() if line[1] == word and line[2] == worker]


def background(diary, *arguments, **pool):
    return {"kind": "background", "command": app("background.py", "--file", diary.path, *arguments), "start": {"settle": "300ms"}, **pool}


def single(stage, diary, *arguments, **pool):
    return background(diary, "--lock", stage.path("lock"), *arguments, **pool)


def never_twice(diary):
    assert "twice" not in diary.words(), diary.lines()


@scenario()
def a_background_pool_is_shown_watched_and_started_again(stage):
    diary = Diary(stage)
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 1}, "jobs": background(diary, workers=2, environment={"A": "b"})}),
                          environment={"WEB_CONCURRENCY": "3", "PORT": None})
    assert len(drover.workers("web")) == 3, "it is for the pool that answers"
    pool = drover.pool("jobs")
    assert pool["status"] == "healthy" and pool["kind"] == "background" and pool["wanted"] == pool["ready"] == 2 and "queued" not in pool, pool
    assert all(worker["address"] is None and worker["status"] == "healthy" for worker in pool["workers"]), pool
    assert [line[4:] for line in diary.lines()] == [[], []], "no address, no number of somebody else's: " + str(diary.lines())
    assert get(drover.port, "/").field("X-Worker").startswith("web.")
    page = drover.page("/health/worker/jobs.1")
    assert page.status == 200 and page.json()["pool"] == "jobs"
    text = drover.told("status")
    assert re.search(r"jobs +healthy +2 +2 +-", text) and re.search(r"jobs\.1 +healthy +\d+ +- ", text), text
    victim = drover.pids("jobs")[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: diary.words().count("start") == 3, diary.lines)
    drover.wait_workers("jobs", 2)
    assert victim not in drover.pids("jobs")


@scenario()
def one_that_fails_waits_longer_and_longer_with_its_last_words(stage):
    diary = Diary(stage)
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 1},
                                        "jobs": background(diary, "--crash", start={"backoff": "50ms", "backoff_max": "400ms", "settle": "200ms"})}),
                          wait="up")
    until(lambda: diary.words().count("start") >= 4, diary.lines)
    drover.wait_said(r"jobs\.1: crash 4 in a row, started again in \d+ ms")
    drover.wait_said(r"jobs\.1: its last lines: no broker here")
    drover.wait_ready()
    assert drover.page("/health/worker").status == 503 and drover.pool("jobs")["status"] == "down"
    assert drover.page("/health/ready").status == 200, "requests are answered all the same"
    page = drover.page("/health/worker/jobs.1").json()
    assert page["last_exit"] == "exited with status 7" and "no broker here" in page["output"], page
    assert "no broker here" in drover.told("status", status=1)
    assert "jobs.1: ready" not in drover.said()


@scenario()
def a_single_one_never_runs_twice(stage):
    diary = Diary(stage)
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 1}, "clock": single(stage, diary, "--finish", "300")}))
    assert "one by one, the old one first" in drover.told("restart", "clock")
    assert drover.pool("clock")["status"] == "healthy"
    never_twice(diary)
    assert diary.words() == ["start", "term", "end", "start"], diary.lines()
    assert "when it has ended" in drover.told("drain", "clock.1")
    until(lambda: diary.words().count("start") == 3, diary.lines)
    drover.wait_workers("clock", 1)
    config = json.loads(json.dumps(drover.config))
    config["pools"]["clock"]["environment"] = {"ANOTHER": "1"}
    drover.write(config)
    drover.told("reload")
    until(lambda: diary.words().count("start") == 4, diary.lines)
    drover.wait_workers("clock", 1)
    os.kill(drover.pids("clock")[0], signal.SIGKILL)
    until(lambda: diary.words().count("start") == 5, diary.lines)
    drover.wait_workers("clock", 1)
    never_twice(diary)
    assert len(drover.workers("web")) == 1 and "web.1: process" not in drover.said(), "nobody else was touched"


@scenario()
def a_single_one_that_finishes_its_work_is_not_down(stage):
    diary = Diary(stage)
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 1}, "clock": single(stage, diary, "--finish", "1500")}))
    drover.told("drain", "clock.1")
    until(lambda: "term" in diary.words(), diary.lines)
    assert drover.pool("clock")["status"] == "degraded" and drover.page("/health/worker").status == 200
    until(lambda: diary.words() == ["start", "term", "end", "start"], diary.lines)
    drover.wait_workers("clock", 1)
    never_twice(diary)


@scenario(may_crash=True)
def an_engine_that_falls_leaves_it_running_once(stage):
    diary = Diary(stage)
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 1}, "clock": single(stage, diary, after=["web"])}))
    engine, pids = drover.engine(), drover.pids("clock")
    os.kill(engine, signal.SIGKILL)
    until(lambda: drover.page("/health/live", timeout=2).status == 200 and drover.engine() != engine, "another engine")
    drover.wait_workers("clock", 1)
    assert drover.pids("clock") == pids and diary.words() == ["start"], diary.lines()
    drover.told("restart", "clock")
    never_twice(diary)
    assert diary.words() == ["start", "term", "end", "start"], diary.lines()


@scenario()
def several_are_replaced_one_by_one_new_ones_first_and_scaled_by_a_count(stage):
    diary = Diary(stage)
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 1}, "jobs": background(diary, workers=2)}))
    before = drover.pids("jobs")
    drover.told("restart", "jobs")
    drover.wait_workers("jobs", 2)
    assert not set(before) & set(drover.pids("jobs"))
    words = diary.words()
    assert words[:3] == ["start", "start", "start"] and words.count("term") == 2, words
    drover.told("scale", "jobs", "3")
    drover.wait_workers("jobs", 3)
    assert "no requests come" in drover.told("scale", "jobs", "1-4", status=1)
    drover.told("scale", "jobs", "file")
    drover.wait_workers("jobs", 2)


@scenario()
def pools_start_when_those_they_come_after_are_up_and_stop_before_them(stage):
    diary = Diary(stage)
    drover = stage.drover(stage.config({"jobs": background(diary, "--finish", "400", after=["web"]),
                                        "web": {"command": plain("--start-delay", "700"), "workers": 2, "after": ["cache"]},
                                        "cache": background(diary)}), wait="up")
    drover.wait_said(r"web: those that it comes after are up")
    pool = drover.pool("jobs")
    assert pool["waits_for"] == ["web"] and pool["workers"] == [] and pool["status"] == "down", pool
    assert "down, waits for web" in drover.told("status", status=1)
    drover.wait_workers()
    assert "waits_for" not in drover.pool("jobs")
    said = drover.said()
    order = [said.index(f"{worker}: {what}") for worker, what in (("cache.1", "ready"), ("web.1", "started"), ("web.1", "ready"), ("jobs.1", "started"))]
    assert order == sorted(order), said
    before = len(said)
    assert drover.stop() == 0
    said = drover.said()[before:]
    order = [said.index(f"{worker}: process") for worker in ("jobs.1", "web.1", "cache.1")]
    assert order == sorted(order) and said.index("web.2: process") < order[2], said
    assert diary.when("end", "jobs.1")[0] <= diary.when("term", "cache.1")[0] and "killing" not in said


@scenario()
def background_workers_are_told_to_stop_while_requests_are_still_finished(stage):
    diary = Diary(stage)
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 1}, "jobs": background(diary, "--finish", "300")}))
    wire = drover.wire()
    wire.send_request("GET", "/slow?ms=1500")
    until(lambda: drover.workers()[0]["active_connections"] == 1, drover.workers)
    drover.signal(signal.SIGTERM)
    until(lambda: "end" in diary.words(), diary.lines)
    assert wire.read_response().status == 200, "the answer came after the end of the job"
    assert drover.wait_exit() == 0


@scenario()
def the_whole_stop_is_bounded_whoever_does_not_end(stage):
    diary = Diary(stage)
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 1}, "jobs": background(diary, "--stubborn", after=["web"])},
                                       timeouts={"shutdown": "3s"}))
    pids = drover.pids("jobs") + drover.pids("web")
    drover.signal(signal.SIGTERM)
    assert drover.wait_exit(within=6) == 0
    assert not any(is_running(pid) for pid in pids)
    assert re.search(r"jobs\.1: process \d+ has not ended in time: killing", drover.said())
    assert "web.1: process" in drover.said() and not re.search(r"web\.1: process \d+ has not ended", drover.said())


@scenario()
def a_file_of_background_pools_alone_makes_drover_a_supervisor(stage):
    diary = Diary(stage)
    config = stage.config({"clock": single(stage, diary), "jobs": background(diary, workers=2, after=["clock"])}, listen=None)
    drover = stage.drover("".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items()), wait=None)
    drover.admin = int(config["admin"].rpartition(":")[2])
    drover.wait_up()
    drover.wait_workers()
    assert "listening on" not in drover.said()
    assert drover.page("/health/ready").status == 200 and drover.page("/health/worker").status == 200
    assert "drover_worker_up" in drover.page("/metrics").text and "drover_pool_queued{" not in drover.page("/metrics").text
    assert drover.told("check").count(": background, ") == 2
    drover.told("restart", "clock")
    never_twice(diary)
    assert drover.stop() == 0


@scenario()
def a_listener_may_show_health_where_all_pools_are_background(stage):
    config = stage.config({"clock": single(stage, Diary(stage))})
    config["listen"] = [{"address": config["listen"][0], "expose": ["/health/ready"]}]
    drover = stage.drover(config)
    until(lambda: drover.get("/health/ready").status == 200, "it is shown")
    assert drover.get("/elsewhere").status == 404


@scenario()
def a_reload_adds_takes_away_and_changes_the_kind(stage):
    diary = Diary(stage)
    drover = stage.web(plain(), workers=1)
    web = drover.pids()
    config = json.loads(json.dumps(drover.config))
    config["pools"]["jobs"] = background(diary, after=["web"])
    drover.write(config)
    drover.told("reload")
    until(lambda: "start" in diary.words(), diary.lines)
    drover.wait_workers("jobs", 1)
    job = drover.pids("jobs")[0]
    config["pools"]["jobs"] = {"command": plain(), "workers": 1}
    config["routes"] = [{"path": "/jobs", "pool": "jobs"}, {"pool": "web"}]
    drover.write(config)
    drover.told("reload")
    until(lambda: drover.get("/jobs").field("X-Worker") in ("jobs.1", "jobs.2"), "it answers now")
    until(lambda: not is_running(job), "the old one has ended")
    del config["pools"]["jobs"], config["routes"]
    drover.write(config)
    drover.told("reload")
    until(lambda: "jobs" not in drover.health()["pools"], drover.health)
    assert drover.pids() == web, "nobody else was touched"
    config["pools"]["jobs"] = background(diary, after=["cake"])
    drover.write(config)
    assert "expected the name of another pool, got 'cake'" in drover.told("reload", status=1)
