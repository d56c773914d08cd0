# SPDX-License-Identifier: MIT
"""A real FastAPI app: what most people will put behind drover."""
import asyncio
import hashlib
import os

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect

app = FastAPI()
WORKER = os.environ.get("WORKER", "?")


@app.middleware("http")
async def name_the_worker(request: Request, call_next):
    response = await call_next(request)
    response.headers["X-Worker"] = WORKER
    return response


@app.get("/")
async def root():
    return {"worker": WORKER, "pid": os.getpid()}


@app.get("/pid")
async def pid():
    return os.getpid()


LEAKED = []


@app.get("/leak")
async def leak(kb: int = 64):
    LEAKED.append(os.urandom(kb * 1024))
    return len(LEAKED)


@app.get("/slow")
async def slow(ms: int = 500):
    await asyncio.sleep(ms / 1000)
    return {"worker": WORKER, "pid": os.getpid()}


@app.post("/echo")
async def echo(request: Request):
    return Response(await request.body(), media_type=request.headers.get("content-type", "application/octet-stream"))


@app.post("/digest")
async def digest(request: Request):
    size, sha = 0, hashlib.sha256()
    async for part in request.stream():
        size += len(part)
        sha.update(part)
    return {"size": size, "sha256": sha.hexdigest()}


@app.get("/fields")
async def fields(request: Request):
    return [[name.decode(), value.decode("latin-1")] for name, value in request.headers.raw]


@app.get("/environment")
async def environment():
    return dict(os.environ)


@app.websocket("/ws")
async def echo_socket(socket: WebSocket):
    await socket.accept(headers=[(b"x-worker", WORKER.encode())])
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") is not None:
                await socket.send_text(message["text"])
            else:
                await socket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        pass
