# SPDX-License-Identifier: MIT
"""A WSGI app that says which process answered."""
import os
import time


def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    body = f"{os.environ.get('WORKER', 'no worker of drover')}, process {os.getpid()}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
