# SPDX-License-Identifier: MIT
"""What stands in examples/ works as it stands there."""
import json
import os
import shutil
import subprocess

from kit import ROOT, TEXT, free_port, scenario


def example(stage, name, file="drover.yaml"):
    """drover on a copy of the example; only ports and the control socket are our own."""
    directory = stage.path(name)
    shutil.copytree(os.path.join(ROOT, "examples", name), directory)
    with open(os.path.join(directory, file), "a") as yaml:
        admin = free_port()
        yaml.write(f"admin: 127.0.0.1:{admin}\ncontrol: {stage.path('control/sock')}\n")
    port = free_port()
    drover = stage.drover(None, wait=None, arguments=["-c", os.path.join(directory, file)],
                          environment={"PORT": str(port), "PATH": "/usr/bin:/bin:/usr/sbin"})
    drover.config, drover.port, drover.admin = "as it stands there", port, admin
    drover.wait_up()
    drover.wait_workers()
    return drover


@scenario(limit=40)
def fastapi(stage):
    drover = example(stage, "fastapi")
    assert len({drover.get("/").json()["pid"] for _ in range(12)}) == 4
    with drover.websocket() as socket:
        socket.send("hello")
        opcode, text = socket.receive()
        assert opcode == TEXT and text.endswith(b": hello") and text.startswith(b"web.")
        socket.close()
    assert drover.get("/slow?seconds=0.2").json()["slept"] == 0.2
    assert drover.stop() == 0


@scenario(limit=40)
def gunicorn(stage):
    drover = example(stage, "gunicorn")
    assert len({drover.get("/").text for _ in range(12)}) == 4
    assert drover.stop() == 0


@scenario(limit=40)
def gunicorn_with_preload(stage):
    drover = example(stage, "gunicorn", "preload.yaml")
    wires = [drover.wire() for _ in range(8)]
    for wire in wires:
        wire.send_request("GET", "/slow")
    texts = {wire.read_response().text for wire in wires}
    assert len(texts) >= 2 and all(text.startswith("web.1,") for text in texts), texts
    assert drover.stop() == 0


@scenario(limit=40)
def gunicorn_with_signals(stage):
    drover = example(stage, "gunicorn", "signals.yaml")
    wires = [drover.wire() for _ in range(8)]
    for wire in wires:
        wire.send_request("GET", "/slow")
    texts = {wire.read_response().text for wire in wires}
    assert len(texts) >= 3 and all(text.startswith("web.1,") for text in texts), texts
    assert drover.stop() == 0


@scenario(limit=40)
def node(stage):
    drover = example(stage, "node")
    assert len({json.loads(drover.get("/").body)["worker"] for _ in range(9)}) == 3
    with drover.websocket() as socket:
        socket.send("hello")
        assert socket.receive()[1].endswith(b": hello")
        socket.close()
    assert drover.stop() == 0


@scenario(limit=40)
def grpc(stage):
    drover = example(stage, "grpc")
    told = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "examples/grpc/client.py"), f"127.0.0.1:{drover.port}"], text=True,
                          capture_output=True, timeout=30)
    lines = told.stdout.split("\n")
    assert set(lines[:4]) == {f"hello you, this is web.{n}" for n in (1, 2)} and lines[4:7] == ["0", "1", "2"], told
    assert drover.stop() == 0
