# SPDX-License-Identifier: MIT
"""`drover restart`: new processes one by one, the new one proven first; frozen with the old ones serving when it is not."""
import json
import os
import signal
import subprocess
import threading
import time

from kit import APPS, PYTHON, plain, scenario, until

GTHREAD = [PYTHON, "/usr/bin/gunicorn", "--chdir", APPS, "--log-level", "warning", "--worker-class", "gthread", "--threads", "4",
           "--bind", "unix:$SOCKET", "wsgi_app:app"]

SITE = """
import os
EDITION = {edition}
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({{"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/plain"), (b"content-length", b"1"), (b"x-worker", os.environ["WORKER"].encode())]}})
    await send({{"type": "http.response.body", "body": b"%d" % EDITION}})
"""


def site(stage, edition):
    """A small ASGI app on disk, whose next version is written over it; 0 is one that does not start."""
    stage.write("site_app.py", SITE.format(edition=edition) if edition else "raise ImportError('edition 0 is broken')\n")
    return [PYTHON, "-m", "uvicorn", "--app-dir", stage.directory, "--log-level", "warning", "--uds", "$SOCKET", "site_app:app"]


def restarting(drover, *words):
    """`drover restart` in a thread: wait for .join(), then look at .result."""
    thread = threading.Thread(target=lambda: setattr(thread, "result", drover.command("restart", *words)), daemon=True)
    thread.start()
    return thread


def rollouts(drover):
    return [one["reason"] for one in json.loads(drover.page("/api/decisions").text)["decisions"] if one["kind"] == "rollout"]


def requests_meanwhile(drover, workers, count):
    before = drover.pids()
    with drover.load(clients=10, pause=0) as load:
        load.wait_for(1000)
        text = drover.told("restart", "web")
        assert f"{workers} workers were replaced" in text, text
        assert not set(before) & set(worker["worker_id"] for worker in drover.workers(status="healthy"))
        load.wait_for(count, within=60)
    load.assert_nothing_failed()
    assert load.reopened == 0
    until(lambda: len(drover.pids()) == workers and not set(before) & set(drover.pids()), drover.workers, 20)


@scenario(limit=120)
def a_restart_under_load_loses_none_of_ten_thousand_requests_to_uvicorn(stage):
    drover = stage.web(site(stage, 1), workers=3)
    site(stage, 2)
    assert drover.get().text == "1"
    requests_meanwhile(drover, 3, 10000)
    assert drover.get().text == "2"
    assert rollouts(drover) == ["restart", "done"]


@scenario(limit=120)
def a_restart_under_load_loses_no_request_to_gunicorn_with_threads(stage):
    drover = stage.web(GTHREAD, workers=2)
    requests_meanwhile(drover, 2, 3000)


@scenario(limit=60)
def a_broken_version_is_frozen_with_the_old_ones_serving_and_the_next_restart_tries_again(stage):
    drover = stage.web(site(stage, 1), workers=3)
    before = drover.pids()
    site(stage, 0)
    with drover.load() as load:
        text = drover.told("restart", "web", status=1)
        assert "edition 0 is broken" in text and "3 go on as they are" in text, text
        load.wait_for(200)
    load.assert_nothing_failed()
    assert [worker["worker_id"] for worker in drover.workers(status="healthy")] == before
    assert "frozen" in drover.told("why", "web")
    site(stage, 2)
    drover.told("restart", "web")
    assert drover.get().text == "2" and rollouts(drover) == ["restart", "frozen", "restart", "done"]


@scenario(limit=60)
def without_surge_there_is_never_a_process_more_nor_more_than_one_less(stage):
    drover = stage.web(plain(), workers=3)
    before, seen = {worker["name"]: worker["worker_id"] for worker in drover.workers()}, set()
    with drover.load() as load:
        command = restarting(drover, "--no-surge", "web")
        while command.is_alive():
            workers = drover.workers()
            seen.add((len(workers), sum(worker["status"] == "healthy" for worker in workers)))
        load.wait_for(200)
    command.join()
    assert command.result.returncode == 0 and "3 workers were replaced" in command.result.stdout, command.result
    load.assert_nothing_failed()
    assert seen <= {(3, 3), (3, 2)} and (3, 2) in seen, seen
    after = {worker["name"]: worker["worker_id"] for worker in drover.workers()}
    assert after.keys() == before.keys() and not set(after.values()) & set(before.values()), (before, after)


