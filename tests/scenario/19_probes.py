# SPDX-License-Identifier: MIT
"""Active probes: rise and fall."""
import os

from kit import plain, scenario, until

QUICK = {"path": "/healthz", "interval": "200ms", "timeout": "500ms", "rise": 2, "fall": 3}


def statuses(drover):
    return {worker["name"]: worker["status"] for worker in drover.workers()}


class Clinic:
    """A backend whose /healthz says what it is told to."""

    def __init__(self, stage, name):
        self.status, self.asked = "200 OK", []
        self.backend = stage.backend(self.script, name=name)

    def script(self, link):
        while asked := link.read_request():
            if asked.target == "/healthz":
                self.asked.append(asked)
                link.answer("", self.status)
            else:
                link.answer(self.backend.name)


@scenario()
def a_server_that_fails_its_probes_is_out_after_fall_and_in_after_rise(stage):
    sick, well = Clinic(stage, "sick"), Clinic(stage, "well")
    drover = stage.front(sick.backend, well.backend, probe=QUICK)
    until(lambda: list(statuses(drover).values()) == ["healthy", "healthy"], lambda: drover.workers(), 5)
    with drover.load() as load:
        until(lambda: sick.backend.seen(target="/") and len(sick.asked) >= 2, "it has its share")
        sick.status = "503 Service Unavailable"
        before = len(sick.asked)
        until(lambda: "ejected" in statuses(drover).values(), lambda: drover.workers(), 10)
        assert len(sick.asked) - before >= 3, "not before three in a row"
        served = len(sick.backend.seen(target="/")) - len(sick.asked)
        load.wait_for(50)
        assert len(sick.backend.seen(target="/")) - len(sick.asked) <= served + 6, "it gets nothing while it is out"
        sick.status = "301 Moved"
        before = len(sick.asked)
        until(lambda: "ejected" not in statuses(drover).values(), lambda: drover.workers(), 10)
        assert len(sick.asked) - before >= 2, "not before two in a row"
    load.assert_nothing_failed()
    assert sick.asked[0].method == "GET"


@scenario()
def one_bad_answer_is_forgiven(stage):
    clinic, other = Clinic(stage, "one"), Clinic(stage, "two")
    drover = stage.front(clinic.backend, other.backend, probe={**QUICK, "fall": 3})
    until(lambda: len(clinic.asked) > 1, "it is probed")
    for _ in range(3):
        clinic.status = "500 Internal Server Error"
        before = len(clinic.asked)
        until(lambda: len(clinic.asked) > before, "a bad one", 5)
        clinic.status = "200 OK"
        before = len(clinic.asked)
        until(lambda: len(clinic.asked) > before + 1, "good ones", 5)
        assert "ejected" not in statuses(drover).values()


@scenario(limit=40)
def a_worker_is_ready_when_its_probe_path_is_good(stage):
    sick = stage.write("sick", "")
    drover = stage.web(plain("--sick-when", sick), workers=2, wait="up", probe=QUICK)
    until(lambda: any("500" in line for line in drover.said().splitlines()) or all(s == "starting" for s in statuses(drover).values()), "starting", 5)
    assert "healthy" not in statuses(drover).values()
    assert drover.page("/health/ready").status == 503
    os.unlink(sick)
    until(lambda: list(statuses(drover).values()) == ["healthy", "healthy"], lambda: drover.workers(), 10)


@scenario(limit=40)
def a_worker_that_turns_sick_is_left_out_and_comes_back(stage):
    sick = stage.path("sick")
    command = ["/bin/sh", "-c", f'test "$WORKER" = web.1 && more="--sick-when {sick}"; exec "$$0" "$$@" $$more', *plain()]
    drover = stage.web(command, workers=2, bind="port", probe={**QUICK, "interval": "300ms"})
    stage.write("sick", "")
    until(lambda: statuses(drover)["web.1"] != "healthy", lambda: drover.workers(), 10)
    assert {drover.get().text for _ in range(10)} == {"web.2"}
    os.unlink(sick)
    until(lambda: set(statuses(drover).values()) == {"healthy"}, lambda: drover.workers(), 15)
