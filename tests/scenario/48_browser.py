# SPDX-License-Identifier: MIT
"""What a browser makes of it: Chromium loads a page and opens a WebSocket, over HTTP/2 and over HTTP/1.1."""
import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
from urllib.parse import parse_qs, urlsplit

from certificates import Authority
from kit import PATIENCE, Skipped, die_with_parent, free_port, scenario, until
from wire import GUID

PAGE = """<!doctype html><title>page</title><link rel=stylesheet href=/style.css><script>
const sizes = [], report = result => fetch('/report?' + new URLSearchParams(result));
onerror = (text) => report({error: text});
onload = async () => {
  const parts = await Promise.all(Array.from({length: 24}, (_, i) => fetch('/part?n=' + i).then(answer => answer.text())));
  const echo = await (await fetch('/echo', {method: 'POST', body: 'x'.repeat(300000)})).text();
  const socket = new WebSocket('wss://' + location.host + '/ws'), heard = [];
  socket.onopen = () => { socket.send('hello'); socket.send('y'.repeat(70000)); };
  socket.onerror = () => report({error: 'socket'});
  socket.onmessage = message => { heard.push(message.data.length); if (heard.length === 2) socket.close(1000, 'bye'); };
  socket.onclose = event => report({parts: parts.join(), echo: echo.length, heard: heard.join(), code: event.code, clean: event.wasClean,
    style: getComputedStyle(document.body).color, spoken: performance.getEntriesByType('navigation')[0].nextHopProtocol,
    parts_spoken: [...new Set(performance.getEntriesByType('resource').map(entry => entry.nextHopProtocol))].join()});
};
</script><body>hello"""

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--disable-extensions", "--disable-default-apps", "--disable-dev-shm-usage", "--no-proxy-server", "--ignore-certificate-errors",
         "--host-resolver-rules=MAP * 127.0.0.1")


def echo_frames(link):
    """Until the close frame, which is answered with itself."""
    while True:
        first, second = link.take(2)
        size = second & 0x7f
        size = int.from_bytes(link.take(2), "big") if size == 126 else int.from_bytes(link.take(8), "big") if size == 127 else size
        mask, data = link.take(4), link.take(size)
        data = (int.from_bytes(data, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")).to_bytes(size, "big")
        head = bytes([first, size]) if size < 126 else bytes([first, 126]) + size.to_bytes(2, "big") if size < 65536 else bytes([first, 127]) + size.to_bytes(8, "big")
        link.send(head + data)
        if first & 15 == 8:
            return


def play(link):
    while asked := link.read_request():
        url = urlsplit(asked.target)
        if asked.field("Upgrade"):
            accept = base64.b64encode(hashlib.sha1(asked.field("Sec-WebSocket-Key").encode() + GUID).digest()).decode()
            link.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n")
            echo_frames(link)
            return
        if url.path == "/":
            link.answer(PAGE, fields=[("Content-Type", "text/html; charset=utf-8")])
        elif url.path == "/style.css":
            link.answer("body { color: rgb(1, 2, 3) }", fields=[("Content-Type", "text/css")])
        elif url.path == "/part":
            link.answer(parse_qs(url.query)["n"][0])
        elif url.path == "/echo":
            link.answer(asked.body)
        else:
            link.answer("", status="204 No Content" if url.path == "/report" else "404 Not Found")


def browse(stage, url, seen):
    """Lets Chromium load that, until `seen` gives something."""
    program = shutil.which("chromium")
    if not program:
        raise Skipped("chromium is not there")
    home = stage.path("home")
    os.makedirs(home, exist_ok=True)
    with open(stage.path("chromium.log"), "w") as log:
        browser = subprocess.Popen([program, *FLAGS, f"--user-data-dir={home}/profile", url], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                   env={**os.environ, "HOME": home, "XDG_RUNTIME_DIR": home}, preexec_fn=die_with_parent)

    def said():
        with open(stage.path("chromium.log"), errors="replace") as file:
            return f"chromium has not reported: {file.read()[-1500:]}"
    try:
        return until(seen, said, 40)
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait(10 * PATIENCE)


def result_of(stage, **listener):
    authority, port = Authority(stage), free_port()
    backend = stage.backend(play)
    drover = stage.front(backend, top={"listen": [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{port}", "tls": authority.issue("a.test"), **listener}]})
    reports = browse(stage, f"https://a.test:{port}/", lambda: [request for request in list(backend.requests) if request.target.startswith("/report")])
    result = {key: values[0] for key, values in parse_qs(urlsplit(reports[0].target).query).items()}
    until(lambda: any("/ws " in line for line in drover.access_lines()), "the WebSocket's line in the log")
    return result, drover.access_lines(), backend


WANTED = {"parts": ",".join(str(i) for i in range(24)), "echo": "300000", "heard": "5,70000", "code": "1000", "clean": "true", "style": "rgb(1, 2, 3)"}


@scenario(limit=90)
def chromium_loads_a_page_and_opens_a_websocket_over_http_2(stage):
    result, lines, backend = result_of(stage)
    assert result == {**WANTED, "spoken": "h2", "parts_spoken": "h2"}, result
    asked = [line for line in lines if '"GET ' in line or '"POST ' in line]
    assert len(asked) >= 28 and all(' HTTP/2.0" ' in line for line in asked), asked
    assert any(re.search(r'"GET /ws HTTP/2\.0" 101 ', line) for line in lines), lines
    handshake = next(request for request in backend.requests if request.target == "/ws")
    assert handshake.version == "HTTP/1.1" and handshake.field("Origin").startswith("https://a.test"), handshake


@scenario(limit=90)
def and_over_http_1(stage):
    result, lines, _ = result_of(stage, http2=False)
    assert result == {**WANTED, "spoken": "http/1.1", "parts_spoken": "http/1.1"}, result
    assert any(re.search(r'"GET /ws HTTP/1\.1" 101 ', line) for line in lines), lines
    assert not any("HTTP/2" in line for line in lines), lines
