# SPDX-License-Identifier: MIT
"""/metrics: read by Prometheus' own parsers, complete by docs/metrics.md, and right."""
import os
import re
import signal
import time

from kit import ROOT, WebSocket, Wire, free_port, get, plain, scenario, until
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

OPENMETRICS = [("Accept", "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")]


def scrape(drover):
    """-> {(sample name, labels sorted): value}, as OpenMetrics' strict parser reads it"""
    page = drover.page("/metrics", fields=OPENMETRICS)
    assert page.status == 200 and page.field("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8", page
    return samples(read_openmetrics(page.text))


def samples(families):
    found = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


def value(drover, name, **labels):
    return scrape(drover)[(name, tuple(sorted(labels.items())))]


def await_value(drover, wanted, name, **labels):
    until(lambda: value(drover, name, **labels) == wanted, lambda: f"{name}{labels} is {value(drover, name, **labels)}, not {wanted}")


@scenario()
def both_formats_say_the_same_and_parsers_read_them(stage):
    drover = stage.web(plain(), workers=2)
    for _ in range(10):
        assert drover.get().status == 200
    page = drover.page("/metrics")
    assert page.field("Content-Type") == "text/plain; version=0.0.4; charset=utf-8" and "# EOF" not in page.text
    plain_names = {name for name, _ in samples(read_text(page.text))}
    assert plain_names == {name for name, _ in scrape(drover)}
    for line in page.text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"\\]*",?)+\})? [0-9.]+', line), line
    assert drover.page("/metrics?x=1").status == 200


@scenario()
def every_metric_has_its_line_in_the_manual_and_every_line_its_metric(stage):
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 1}, "old": {"servers": ["127.0.0.1:9"]}},
                                       statsd=f"127.0.0.1:{free_port()}"))
    drover.get()
    drover.told("scale", "web", "2")  # a decision
    documented = {}
    with open(os.path.join(ROOT, "docs", "metrics.md")) as file:
        for line in file:
            row = re.match(r"\| `(\w+)` \| (\w+) \|([\w, ]*)\|", line)
            if row:
                documented[row[1]] = (row[2], {label.strip() for label in row[3].split(",") if label.strip()})
    shown = {}
    for family in read_openmetrics(drover.page("/metrics", fields=OPENMETRICS).text):
        for sample in family.samples:
            name = family.name if family.type == "histogram" else sample.name
            labels = set(sample.labels) - {"le"}
            assert shown.setdefault(name, (family.type, labels)) == (family.type, labels), f"{name}: labels differ"
    assert shown == documented, (set(shown) ^ set(documented), {n: (shown[n], documented[n]) for n in shown if shown[n] != documented.get(n)})


@scenario()
def traffic_is_counted(stage):
    drover = stage.web(plain(), workers=1, top={"threads": 2})
    for _ in range(8):
        drover.get()
    with Wire(drover.port) as wire:
        wire.send("GET / HTTP/1.1\r\nHost : x\r\n\r\n")
        assert wire.read_response().status == 400
    await_value(drover, 8, "drover_responses_total", code="2xx")
    await_value(drover, 1, "drover_responses_total", code="4xx")
    assert value(drover, "drover_request_duration_seconds_count") >= 8
    assert value(drover, "drover_request_duration_seconds_bucket", le="+Inf") == value(drover, "drover_request_duration_seconds_count")
    assert value(drover, "drover_pool_requests_total", pool="web") == 8
    assert value(drover, "drover_worker_requests_total", pool="web", worker="web.1") == 8
    socket = drover.websocket()
    await_value(drover, 1, "drover_worker_tunnels", pool="web", worker="web.1")
    await_value(drover, 1, "drover_pool_tunnels", pool="web")
    assert value(drover, "drover_tunnels_opened_total") == 1 and value(drover, "drover_connections") >= 1
    socket.close()
    await_value(drover, 1, "drover_tunnels_closed_total")
    now = time.time()
    assert abs(value(drover, "drover_start_time_seconds") - now) < 60 and abs(value(drover, "process_start_time_seconds") - now) < 60
    assert value(drover, "drover_worker_memory_bytes", pool="web", worker="web.1") >= 0
    assert value(drover, "process_open_fds") > 5


