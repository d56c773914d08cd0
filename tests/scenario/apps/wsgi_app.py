# SPDX-License-Identifier: MIT
"""A WSGI app for gunicorn."""
import os
import time
from urllib.parse import parse_qs


LEAKED = []


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        time.sleep(int(parse_qs(environ["QUERY_STRING"]).get("ms", ["300"])[0]) / 1000)
    if path == "/leak":
        LEAKED.append(os.urandom(64 * 1024))
    body = environ["wsgi.input"].read() if path == "/echo" else str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body))),
                              ("X-Worker", os.environ.get("WORKER", "?"))])
    return [body]
