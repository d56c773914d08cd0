# SPDX-License-Identifier: MIT
"""What drover tells about itself."""
import json
import os
import re
import signal

from kit import Wire, free_port, get, plain, request, scenario, until


@scenario()
def health_worker_shows_the_tree_of_the_manual(stage):
    drover = stage.web(plain(), workers=2)
    socket_ = drover.websocket()
    for _ in range(5):
        drover.get()
    until(lambda: all(worker["memory"] for worker in drover.workers()), "memory is measured", 5)
    page = drover.page("/health/worker")
    assert page.status == 200 and "application/json" in page.field("Content-Type")
    tree = page.json()
    assert tree["status"] == "healthy" and tree["worker_id"] > 1 and tree["uptime"] >= 0 and tree["active_connections"] >= 1, tree
    web = tree["pools"]["web"]
    assert (web["status"], web["wanted"], web["ready"], web["queued"]) == ("healthy", 2, 2, 0), web
    for worker in web["workers"]:
        assert set(worker) >= {"name", "worker_id", "address", "status", "uptime", "active_connections", "requests", "fails", "memory"}, worker
        assert os.path.isdir(f"/proc/{worker['worker_id']}") and worker["memory"] > 1 << 20
    assert sum(worker["requests"] for worker in web["workers"]) >= 5
    assert sum(worker["active_connections"] for worker in web["workers"]) == 1
    assert drover.page("/health/worker/web.1").json()["name"] == "web.1"
    assert drover.page("/health/worker/web.9").status == 404
    assert drover.page("/health/live").status == 200 and drover.page("/health/ready").status == 200
    assert drover.page("/nothing").status == 404
    status = drover.page("/api/status")
    assert status.status == 200 and status.json()["pools"]["web"]["ready"] == 2
    socket_.close()


@scenario()
def a_pool_that_lacks_workers_is_degraded_then_down(stage):
    drover = stage.web(plain(), workers=2, start={"backoff": "30s", "backoff_max": "30s"})
    workers = drover.workers()
    os.kill(workers[0]["worker_id"], signal.SIGKILL)
    until(lambda: drover.pool()["status"] == "degraded", lambda: drover.health())
    assert drover.page("/health/worker").status == 200
    os.kill(workers[1]["worker_id"], signal.SIGKILL)
    until(lambda: drover.pool()["status"] == "down", lambda: drover.health())
    assert drover.page("/health/worker").status == 503 and drover.page("/health/ready").status == 503
    result = drover.command("status")
    assert result.returncode == 1, result


@scenario()
def the_admin_is_read_only_and_refuses_a_foreign_host(stage):
    drover = stage.web(plain(), workers=1)
    response = get(drover.admin, "/health/worker", host="evil.test")
    assert response.status in (400, 403, 421), response
    assert get(drover.admin, "/health/worker", host="localhost").status == 200
    for method in ("POST", "PUT", "DELETE"):
        assert request(drover.admin, method, "/health/worker", host="localhost", body=b"").status == 405
    assert request(drover.admin, "HEAD", "/health/live", host="localhost").status == 200
    with Wire(drover.admin) as wire:
        wire.send("GET / HTTP/1.1\r\nHost : x\r\n\r\n")
        assert wire.read_response().status == 400
    with Wire(drover.admin) as wire:
        for _ in range(5):
            assert wire.get("/health/live", host="localhost").status == 200


@scenario()
def exposed_pages_tell_no_process_ids_addresses_or_output(stage):
    port = free_port()
    drover = stage.web(plain(), workers=1, top={"listen": [{"address": f"127.0.0.1:{port}", "expose": ["/health/worker", "/health/ready"]}]})
    drover.get("/log?text=secret-words")
    page = drover.get("/health/worker")
    assert page.status == 200, page
    tree = page.json()
    worker = tree["pools"]["web"]["workers"][0]
    assert worker["status"] == "healthy" and worker["name"] == "web.1"
    assert "worker_id" not in tree and "worker_id" not in worker and "address" not in worker and "secret-words" not in page.text, page.text
    assert drover.get("/health/ready").status == 200
    assert drover.get("/health/live").field("X-Worker") == "web.1", "not exposed: it goes to the app"
    drover.told("scale", "web", "2")
    drover.wait_workers("web", 2)
    until(lambda: len(drover.get("/health/worker").json()["pools"]["web"]["workers"]) == 2, "it follows")


@scenario()
def status_is_an_aligned_table_and_json(stage):
    drover = stage.web(plain(), workers=3)
    text = drover.told("status")
    lines = [line for line in text.splitlines() if re.match(r"(WORKER|web\.\d) ", line)]
    assert len(lines) == 4, text
    states = {line.index("healthy") for line in lines if "healthy" in line}
    assert len(states) == 1 and lines[0].index("STATE") in states, text
    tree = json.loads(drover.told("status", "--json"))
    assert tree["pools"]["web"]["ready"] == 3
    drover.told("scale", "web", "2")
    assert len(text.splitlines()) < 20


@scenario()
def the_access_log_has_a_line_for_each_request(stage):
    drover = stage.web(plain(), workers=1, top={"threads": 1})
    drover.get("/page?x=1", fields=[("User-Agent", 'a "quote" and \xe9\x9b'), ("Referer", "http://a.test/")])
    drover.request("POST", "/nothing-here", body=b"abc")
    with Wire(drover.port) as wire:
        wire.send("GET / HTTP/1.1\r\n\r\n")
        assert wire.read_response().status == 400
    lines = until(lambda: len(drover.access_lines()) >= 3 and drover.access_lines(), lambda: drover.access_lines())
    assert re.match(r'127\.0\.0\.1 .*\[.*\] "GET /page\?x=1 HTTP/1\.1" 200 ', lines[0]) and "web.1" in lines[0], lines[0]
    assert lines[0].count('"') == 6 and lines[0].isascii(), f"what the client says cannot look like another column: {lines[0]}"
    assert '"POST /nothing-here HTTP/1.1" 200' in lines[1]
    assert '"- - HTTP/1.1" 400 ' in lines[2]


