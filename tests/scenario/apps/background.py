#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A worker that listens nowhere: a scheduler, a consumer of a queue. Each step is a line `TIME WORD WORKER PID [MORE]` in the file.

  background.py --file FILE [--finish MS] [--stubborn] [--crash] [--lives MS] [--lock FILE]

--finish MS: after TERM it works on for so long. --stubborn: ignores TERM. --crash: ends at once with a last word. --lives MS: ends by itself.
--lock FILE: there is one at a time, else it says `twice`.
"""
import argparse
import fcntl
import os
import signal
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--file", required=True)
parser.add_argument("--finish", type=int, default=0)
parser.add_argument("--stubborn", action="store_true")
parser.add_argument("--crash", action="store_true")
parser.add_argument("--lives", type=int)
parser.add_argument("--lock")
options = parser.parse_args()


def say(word, more=""):
    with open(options.file, "a") as file:
        file.write(f"{time.monotonic():.6f} {word} {os.environ['WORKER']} {os.getpid()} {more}\n")


def on_term(number, frame):
    say("term")
    if options.stubborn:
        return
    time.sleep(options.finish / 1000)
    say("end")
    os._exit(0)


signal.signal(signal.SIGTERM, on_term)
if options.lock:
    lock = open(options.lock, "a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say("twice")
say("start", ",".join(name for name in ("PORT", "SOCKET", "LISTEN_FDS", "WEB_CONCURRENCY") if name in os.environ))
if options.crash:
    print("no broker here", file=sys.stderr)
    sys.exit(7)
if options.lives is not None:
    time.sleep(options.lives / 1000)
    say("end")
    sys.exit(0)
while True:
    signal.pause()
