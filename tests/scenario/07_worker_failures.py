# SPDX-License-Identifier: MIT
"""Workers die, hang, lie and never start; clients should hardly notice."""
import collections
import os
import re
import signal
import threading
import time

from kit import PATIENCE, PYTHON, Cut, Wire, family, is_running, plain, scenario, until, uvicorn


def one(drover, name):
    return next(worker for worker in drover.workers() if worker["name"] == name)


@scenario(limit=60)
def a_worker_killed_under_load_costs_not_one_get(stage):
    drover = stage.web(uvicorn("--port", "$PORT"), workers=4, start={"backoff": "100ms"})
    with drover.load() as load:
        load.wait_for(200)
        for name in ("web.1", "web.3"):
            pid = one(drover, name)["worker_id"]
            os.kill(pid, signal.SIGKILL)
            until(lambda: one(drover, name)["worker_id"] not in (pid, None) and one(drover, name)["status"] == "healthy",
                  lambda: f"{name} is replaced: {drover.workers()}", 20)
            load.wait_for(200)
    load.assert_nothing_failed()
    assert re.search(r"SIGKILL|signal 9|killed", drover.said(), re.I), "the log says how it ended"


@scenario(limit=60)
def a_worker_killed_while_it_works_on_gets_costs_not_one(stage):
    drover = stage.web(plain(), workers=3, start={"backoff": "100ms"})
    with drover.load(path="/slow?ms=30", clients=12) as load:
        for _ in range(4):
            load.wait_for(60)
            os.kill(max(drover.workers(status="healthy"), key=lambda worker: worker["active_connections"])["worker_id"], signal.SIGKILL)
            time.sleep(0.3)
        load.wait_for(60)
    load.assert_nothing_failed()


