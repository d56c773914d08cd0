"""Tells which container answered."""
import socket

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def who():
    return {"container": socket.gethostname()}


@app.get("/health")
async def health():
    return {"status": "ok"}