@scenario(limit=60)
def without_surge_a_broken_version_costs_one_worker_and_no_request(stage):
    drover = stage.web(site(stage, 1), workers=3)
    before = drover.pids()
    site(stage, 0)
    with drover.load() as load:
        text = drover.told("restart", "--no-surge", "web", status=1)
        assert "2 go on as they are" in text, text
        load.wait_for(100)
    load.assert_nothing_failed()
    serving = [worker["worker_id"] for worker in drover.workers(status="healthy")]
    assert len(serving) == 2 and set(serving) < set(before), (serving, before)
    site(stage, 2)
    drover.wait_workers("web", 3)  # the one that is away comes back by itself


@scenario(limit=60)
def a_single_worker_without_surge_makes_its_requests_wait(stage):
    drover = stage.web(plain(), workers=1)
    with drover.load(clients=3) as load:
        load.wait_for(50)
        drover.told("restart", "--no-surge", "web")
        load.wait_for(50)
    load.assert_nothing_failed()


def kill_engine(drover):
    engine = drover.engine()
    os.kill(engine, signal.SIGKILL)
    until(lambda: drover.engine() not in (None, engine), "another engine")


@scenario(limit=90, may_crash=True)
def an_engine_that_is_killed_in_the_middle_goes_on_with_it_and_the_command_waits(stage):
    drover = stage.web(site(stage, 1), workers=3)
    before = drover.pids()
    for words in (["web"], ["--no-surge", "web"]):
        command = restarting(drover, *words)
        until(lambda: any(worker["status"] != "healthy" for worker in drover.workers()), drover.workers)
        kill_engine(drover)
        drover.wait_up()
        command.join(60)
        assert command.result.returncode == 0, command.result
        until(lambda: len(drover.pids()) == 3 and not set(before) & set(drover.pids()), drover.workers, 20)
        before = drover.pids()
    assert drover.get().status == 200


@scenario(limit=60)
def a_command_that_leaves_does_not_stop_it_and_a_second_one_begins_anew(stage):
    drover = stage.web(plain("--start-delay", "500"), workers=2)  # so that it is not over before the command is gone
    before = drover.pids()
    command = subprocess.Popen([stage.binary, "-c", drover.file, "restart", "web"], stdout=subprocess.PIPE, cwd=drover.directory)
    assert b"one by one" in command.stdout.readline()
    command.send_signal(signal.SIGINT)
    assert command.wait(10) != 0
    command.stdout.close()
    until(lambda: len(drover.pids()) == 2 and not set(before) & set(drover.pids()), drover.workers, 20)
    between = drover.pids()
    first, second = restarting(drover, "web"), None
    until(lambda: len(drover.pids()) > 2, drover.workers)
    second = restarting(drover, "web")
    for command in (first, second):
        command.join(60)
        assert command.result.returncode == 0, command.result
    assert not set(between) & set(worker["worker_id"] for worker in drover.workers(status="healthy"))


@scenario(limit=60)
def a_pool_that_is_scaled_and_reloaded_meanwhile_ends_as_it_should(stage):
    drover = stage.web(site(stage, 1), workers=2)
    before = drover.pids()
    with drover.load() as load:
        command = restarting(drover, "web")
        until(lambda: len(drover.pids()) > 2, drover.workers)
        drover.told("scale", "web", "4")
        drover.config["pools"]["web"]["environment"] = {"EDITION": "3"}
        drover.write(drover.config)
        drover.told("reload")
        command.join(60)
        assert command.result.returncode == 0, command.result
        drover.wait_workers("web", 4)
        drover.told("scale", "web", "1")
        load.wait_for(100)
    load.assert_nothing_failed()
    drover.wait_workers("web", 1)
    assert not set(before) & set(drover.pids())


@scenario()
def wrong_words_are_told_and_change_nothing(stage):
    drover = stage.web(plain(), workers=1)
    before = drover.pids()
    assert "nopool" in drover.told("restart", "nopool", status=1)
    drover.told("restart", status=2)
    drover.told("scale", "--no-surge", "web", "1", status=2)
    begun = time.monotonic()
    drover.told("restart", "--no-wait", "web")
    drover.told("reload", "--no-wait")
    assert time.monotonic() - begun < 10
    until(lambda: len(drover.pids()) == 1 and not set(before) & set(drover.pids()), drover.workers, 20)
    drover.stop()
    drover.told("restart", "web", status=3)


@scenario(limit=60)
def a_command_that_waits_for_a_pool_is_told_when_the_pool_leaves_the_file(stage):
    drover = stage.web(plain("--start-delay", "1000"), workers=1)
    drover.config["pools"] = {"other": {"command": plain(), "workers": 1}}
    command = restarting(drover, "web")
    until(lambda: len(drover.workers()) == 2, drover.workers)
    drover.write(drover.config)
    drover.told("reload")
    command.join(30)
    assert command.result.returncode == 1 and "left the file" in command.result.stderr, command.result
