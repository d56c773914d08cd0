# SPDX-License-Identifier: MIT
"""The corpus of malformed, odd and merely legal messages (tests/strictness), through the whole program."""
import os
import subprocess

from kit import PATIENCE, PYTHON, ROOT, free_port, scenario

RUN = os.path.join(ROOT, "tests", "strictness", "run.py")
RUN_H2 = os.path.join(ROOT, "tests", "strictness", "h2.py")


def strict(stage, *arguments, run=(RUN, "--strict"), **pool):
    port = free_port()
    drover = stage.front(f"127.0.0.1:{port}", top={"timeouts": {"header": "1s", "body": "1s", "response": "2s"}}, **pool)
    result = subprocess.run([PYTHON, *run, "--proxy", f"127.0.0.1:{drover.port}", "--backend-port", str(port), *arguments], capture_output=True, text=True, timeout=90 * PATIENCE)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert drover.process.poll() is None


@scenario(limit=90)
def every_message_gets_what_it_must(stage):
    strict(stage)


@scenario(limit=90)
def also_many_at_once(stage):
    strict(stage, "--jobs", "48")


@scenario(limit=90)
def also_when_requests_are_buffered_whole(stage):
    strict(stage, buffering="on")


@scenario(limit=90)
def also_in_a_pool_with_a_bound(stage):
    strict(stage, "--jobs", "48", concurrency=100)


@scenario(limit=90)
def every_message_gets_it_over_http_2_too(stage):
    strict(stage, run=(RUN_H2,))


@scenario(limit=90)
def also_many_connections_at_once_over_http_2(stage):
    strict(stage, "--jobs", "96", run=(RUN_H2,), concurrency=200)


@scenario(limit=90)
def also_over_http_2_when_requests_are_buffered_whole(stage):
    strict(stage, run=(RUN_H2,), buffering="on")