@scenario(limit=60)
def a_worker_killed_with_more_in_flight_than_the_retry_budget_costs_not_one_get(stage):
    drover = stage.web(plain(), workers=2)
    answers = collections.Counter()

    def ask():
        answers[drover.get("/slow?ms=1500", timeout=20).status] += 1
    threads = [threading.Thread(target=ask) for _ in range(160)]
    for thread in threads:
        thread.start()
    until(lambda: sum(worker["active_connections"] for worker in drover.workers()) == 160, lambda: drover.workers())
    os.kill(drover.pids()[0], signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert answers == {200: 160}, answers


@scenario()
def a_post_that_may_have_been_done_is_never_done_twice(stage):
    note = stage.path("note")
    drover = stage.web(plain("--note", note), workers=3, start={"backoff": "100ms"})
    response = drover.request("POST", "/exit", body=b"pay")
    assert response.status == 502, response
    posts = [line for line in open(note) if line.startswith("POST")]
    assert len(posts) == 1, posts


@scenario()
def a_request_that_kills_its_worker_is_tried_once_more_only(stage):
    note = stage.path("note")
    drover = stage.web(plain("--note", note), workers=4, start={"backoff": "100ms"}, retries=5)
    response = drover.get("/exit")
    assert response.status == 502, response
    assert len([line for line in open(note) if "/exit" in line]) == 2
    drover.wait_workers()
    assert drover.get().status == 200


@scenario()
def a_response_that_breaks_off_is_seen_cut_and_never_completed(stage):
    drover = stage.web(plain(), workers=2, start={"backoff": "100ms"})
    with Wire(drover.port) as wire:
        wire.send_request("GET", "/half")
        try:
            response = wire.read_response()
        except Cut as cut:
            assert cut.response.status == 200 and len(cut.response.body) <= 500
        else:
            raise AssertionError(f"a broken response was completed: {response}")
    drover.wait_workers()


@scenario(limit=40)
def a_worker_that_hangs_loses_its_share_and_comes_back(stage):
    drover = stage.web(plain(), workers=3, max_fails=2, fail_timeout="2s", top={"timeouts": {"response": "500ms", "connect": "500ms"}})
    victim = one(drover, "web.2")["worker_id"]
    os.kill(victim, signal.SIGSTOP)
    try:
        with drover.load(clients=6, good=(200, 504)) as load:
            until(lambda: one(drover, "web.2")["status"] != "healthy", lambda: drover.workers(), 15)
            load.wait_for(300)
        load.assert_nothing_failed()
        assert set(load.workers) >= {"web.1", "web.3"}
    finally:
        if is_running(victim):
            os.kill(victim, signal.SIGCONT)
    with drover.load() as load:
        until(lambda: one(drover, "web.2")["status"] == "healthy", lambda: drover.workers(), 20)
        load.wait_for(200)
    load.assert_nothing_failed()


@scenario()
def one_slow_page_is_not_a_sick_worker(stage):
    drover = stage.web(plain(), workers=1, max_fails=1, top={"timeouts": {"response": "600ms"}})
    pid = drover.pids()
    with drover.load(clients=2) as load:
        load.wait_for(20)
        assert drover.get("/slow?ms=1500").status == 504
        load.wait_for(100)
    load.assert_nothing_failed()
    assert drover.pids() == pid and drover.workers()[0]["status"] == "healthy"


@scenario(limit=40)
def a_worker_that_answers_rubbish_is_ejected_and_replaced(stage):
    rubbish = stage.path("rubbish")
    command = plain()
    drover = stage.drover(stage.config({"web": {"command": ["/bin/sh", "-c", f'test "$WORKER" = web.1 && more="--rubbish-when {rubbish}"; exec "$$0" "$$@" $$more',
                                                            *command], "bind": "port", "workers": 3, "max_fails": 2, "fail_timeout": "700ms",
                                                "start": {"backoff": "100ms"}}}))
    pid = one(drover, "web.1")["worker_id"]
    stage.write("rubbish", "")
    with drover.load(good=(200, 502)) as load:
        until(lambda: one(drover, "web.1")["status"] == "ejected" or one(drover, "web.1")["worker_id"] != pid, lambda: drover.workers(), 10)
        load.wait_for(100)
        until(lambda: pid not in drover.pids() or not is_running(pid), lambda: f"ejected twice in a row, it is replaced: {drover.workers()}", 20)
        os.unlink(rubbish)
    load.assert_nothing_failed()
    until(lambda: len(drover.workers(status="healthy")) == 3, lambda: drover.workers(), 15)
    failed = sum(1 for line in drover.access_lines() if " 502 " in line)
    assert failed < 10, f"{failed} of {load.answered} were 502"


@scenario(limit=40)
def a_worker_that_never_starts_keeps_nobody_else_from_serving(stage):
    drover = stage.drover(stage.config({"dead": {"command": plain("--never"), "workers": 1, "start": {"timeout": "1s", "backoff": "200ms"},
                                                 "queue": {"timeout": "500ms"}},
                                        "web": {"command": plain(), "workers": 2}},
                                       routes=[{"path": "/dead", "pool": "dead"}, {"path": "/", "pool": "web"}]), wait="up")
    until(lambda: len(drover.workers("web", "healthy")) == 2, lambda: drover.health())
    first = drover.workers("dead")[0]["worker_id"]
    assert drover.get().status == 200
    started = time.monotonic()
    response = drover.get("/dead")
    assert response.status == 503 and 0.3 < time.monotonic() - started < 3 * PATIENCE, (response, time.monotonic() - started)
    until(lambda: not is_running(first), "after start.timeout it is ended", 10)
    until(lambda: drover.workers("dead")[0]["worker_id"] not in (first, None), lambda: drover.workers("dead"), 10)
    assert drover.health()["pools"]["dead"]["status"] == "down" and drover.page("/health/worker").status == 503
    assert drover.get().status == 200


@scenario(limit=40)
def a_worker_that_crashes_at_once_is_started_less_and_less_often(stage):
    counted = stage.path("starts")
    drover = stage.web(["/bin/sh", "-c", f"date +%s.%N >> {counted}; echo the database is missing >&2; exit 3", "--", "$PORT"], workers=1,
                       wait="up", bind="port", start={"backoff": "200ms", "backoff_max": "30s"})
    time.sleep(4 * PATIENCE)
    starts = [float(line) for line in open(counted)]
    most = 3 + 2 * PATIENCE
    assert 3 <= len(starts) <= most + 4, starts
    gaps = [b - a for a, b in zip(starts, starts[1:])]
    assert gaps[-1] > 2 * gaps[0] or gaps[-1] > 0.9, f"it doubles: {gaps}"
    worker = drover.workers()[0]
    assert worker["status"] == "backoff", worker
    page = drover.page(f"/health/worker/{worker['name']}")
    assert "the database is missing" in page.text, page
    assert "the database is missing" in drover.said() and re.search(r"status 3|exit(ed)?.*3", drover.said())


@scenario()
def last_words_of_a_crashed_worker_are_in_status_and_log(stage):
    drover = stage.web(plain("--crash"), workers=1, wait="up", start={"backoff": "30s"})
    until(lambda: [w["status"] for w in drover.workers()] == ["backoff"], lambda: drover.workers())
    drover.wait_said("last words at")
    result = drover.command("status")
    assert result.returncode == 1 and "last words at" in result.stdout, result


@scenario()
def a_workers_output_comes_line_by_line_with_its_name(stage):
    drover = stage.web(plain(), workers=1)
    drover.get("/log?text=hello%20there")
    drover.wait_said(r"web\.1.*hello there")
    drover.get("/log?text=%1b%5b31mred%07")
    drover.wait_said(r"web\.1.*red")
    assert "\x1b" not in drover.said() and "\x07" not in drover.said(), "controls are escaped"
    drover.get("/log?text=" + "long" * 5000)
    assert drover.get().status == 200


@scenario(limit=40)
def a_worker_that_floods_its_output_does_not_hold_up_anybody(stage):
    drover = stage.web([PYTHON, "-c", "import os,sys,threading,runpy\n"
                        "def flood():\n  while True: os.write(1, b'spam and eggs\\n' * 100)\n"
                        "threading.Thread(target=flood, daemon=True).start()\n"
                        f"sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')", *plain()[1:]], workers=1, bind="port")
    with drover.load(clients=2) as load:
        load.wait_for(100, 20)
    load.assert_nothing_failed()
    assert os.path.getsize(drover.log) < 64 << 20


@scenario()
def a_worker_that_exits_by_itself_is_replaced_without_a_failed_request(stage):
    drover = stage.web(plain(), workers=3, start={"backoff": "100ms"})
    with drover.load() as load:
        for _ in range(3):
            load.wait_for(50)
            os.kill(drover.workers(status="healthy")[0]["worker_id"], signal.SIGTERM)
            until(lambda: len(drover.workers(status="healthy")) == 3, lambda: drover.workers())
    load.assert_nothing_failed()


@scenario()
def a_worker_and_its_children_are_ended_as_a_group(stage):
    drover = stage.web(["/bin/sh", "-c", '"$$0" -c "import time; time.sleep(3600)" & exec "$$0" "$$@"', *plain("--stubborn")], workers=1, bind="port",
                       stop={"timeout": "700ms"})
    below = [pid for pid in family(drover.pid) if pid != drover.engine()]
    worker = drover.pids()[0]
    assert family(worker), "it has a child"
    drover.told("drain", "web.1")
    until(lambda: not is_running(worker), "it ignores TERM and gets KILL", 10)
    assert drover.stop() == 0
    assert not any(is_running(pid) for pid in below)


@scenario()
def a_replacement_waits_behind_nobody_when_another_pool_crashes(stage):
    drover = stage.drover(stage.config({"bad": {"command": ["/bin/false", "$PORT"], "workers": 2, "start": {"backoff": "100ms"}},
                                        "web": {"command": plain(), "workers": 2, "start": {"backoff": "100ms"}}},
                                       routes=[{"path": "/bad", "pool": "bad"}, {"path": "/", "pool": "web"}]), wait="up")
    until(lambda: len(drover.workers("web", "healthy")) == 2, lambda: drover.health())
    pid = drover.workers("web")[0]["worker_id"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: len(drover.workers("web", "healthy")) == 2 and pid not in drover.pids("web"), lambda: drover.health(), 5)
