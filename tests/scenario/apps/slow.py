#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A crowd of slow clients, in a process of its own: of each kind so many, each doing as little as keeps it there.

  slow.py PORT COUNT KIND... [--tls CA-FILE] [--part BYTES] [--target PATH]

KIND `head` sends a byte of its head a second; `body` sends a part of its body (--part bytes) and no more; `read` asks for
an answer that its socket cannot hold (--target) and takes a byte of it a second. (A much larger one would fill
the memory that the kernel has for all of TCP, on the worker's side: then everybody waits, whoever is in front.) Says `ready N` when all are there (N: connections), goes on until its
standard input ends, and then says `closed N`: how many drover had closed meanwhile."""
import argparse
import os
import resource
import selectors
import socket
import ssl
import struct
import sys
import time

PER_ADDRESS = 2000  # connections from one address of 127/8: each has ports of its own
SLICES = 250        # of a second: a crowd does not move in step


FIELDS = ("Host: a.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36\r\n"
          "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.9\r\n"
          "Accept-Encoding: gzip, deflate, br, zstd\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\nSec-Fetch-Dest: document\r\n"
          "Upgrade-Insecure-Requests: 1\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n")


class Slow:
    def __init__(self, kind, sock):
        self.kind, self.socket, self.at = kind, sock, 0

    def send(self, data):
        self.socket.setblocking(True)
        self.socket.settimeout(60)
        self.socket.sendall(data)
        self.socket.setblocking(False)


def connect(number, kind, options, context):
    sock = socket.socket()
    sock.settimeout(60)
    if kind == "read":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no TIME_WAIT left behind
    sock.bind((f"127.0.{1 + number // PER_ADDRESS}.1", 0))
    sock.connect(("127.0.0.1", options.port))
    if context:
        sock = context.wrap_socket(sock, server_hostname="a.test", session=context.ticket)
        context.ticket = context.ticket or sock.session
    return Slow(kind, sock)


def begin(client, options):
    if client.kind == "head":
        client.send(f"GET / HTTP/1.1\r\n{FIELDS}X-Slow: ".encode())
    elif client.kind == "body":
        head = f"POST /digest HTTP/1.1\r\n{FIELDS}Content-Length: {options.part + 100000}\r\n\r\n"
        client.send(head.encode() + b"b" * options.part)
    else:
        client.send(f"GET {options.target} HTTP/1.1\r\n{FIELDS}\r\n".encode())


def step(client):
    """Its byte of this second. -> False: drover has closed it."""
    try:
        if client.kind == "head":
            client.socket.send(b"x")
        elif client.kind == "read":
            return bool(client.socket.recv(1))
        else:
            return bool(client.socket.recv(1))
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        pass
    except OSError:
        return False
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("kinds", nargs="+", choices=("head", "body", "read"))
    parser.add_argument("--tls", metavar="CA-FILE")
    parser.add_argument("--part", type=int, default=1000)
    parser.add_argument("--target", default="/bytes?n=450000")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context = None
    if options.tls:
        context = ssl.create_default_context(cafile=options.tls)
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # its tickets can be used again and again: cheap to connect
        context.ticket = None
    clients = []
    for number in range(options.count * len(options.kinds)):
        kind = options.kinds[number % len(options.kinds)]
        client = connect(number, kind, options, context)
        begin(client, options)
        clients.append(client)
    print(f"ready {len(clients)}", flush=True)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    closed, turn = 0, 0
    while not selector.select(1 / SLICES):
        kept = []
        for client in clients[turn::SLICES]:
            if client.socket and not step(client):
                client.socket.close()
                client.socket = None
                closed += 1
        turn = (turn + 1) % SLICES
    print(f"closed {closed}", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