@scenario()
def refusals_have_distinct_words(stage):
    drover = stage.web(plain(), workers=1, concurrency=1, queue={"length": 1, "timeout": "400ms"})
    wires = []
    for _ in range(3):
        wire = drover.wire()
        wire.send_request("GET", "/slow?ms=1500")
        wires.append(wire)
        if len(wires) == 1:
            await_value(drover, 1, "drover_pool_requests_in_flight", pool="web")
        if len(wires) == 2:
            await_value(drover, 1, "drover_pool_queued", pool="web")
    assert wires[2].read_response().status == 503 and wires[1].read_response().status == 503
    assert value(drover, "drover_refused_total", reason="queue_full") == 1
    assert value(drover, "drover_refused_total", reason="queue_timeout") == 1
    assert value(drover, "drover_refused_total", reason="no_worker") == 0
    assert value(drover, "drover_queued_total") == 1
    assert wires[0].read_response().status == 200


@scenario()
def crashes_and_decisions_are_counted(stage):
    drover = stage.web(plain(), workers=2)
    started = value(drover, "drover_worker_start_time_seconds", pool="web", worker="web.1")
    os.kill(drover.pids()[0], signal.SIGKILL)
    await_value(drover, 1, "drover_pool_worker_crashes_total", pool="web")
    drover.wait_workers("web", 2)
    await_value(drover, 3, "drover_pool_worker_starts_total", pool="web")
    await_value(drover, 1, "drover_pool_status", pool="web", status="healthy")
    assert started > 0
    drover.told("scale", "web", "3")
    assert value(drover, "drover_pool_decisions_total", pool="web", kind="size", why="by hand") == 1
    assert value(drover, "drover_pool_workers_wanted", pool="web") == 3
    drover.wait_workers("web", 3)
    await_value(drover, 3, "drover_pool_workers", pool="web", state="healthy")


@scenario(may_crash=True)
def an_engine_that_falls_is_counted_and_workers_keep_their_counts(stage):
    drover = stage.web(plain(), workers=1)
    for _ in range(5):
        drover.get()
    await_value(drover, 5, "drover_worker_requests_total", pool="web", worker="web.1")
    engine = drover.engine()
    os.kill(engine, signal.SIGKILL)
    until(lambda: drover.page("/health/live", timeout=2).status == 200 and drover.engine() != engine, "another engine")
    await_value(drover, 1, "drover_engine_restarts_total")
    await_value(drover, 5, "drover_worker_requests_total", pool="web", worker="web.1")
    assert value(drover, "drover_requests_total") == 0


@scenario(limit=60)
def a_page_of_many_workers_is_whole_and_holds_up_nobody(stage):
    servers = [f"127.0.0.1:{port}" for port in range(20001, 20001 + 500)]
    drover = stage.drover(stage.config({"web": {"command": plain(), "workers": 1}, "many": {"servers": servers}}))
    with drover.load(clients=2, pause=0.002) as load:
        for _ in range(20):
            found = scrape(drover)
        load.wait_for(100)
    load.assert_nothing_failed()
    assert sum(name == "drover_worker_up" for name, _ in found) == 501


@scenario()
def metrics_are_the_admins_alone(stage):
    drover = stage.web(plain(), workers=1)
    assert drover.get("/metrics").field("X-Worker") == "web.1", "on a listener it is the app's"
    assert get(drover.admin, "/metrics", host="evil.test").status == 421
    drover.write({**drover.config, "listen": [{"address": drover.config["listen"][0], "expose": ["/metrics"]}]})
    assert "listen[0].expose" in drover.told("reload", status=1)