@scenario()
def what_drover_answers_itself_is_in_the_access_log_too(stage):
    drover = stage.web(plain(), workers=1, top={"threads": 1, "listen": [{"address": f"127.0.0.1:{free_port()}", "expose": ["/health/live"]}]})
    until(lambda: b"alive" in drover.get("/health/live?from=probe").body, "the page is there")
    drover.request("OPTIONS", "*", [("Max-Forwards", "0")])
    lines = until(lambda: "OPTIONS" in "".join(drover.access_lines()) and drover.access_lines(), lambda: drover.access_lines())
    assert '"GET /health/live?from=probe HTTP/1.1" 200 24 "-" "-" - ' in lines[-2] and '"OPTIONS * HTTP/1.1" 200 0 ' in lines[-1], lines


@scenario()
def the_access_log_can_be_json(stage):
    drover = stage.web(plain(), workers=1, top={"log_format": "json"})
    drover.get('/page?q="x"', fields=[("User-Agent", 'a"b\\c')])
    socket_ = drover.websocket()
    socket_.echo()
    socket_.close()
    lines = until(lambda: len(drover.access_lines()) >= 2 and drover.access_lines(), lambda: drover.access_lines())
    first, second = (json.loads(line) for line in lines[:2])
    assert first["method"] == "GET" and first["target"] == '/page?q="x"' and first["status"] == 200 and first["user_agent"] == 'a"b\\c'
    assert first["worker"] == "web.1" and first["pool"] == "web" and first["duration"] >= 0
    assert second["status"] == 101


@scenario()
def a_reload_may_change_the_log_format(stage):
    drover = stage.web(plain(), workers=1, top={"threads": 1})
    drover.get()
    drover.write({**drover.config, "log_format": "json"})
    drover.told("reload")
    drover.get()  # perhaps in the same second
    lines = until(lambda: len(drover.access_lines()) >= 2 and drover.access_lines(), lambda: drover.access_lines())
    assert '"GET / HTTP/1.1" 200' in lines[0] and re.match(r"\d{4}-\d\d-\d\dT", json.loads(lines[-1])["time"]), lines


@scenario()
def usr1_reopens_the_access_log(stage):
    drover = stage.web(plain(), workers=1)
    path = drover.config["access_log"]
    with drover.load(clients=2) as load:
        for turn in range(5):
            load.wait_for(10)
            os.rename(path, f"{path}.{turn}")
            drover.signal(signal.SIGUSR1)
            until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, "the new file is written to")
        load.wait_for(10)
    load.assert_nothing_failed()

    def written():
        lines = []
        for name in [path] + [f"{path}.{turn}" for turn in range(5)]:
            with open(name) as file:
                lines += [line for line in file if '"GET / ' in line]
        return lines
    until(lambda: len(written()) >= load.answered, lambda: (len(written()), load.answered))
    assert len(written()) == load.answered, "no line lost, none doubled"


@scenario()
def the_access_log_to_standard_output_or_nowhere(stage):
    drover = stage.web(plain(), workers=1, top={"access_log": "stdout"})
    drover.get("/seen")

    def output():
        with open(drover.output) as file:
            return file.read()
    until(lambda: "GET /seen " in output(), output)
    quiet = stage.web(plain(), workers=1, top={"access_log": "off"})
    quiet.get("/unseen")
    quiet.stop()
    with open(quiet.output) as file:
        assert "/unseen" not in file.read()


@scenario()
def what_goes_wrong_has_a_word_of_its_own_in_the_access_log(stage):
    def script(link):
        asked = link.read_head()
        if asked and asked.target == "/rubbish":
            link.send("rubbish\r\n\r\n")
        elif asked and asked.target.startswith("/silent"):
            link.wait_closed(5)
    backend = stage.backend(script)
    drover = stage.front(backend, max_fails=0, retries=0, top={"timeouts": {"response": "300ms"}, "log_format": "json"})
    for path, word in (("/rubbish", "unreadable"), ("/silent", "response_timeout"), ("/closed", "closed")):
        drover.get(path)
        until(lambda: any(json.loads(line)["target"] == path and json.loads(line)["error"] == word for line in drover.access_lines()),
              lambda: drover.access_lines())
    wire = Wire(drover.port)
    wire.send_request("GET", "/silent?again")
    until(lambda: backend.seen(target="/silent?again"), "it is at the worker")
    wire.reset()
    until(lambda: any(json.loads(line)["error"] == "client_gone" for line in drover.access_lines()), lambda: drover.access_lines())


@scenario()
def logs_that_cannot_be_written_hold_up_nobody(stage):
    pipe_read, pipe_write = os.pipe()
    stage.closing.callback(os.close, pipe_read)
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 1}}, access_log="stdout"), wait=None,
                          prefix=["/bin/sh", "-c", f'exec "$0" "$@" >/proc/{os.getpid()}/fd/{pipe_write}'])
    drover.wait_up()
    drover.wait_workers()
    os.close(pipe_write)
    with drover.load(clients=6, pause=0.001) as load:
        load.wait_for(2000)
    load.assert_nothing_failed()
