#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The corpus over HTTP/2, and what only HTTP/2 can say wrong (Python 3.11 and python3-hpack, which only reads the answers).

  h2.py --proxy 127.0.0.1:PORT --backend-port P [--id REGEX] [--class C] [--jobs N] [--verbose]

Every request of cases.jsonl whose head can be told in fields is sent again as HTTP/2 by prior knowledge, twice: with the Host as :authority,
and with it as it came; its body's bytes are DATA, whatever the fields say of them. h2_cases.py has further ones. Heads are coded by an
encoder that checks nothing. Each case has its own connection; behind the proxy the recording backend of run.py listens.

What must come of a request is decided by `verdict`, which is written from RFC 9113 section 8 and docs/behaviour.md and knows nothing of
drover: accepted, it reaches the backend once, whole, the same and clean; refused, no request that is whole reaches it, and the client
sees a 4xx or 5xx, a reset or the end of the connection. Exit status: 0 all passed, 1 some failed, 2 could not run."""
import argparse
import asyncio
import base64
import collections
import ipaddress
import json
import os
import re
import struct
import sys
import time

import hpack

from h2_cases import CASES, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame
from run import RE_HOST, RE_NAME, SOFT, Backend, origin_form

HERE = os.path.dirname(os.path.abspath(__file__))
ACK = 1
CONNECTION_SPECIFIC = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
DROPPED = {b"proxy", b"http2-settings", b"te", b"proxy-authorization", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip",
           b"forwarded", b"x-request-id", b"x-request-start", b"x-scheme", b"x-original-url", b"x-rewrite-url", b"proxy-authenticate",
           b"proxy-authentication-info", b"x-forwarded-port", b"x-forwarded-server", b"x-client-subject"}
LIMIT_HEAD, LIMIT_FIELDS = 32768, 100
WINDOW = 65535


# --- what must come of it

def malformed_field(name, value):
    """RFC 9113 sections 8.2.1 and 8.2.2, and RFC 9110 section 5.5 for the other controls."""
    if not name or re.search(rb"[\x00-\x20A-Z\x7f-\xff:]", name) or not RE_NAME.match(name):
        return "a name that is none"
    if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value) or value[:1] in (b" ", b"\t") or value[-1:] in (b" ", b"\t"):
        return "a value that is none"
    if name in CONNECTION_SPECIFIC or (name == b"te" and value.lower() != b"trailers"):
        return "a connection-specific field"
    return None


def host_is_valid(host):
    if not RE_HOST.match(host):
        return False
    name, port = re.fullmatch(rb"(.*?)(?::([0-9]*))?", host, re.S).groups()
    if name.startswith(b"["):
        try:
            ipaddress.IPv6Address(name[1:-1].decode())
        except ValueError:
            return False
    return (name != b"" or port is None) and int(port or 0) <= 65535


def same_host(one, other):
    return re.sub(rb":80\Z", b"", one.lower()) == re.sub(rb":80\Z", b"", other.lower())


def target_verdict(method, path):
    if not path or re.search(rb"[\x00-\x20\x7f#]", path) or not (path[:1] == b"/" or (path == b"*" and method == b"OPTIONS")):
        return "reject"
    return "either" if re.search(rb"[\x80-\xff]", path) else "accept"


def verdict(fields, body, ends, trailers=None):
    """-> accept, reject or either; and why"""
    pseudo, regular = {}, []
    for name, value in fields:
        if name[:1] == b":":
            if regular or name in pseudo or name not in (b":method", b":scheme", b":authority", b":path"):
                return "reject", "a pseudo-field that is late, twice or unknown"
            if re.search(rb"[\x00-\x20\x7f]", value):
                return "reject", "a pseudo-field with a control or a space"
            pseudo[name] = value
        else:
            why = malformed_field(name, value)
            if why:
                return "reject", why
            regular.append((name, value))
    method = pseudo.get(b":method", b"")
    if not RE_NAME.match(method) or b":path" not in pseudo or pseudo.get(b":scheme") not in (b"http", b"https"):
        return "reject", "a pseudo-field that is missing or none"
    if method in (b"CONNECT", b"TRACE"):
        return "reject", "a method that is not served"
    hosts = [value for name, value in regular if name == b"host"]
    authority = pseudo.get(b":authority")
    if len(hosts) > 1 or (authority is None and not hosts) or any(not host_is_valid(host) for host in hosts + [authority or b""]):
        return "reject", "no Host, two, or none that is one"
    if authority == b"" or (authority is not None and hosts and not same_host(authority, hosts[0])):
        return "reject", "an empty :authority, or one that is not Host's"
    if authority is None and hosts == [b""]:
        return "either", "an empty Host"
    lengths = [value for name, value in regular if name == b"content-length"]
    if len(lengths) > 1 or (lengths and (not re.fullmatch(rb"[0-9]+", lengths[0]) or int(lengths[0]) != len(body))):
        return "reject", "a Content-Length that does not agree"
    if any(name == b"expect" and value.lower() != b"100-continue" for name, value in regular):
        return "reject", "an unknown expectation"
    if sum(len(name) + len(value) + 4 for name, value in fields) > LIMIT_HEAD - 64 or len(regular) > LIMIT_FIELDS:
        return "either", "about the limits"
    for name, value in trailers or ():
        if name[:1] == b":" or malformed_field(name, value):
            return "reject", "a trailer that is none"
    if trailers is not None and ends:
        return "reject", "something after the end"
    return target_verdict(method, pseudo[b":path"]), "its target"


# --- the corpus, told in fields

def translate(case):
    """-> [(suffix, fields, body)], or nothing: there is no head in it that could be told in fields"""
    raw = base64.b64decode(case["raw_b64"])
    head, end, body = raw.partition(b"\r\n\r\n")
    if not end:
        return []
    first, *lines = head.lstrip(b"\r\n").split(b"\r\n")
    words = first.split(b" ")
    if len(words) < 2:
        return []
    method, target = words[0], b" ".join(words[1:-1]) if len(words) > 2 else words[1]
    named = re.match(rb"[A-Za-z][A-Za-z0-9+.\-]*://([^/?#]*)", target)
    path = origin_form(target) if named else target
    regular, hosts = [], [named[1]] if named else []
    for line in lines:
        name, colon, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        regular.append((name.lower() if RE_NAME.match(name) else name, value if colon else b""))
        if name.lower() == b"host":
            hosts.append(value)
    rest = [(name, value) for name, value in regular if name != b"host"]
    start = [(b":method", method), (b":scheme", b"http")]
    results = [("authority", start + [(b":authority", (hosts or [b"example.test"])[0]), (b":path", path)] + rest),
               ("host", start + [(b":path", path)] + regular)]
    if case["class"] in ("segmentation", "incomplete", "limits", "chunked-body", "expect-100"):
        results = results[:1]
    return [(suffix, fields, body) for suffix, fields in results]


def all_cases():
    cases = []
    with open(os.path.join(HERE, "cases.jsonl"), encoding="utf-8") as file:
        for line in file:
            case = json.loads(line)
            for suffix, fields, body in translate(case):
                number = case["id"] + "-h2-" + suffix
                # Its own number, so that what it smuggles is known by it: wherever the old one stands.
                renamed = body.replace(case["id"].encode(), number.encode())
                lengths = (str(len(body)).encode(), str(len(renamed)).encode())
                fields = [(name, lengths[1] if name == b"content-length" and value == lengths[0] else value.replace(case["id"].encode(), number.encode()))
                          for name, value in fields]
                expect, why = verdict(fields, renamed, not renamed)
                cases.append({"id": number, "class": case["class"], "fields": fields, "body": renamed, "expect": expect, "why": why})
    for case in CASES:
        case = dict(case)
        if "frames" not in case and "expect" not in case:
            case["expect"], why = verdict(case["fields"], case.get("body", b""), case.get("ends", not case.get("body")), case.get("trailers"))
            case.setdefault("why", why)
        cases.append(case)
    assert len({case["id"] for case in cases}) == len(cases), "a number twice"
    return cases


def frames_of(case):
    """The bytes of the client, after the preface and its settings, in the pieces that they go out in."""
    if "frames" in case:
        return case["frames"]
    body, trailers = case.get("body", b""), case.get("trailers")
    ends = case.get("ends", not body and trailers is None)
    coded = block(case["fields"])
    pieces = [coded[i:i + 16384] for i in range(0, len(coded), 16384)]
    out = b"".join(frame(HEADERS if i == 0 else 9, (END_HEADERS if i == len(pieces) - 1 else 0) | (END_STREAM if ends and i == 0 else 0), 1, piece)
                   for i, piece in enumerate(pieces))
    chunks = [body[i:i + 16384] for i in range(0, len(body), 16384)]
    pieces = [out]
    for i, chunk in enumerate(chunks):
        pieces.append(frame(DATA, END_STREAM if trailers is None and i == len(chunks) - 1 else 0, 1, chunk))
    if trailers is not None:
        pieces.append(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(trailers)))
    return [b"".join(pieces)] if len(body) < WINDOW else pieces


# --- the client

class Answer:
    def __init__(self):
        self.status, self.fields, self.reset, self.goaway, self.closed, self.ended = None, {}, None, None, False, False
        self.windows = [WINDOW, WINDOW]  # of the connection, of the stream

    @property
    def is_over(self):
        return self.ended or self.reset is not None or self.goaway is not None or self.closed


async def read_answer(reader, writer, answer, stream=1):
    decoder = hpack.Decoder()
    gathered = b""
    while True:
        head = await reader.readexactly(9)
        payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
        kind, flags, number = head[3], head[4], int.from_bytes(head[5:], "big") & 0x7fffffff
        if kind == SETTINGS and not flags & ACK:
            writer.write(frame(SETTINGS, ACK))
        elif kind == WINDOW_UPDATE and number in (0, stream):
            answer.windows[number > 0] += int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            answer.goaway = int.from_bytes(payload[4:8], "big")
        elif kind == RST_STREAM and number == stream:
            answer.reset = int.from_bytes(payload, "big")
        elif kind in (HEADERS, 9):
            gathered += payload
            if flags & END_HEADERS:
                fields, gathered = dict(decoder.decode(gathered, raw=True)), b""
                if number == stream and answer.status is None and not fields.get(b":status", b"1").startswith(b"1"):
                    answer.status, answer.fields = int(fields[b":status"]), fields
        elif kind == DATA and payload:
            writer.write(frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", len(payload))))
        if kind in (HEADERS, DATA) and flags & END_STREAM and number == stream:
            answer.ended = True


async def play(case, address, deadline):
    answer = Answer()
    reader, writer = await asyncio.wait_for(asyncio.open_connection(*address), 5)
    until = time.monotonic() + deadline
    writer.write(case.get("preface", PREFACE + frame(SETTINGS)))
    task = asyncio.create_task(read_answer(reader, writer, answer, case.get("stream", 1)))
    try:
        pieces = frames_of(case)
        for piece in pieces:
            if len(pieces) > 1 and "fields" in case:  # a large body goes as fast as it may
                while min(answer.windows) < len(piece) and not answer.is_over and time.monotonic() < until:
                    await asyncio.sleep(0.002)
                answer.windows = [window - (len(piece) - 9 if piece[3] == DATA else 0) for window in answer.windows]
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        while not answer.is_over and not task.done() and time.monotonic() < until:
            await asyncio.sleep(0.005)
        if case.get("waits"):
            await asyncio.sleep(case["waits"])
    except (ConnectionError, OSError):
        answer.closed = True
    if task.done():
        answer.closed = True
        if not task.cancelled() and not isinstance(task.exception(), (asyncio.IncompleteReadError, ConnectionError, type(None))):
            raise task.exception()
    task.cancel()
    writer.transport.abort()
    return answer


# --- the judge

def expected_fields(case):
    """Those that the backend must see."""
    return [(name, value) for name, value in case["fields"] if name[:1] != b":" and name not in DROPPED and name not in (b"host", b"content-length", b"cookie", b"expect", b"via", b"max-forwards")
            and b"_" not in name]


def judge_accepted(case, record, bad):
    pseudo = {name: value for name, value in case["fields"] if name[:1] == b":"}
    if record["method"] != pseudo[b":method"] or record["target"] != pseudo[b":path"]:
        bad.append(f"LINE({record['method']} {record['target'][:60]})")
    if record["body"] != case.get("body", b""):
        bad.append(f"BODY({record['body'][:40]})")
    hosts = [value for name, value in record["hs"] if name == b"host"]
    wanted = pseudo.get(b":authority") or next((value for name, value in case["fields"] if name == b"host"), b"")
    if hosts != [wanted]:
        bad.append(f"HOST({hosts})")
    for name, value in expected_fields(case):
        if (name, value) not in record["hs"]:
            bad.append(f"LOST({name})")
    cookies = [value for name, value in case["fields"] if name == b"cookie"]
    if cookies and [value for name, value in record["hs"] if name == b"cookie"] != [b"; ".join(cookies)]:
        bad.append("COOKIE")
    for name, _ in record["hs"]:
        if name in case.get("forbid", ()):
            bad.append(f"FORWARDED({name})")


def judge(case, answer, records):
    bad = []
    main = [record for record in records if record["kind"] == "c" and record["complete"]]
    if any(record["kind"] == "s" and record["complete"] for record in records):
        bad.append("SMUGGLED")
    for record in records:
        if record["hz"] - SOFT:
            bad.append("DIRTY(" + ",".join(sorted(record["hz"] - SOFT)) + ")")
    if len(main) > case.get("count", 1):
        bad.append(f"COUNT({len(main)})")
    shown = answer.fields.get(b"x-backend-id")
    if shown is not None and shown != case["id"].encode():
        bad.append(f"MIXUP({shown})")
    if case["expect"] == "reject" and main:
        bad.append("ACCEPTED")
    elif case["expect"] == "reject" or (case["expect"] == "either" and not main):
        if not answer.is_over and not case.get("silence"):
            bad.append("TIMEOUT")
        elif answer.status is not None and answer.status < 400:
            bad.append(f"STATUS({answer.status})")
    elif not main:
        bad.append(f"REFUSED({answer.status}, reset {answer.reset}, goaway {answer.goaway})")
    elif "fields" in case:
        judge_accepted(case, main[0], bad)
    if case["expect"] == "accept" and main and answer.status != 200:
        bad.append(f"STATUS({answer.status}, reset {answer.reset}, goaway {answer.goaway})")
    if "codes" in case and not (case.get("silence") and not answer.is_over) and (answer.goaway if answer.goaway is not None else answer.reset) not in case["codes"] and not main:
        bad.append(f"CODE(reset {answer.reset}, goaway {answer.goaway})")
    return bad


# --- all of it

def hello(name):
    return {"id": name, "fields": [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"example.test"), (b":path", b"/c/" + name.encode())], "expect": "accept"}


async def run(options):
    host, _, port = options.proxy.rpartition(":")
    address = (host or "127.0.0.1", int(port))
    cases = [case for case in all_cases() if (not options.cls or case["class"] in options.cls.split(",")) and (not options.id or re.search(options.id, case["id"]))]
    backend = Backend({}, {})
    server = await asyncio.start_server(backend.handle, "127.0.0.1", options.backend_port, limit=1 << 20, backlog=512)
    started, answers = time.monotonic(), {}
    for _ in range(12):
        if (await play(hello("hello"), address, 1)).status == 200:
            break
        await asyncio.sleep(0.25)
    else:
        print(f"proxy {options.proxy} does not forward a plain GET to port {options.backend_port}")
        return 2
    turn = asyncio.Semaphore(options.jobs)

    async def one(case):
        async with turn:
            answers[case["id"]] = await play(case, address, options.deadline)
    await asyncio.gather(*(one(case) for case in cases))
    await asyncio.sleep(0.3)
    alive = (await play(hello("goodbye"), address, 3)).status == 200
    for writer in list(backend.writers):
        writer.transport.abort()
    server.close()

    table, failed = collections.OrderedDict(), 0
    for case in cases:
        bad = judge(case, answers[case["id"]], backend.log.get(case["id"], []))
        row = table.setdefault(case["class"], collections.Counter())
        row[case["expect"]] += 1
        row["failed"] += bool(bad)
        failed += bool(bad)
        if bad:
            print(f"FAIL {case['id']:<48} want={case['expect']} {' '.join(bad)} -- {case.get('why', '')}")
            if options.verbose:
                for record in backend.log.get(case["id"], []):
                    print(f"     backend: {record['kind']} {'complete' if record['complete'] else 'partial'} {record['raw'][:300]}")
    known = set(answers) | {"hello", "goodbye"}
    stray = [record["raw"] for number, records in backend.log.items() if number not in known for record in records if record["complete"]]
    stray += [record["raw"] for record in backend.lost if record["raw"].strip()]
    for raw in stray[:10]:
        print(f"STRAY at the backend: {raw[:160]}")
    print(f"{'class':<20} {'accept':>7} {'reject':>7} {'either':>7} {'failed':>7}")
    for name, row in table.items():
        print(f"{name:<20} {row['accept']:>7} {row['reject']:>7} {row['either']:>7} {row['failed']:>7}")
    if not alive:
        print("PROXY NO LONGER ANSWERS")
    print(f"passed {len(cases) - failed} of {len(cases)}, failed {failed}, stray {len(stray)}, {time.monotonic() - started:.1f} s")
    return 1 if failed or stray or not alive else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--proxy", default="127.0.0.1:21001")
    parser.add_argument("--backend-port", type=int, default=21901)
    parser.add_argument("--class", dest="cls", default="", help="comma-separated classes")
    parser.add_argument("--id", default="", help="regular expression on case ids")
    parser.add_argument("--jobs", type=int, default=24)
    parser.add_argument("--deadline", type=float, default=4, help="seconds to wait for the end of a case")
    parser.add_argument("--verbose", action="store_true", help="show what the backend got for each failure")
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
