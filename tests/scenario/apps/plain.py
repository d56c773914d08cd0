#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The quick worker of the scenarios: starts in a few hundredths of a second and misbehaves on demand. Standard library only.

Listens on --port, --socket, or descriptor 3 when LISTEN_FDS is set.

  GET  /            the worker's name           GET /slow?ms=N     after that long
  GET  /pid         its process id              GET /bytes?n=N     so many bytes, chunked with &chunked=1
  GET  /fields      what fields came, as JSON   POST /echo         the body, and its trailers in X-Trailers
  POST /digest      {"size", "sha256"}          GET /exit          ends at once, without an answer
  GET  /freeze      stops itself (SIGSTOP)      GET /half          half of a body, then ends
  GET  /hold        answers when --gate exists  /ws                WebSocket echo
  GET  /log?text=T  writes T to its output      GET /eat?mb=N      takes so much memory, and keeps it

--hold MB: takes so much memory at its start. --start-delay MS: listens late. --crash: ends at once with status 3 and a last word. --never: never listens. --stubborn: ignores TERM.
--rubbish-when FILE, --refuse-when FILE, --sick-when FILE: while FILE exists it answers rubbish / closes at once / says 500 to /healthz.
--gate FILE: for /hold. --note FILE: appends a line for every request that it reads: method, target, name.
"""
import argparse
import asyncio
import base64
import hashlib
import json
import os
import signal
import socket
import struct
import sys
import time
from urllib.parse import parse_qs, urlsplit

NAME = os.environ.get("WORKER", "?")
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
options = None
tasks = set()
eaten = []


class Gone(Exception):
    pass


def exists(path):
    return bool(path) and os.path.exists(path)


async def read_request(reader):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ")
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:] if line)]
    return method, target, version, fields


async def read_body(reader, fields):
    """-> parts, and at the end the trailers as a dict"""
    named = {name.lower(): value for name, value in fields}
    if named.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        trailers = {}
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            trailers[name] = value.strip()
        yield trailers
    else:
        left = int(named.get("content-length", "0"))
        while left:
            part = await reader.read(min(left, 65536))
            if not part:
                raise Gone
            left -= len(part)
            yield part
        yield {}


def answer(writer, body=b"", status="200 OK", fields=()):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"X-Worker: {NAME}", f"X-Pid: {os.getpid()}", *fields]
    writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


async def on_websocket(reader, writer, fields):
    named = {name.lower(): value for name, value in fields}
    accept = base64.b64encode(hashlib.sha1(named["sec-websocket-key"].encode() + GUID).digest()).decode()
    writer.write(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 f"X-Worker: {NAME}\r\nX-Pid: {os.getpid()}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    while True:
        first, second = await reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            size, = struct.unpack("!H", await reader.readexactly(2))
        elif size == 127:
            size, = struct.unpack("!Q", await reader.readexactly(8))
        mask = await reader.readexactly(4)
        data = await reader.readexactly(size)
        data = (int.from_bytes(data, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")).to_bytes(size, "big")
        opcode = first & 15
        first = first + 1 if opcode == 9 else first
        head = bytes([first, size]) if size < 126 else bytes([first, 126]) + struct.pack("!H", size) if size < 65536 else \
            bytes([first, 127]) + struct.pack("!Q", size)
        writer.write(head + data)
        await writer.drain()
        if opcode == 8:
            return


async def on_bytes(writer, query):
    size = int(query["n"])
    block = bytes(range(256)) * 256
    chunked = query.get("chunked") == "1"
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    writer.write(f"HTTP/1.1 200 OK\r\n{framing}\r\nX-Worker: {NAME}\r\n\r\n".encode())
    while size:
        part = block[:min(size, len(block))]
        writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n" if chunked else part)
        await writer.drain()
        size -= len(part)
    if chunked:
        writer.write(b"0\r\n\r\n")


async def respond(method, target, fields, reader, writer):
    url = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    body, trailers, sha, size = b"", {}, hashlib.sha256(), 0
    async for part in read_body(reader, fields):
        if isinstance(part, dict):
            trailers = part
        else:
            size += len(part)
            sha.update(part)
            if url.path == "/echo":
                body += part
    if exists(options.rubbish_when):
        writer.write(b"\x16\x03\x01 this is not HTTP at all\r\n\r\n\r\n")
        raise Gone
    if url.path == "/slow":
        await asyncio.sleep(int(query["ms"]) / 1000)
    elif url.path == "/hold":
        while not exists(options.gate):
            await asyncio.sleep(0.01)
    elif url.path == "/exit":
        os._exit(7)
    elif url.path == "/eat":
        eaten.append(b"x" * (int(query["mb"]) << 20))
    elif url.path == "/freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif url.path == "/log":
        print(query["text"], flush=True)
    elif url.path == "/half":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        await writer.drain()
        await asyncio.sleep(0.05)
        os._exit(7)
    if url.path == "/bytes":
        await on_bytes(writer, query)
    elif url.path == "/healthz" and exists(options.sick_when):
        answer(writer, b"sick", "500 Internal Server Error")
    elif url.path == "/echo":
        answer(writer, body, fields=[f"X-Trailers: {json.dumps(trailers)}"])
    elif url.path == "/digest":
        answer(writer, json.dumps({"size": size, "sha256": sha.hexdigest()}).encode())
    elif url.path == "/fields":
        answer(writer, json.dumps({"target": target, "fields": fields}).encode())
    elif url.path == "/environment":
        answer(writer, json.dumps(dict(os.environ)).encode())
    elif url.path == "/descriptors":
        answer(writer, json.dumps({fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                                   if os.path.lexists(f"/proc/self/fd/{fd}")}).encode())
    elif method == "HEAD":
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Worker: {NAME}\r\n\r\n".encode())
    else:
        answer(writer, (str(os.getpid()) if url.path == "/pid" else NAME).encode())


async def serve(reader, writer):
    task = asyncio.current_task()
    tasks.add(task)
    try:
        if exists(options.refuse_when):
            return
        while request := await read_request(reader):
            method, target, version, fields = request
            if options.note:
                with open(options.note, "a") as note:
                    note.write(f"{method} {target} {NAME}\n")
            if target.startswith("/ws") and any(name.lower() == "upgrade" for name, _ in fields):
                await on_websocket(reader, writer, fields)
                return
            await respond(method, target, fields, reader, writer)
            await writer.drain()
            if version == "HTTP/1.0" or ("Connection", "close") in fields:
                return
    except (Gone, ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        tasks.discard(task)
        writer.close()


def on_term():
    if not options.stubborn:
        os._exit(0)


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_term)
    if options.start_delay:
        await asyncio.sleep(options.start_delay / 1000)
    if options.never:
        await asyncio.sleep(3600)
    if options.socket:
        server = await asyncio.start_unix_server(serve, options.socket, backlog=1024, limit=1 << 20)
    elif os.environ.get("LISTEN_FDS"):
        server = await asyncio.start_server(serve, sock=socket.socket(fileno=3), backlog=1024, limit=1 << 20)
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", options.port, backlog=1024, limit=1 << 20)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--socket")
    for name in ("--rubbish-when", "--refuse-when", "--sick-when", "--gate", "--note"):
        parser.add_argument(name)
    for name in ("--crash", "--never", "--stubborn"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--start-delay", type=int, default=0)
    parser.add_argument("--hold", type=int, default=0)
    options = parser.parse_args()
    if options.crash:
        print(f"last words at {time.time():.3f}", file=sys.stderr, flush=True)
        sys.exit(3)
    eaten.append(b"x" * (options.hold << 20))
    asyncio.run(main())
