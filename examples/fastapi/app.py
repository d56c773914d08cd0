# SPDX-License-Identifier: MIT
"""A page, a slow page and a WebSocket echo; each says which worker answered."""
import asyncio
import os

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
WORKER = os.environ.get("WORKER", "no worker of drover")


@app.get("/")
async def page():
    return {"worker": WORKER, "pid": os.getpid()}


@app.get("/slow")
async def slow(seconds: float = 2):
    await asyncio.sleep(min(seconds, 60))
    return {"worker": WORKER, "slept": seconds}


@app.websocket("/ws")
async def echo(socket: WebSocket):
    await socket.accept()
    try:
        while True:
            await socket.send_text(f"{WORKER}: {await socket.receive_text()}")
    except WebSocketDisconnect:
        pass
