# SPDX-License-Identifier: MIT
"""Calls of gRPC, by Debian's grpcio on both sides: through drover they end as they would without it."""
import os
import queue
import threading
import time

import grpc

from kit import free_port, app, scenario, until

SAME = {"request_serializer": lambda data: data, "response_deserializer": lambda data: data}


def workers(stage, count=1, top=None, **pool):
    return stage.drover(stage.config({"web": {"command": app("grpc_worker.py", "$PORT"), "workers": count, "protocol": "h2", **pool}},
                                     **(top or {})))


class Caller:
    def __init__(self, stage, where, credentials=None):
        where = where if isinstance(where, str) else f"127.0.0.1:{where}"
        # one connection for each: grpc shares them between channels that look the same
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
        self.channel = grpc.secure_channel(where, credentials, options) if credentials else grpc.insecure_channel(where, options)
        stage.closing.callback(self.channel.close)

    def unary(self, name, request=b"", timeout=10, **more):
        return self.channel.unary_unary(f"/t.T/{name}", **SAME)(request, timeout=timeout, **more)

    def unary_call(self, name, request=b"", timeout=10, **more):
        return self.channel.unary_unary(f"/t.T/{name}", **SAME).with_call(request, timeout=timeout, **more)

    def later(self, name, request=b"", timeout=10):
        return self.channel.unary_unary(f"/t.T/{name}", **SAME).future(request, timeout=timeout)

    def stream(self, name, request=b"", timeout=10):
        return self.channel.unary_stream(f"/t.T/{name}", **SAME)(request, timeout=timeout)

    def upload(self, name, requests, timeout=10):
        return self.channel.stream_unary(f"/t.T/{name}", **SAME)(requests, timeout=timeout)

    def chat(self, requests, timeout=10):
        return self.channel.stream_stream("/t.T/Chat", **SAME)(requests, timeout=timeout)


def error_of(call):
    try:
        result = call()
        list(result) if hasattr(result, "__next__") else result
    except grpc.RpcError as error:
        return error
    raise AssertionError("it succeeded")


def talk():
    """An iterator that gives what is put in, and ends with None."""
    words = queue.Queue()
    return words, iter(words.get, None)


@scenario()
def a_call_of_each_kind(stage):
    drover = workers(stage, 2)
    caller = Caller(stage, drover.port)
    answer, call = caller.unary_call("Echo", b"hello", metadata=(("x-asked", "yes"), ("x-raw-bin", b"\0\1\2")))
    assert answer == b"hello" and call.code() == grpc.StatusCode.OK
    assert dict(call.initial_metadata())["x-worker"].startswith("web."), call.initial_metadata()
    assert dict(call.trailing_metadata()) == {"x-trailer": "late", "x-said-bin": b"\0\xff"}, call.trailing_metadata()
    assert [int(part) for part in caller.stream("Count", b"50 0")] == list(range(50))
    assert caller.upload("Total", (b"x" * 1000 for _ in range(100))) == b"100000"
    words, asked = talk()
    answers = caller.chat(asked)
    for word in (b"one", b"two", b"", b"x" * 100_000):
        words.put(word)
        assert next(answers) == word
    words.put(None)
    assert list(answers) == [] and answers.code() == grpc.StatusCode.OK
    told = caller.unary("Tell", metadata=(("x-asked", "yes"),)).decode()
    assert "x-asked: yes" in told and "x-forwarded-for: 127.0.0.1" in told, told


@scenario()
def many_calls_at_once_share_links_and_spread(stage):
    drover = workers(stage, 2)
    callers = [Caller(stage, drover.port) for _ in range(4)]
    calls = [caller.later("Echo", b"%d" % i) for i in range(100) for caller in callers]
    assert sorted(int(call.result()) for call in calls) == sorted(i for i in range(100) for _ in callers)
    assert {worker["requests"] > 50 for worker in drover.workers()} == {True}, drover.workers()
    assert all(worker["fails"] == 0 and worker["active_connections"] == 0 for worker in drover.workers())


@scenario()
def thousands_of_small_calls_and_messages_are_no_flood(stage):
    caller = Caller(stage, workers(stage).port)
    failures = []

    def call():
        try:
            for _ in range(600):
                assert caller.unary("Echo", b"x") == b"x"
        except grpc.RpcError as error:
            failures.append(error)
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    words, asked = talk()
    answers = caller.chat(asked, timeout=30)
    for _ in range(2000):
        words.put(b"y")
        assert next(answers) == b"y"
    words.put(None)
    for thread in threads:
        thread.join()
    assert not failures and list(answers) == [], failures


@scenario()
def errors_come_as_the_worker_said_them(stage):
    caller = Caller(stage, workers(stage).port)
    error = error_of(lambda: caller.unary("Fail"))
    assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "no such thing: é %"), error
    assert error_of(lambda: caller.unary("Nothing")).code() == grpc.StatusCode.UNIMPLEMENTED


@scenario()
def a_deadline_ends_a_call_on_both_sides(stage):
    drover = workers(stage)
    caller = Caller(stage, drover.port)
    assert error_of(lambda: caller.unary("Sleep", b"30", timeout=0.5)).code() == grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: caller.unary("Tell").split(b"\n")[0].endswith(b" 1"), "the worker goes on")
    until(lambda: drover.workers()[0]["active_connections"] == 0, "the place is held")


@scenario()
def a_cancelled_call_is_cancelled_in_the_worker(stage):
    drover = workers(stage, concurrency=3)
    caller = Caller(stage, drover.port)
    calls = [caller.later("Sleep", b"30", timeout=60) for _ in range(2)]
    stream = caller.stream("Count", b"100000 0.02", timeout=60)
    assert next(stream) == b"0"
    until(lambda: drover.workers()[0]["active_connections"] == 3, "they do not come")
    for call in [*calls, stream]:
        call.cancel()
    until(lambda: drover.workers()[0]["active_connections"] == 0, "places are held")
    until(lambda: caller.unary("Tell").split(b"\n")[0].endswith(b" 3"), "the worker goes on")


@scenario()
def silence_within_a_call_is_no_stall(stage):
    drover = workers(stage, top={"timeouts": {"stall": "300ms", "body": "300ms", "send": "300ms", "keep_alive": "300ms"}})
    caller = Caller(stage, drover.port)
    words, asked = talk()
    answers = caller.chat(asked, timeout=20)
    for word in (b"one", b"two", b"three"):
        words.put(word)
        assert next(answers) == word
        time.sleep(0.8)
    words.put(None)
    assert list(answers) == []
    assert [next(stream) for stream in [caller.stream("Count", b"3 0.8")] for _ in range(3)] == [b"0", b"1", b"2"]


@scenario()
def a_reader_that_is_slow_slows_the_worker_and_nobody_else(stage):
    drover = workers(stage, top={"threads": 1, "limits": {"body": 0}})
    caller, other = Caller(stage, drover.port), Caller(stage, drover.port)
    words, asked = talk()
    answers = caller.chat(asked, timeout=60)
    total = 60

    def ask():
        for _ in range(total):
            words.put(b"x" * 500_000)
        words.put(None)
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    for _ in range(20):
        assert other.unary("Echo", b"quick", timeout=5) == b"quick"
    assert sum(len(answer) for answer in answers) == total * 500_000
    asking.join()


@scenario(limit=40)
def a_worker_that_dies_amid_calls(stage):
    drover = workers(stage, 2)
    caller = Caller(stage, drover.port)
    conversations = []
    for _ in range(4):
        words, asked = talk()
        answers = caller.chat(asked, timeout=30)
        words.put(b"hello")
        assert next(answers) == b"hello"
        conversations.append((words, answers))
    conversations[0][0].put(b"die")
    codes = []
    for words, answers in conversations:
        words.put(b"again")
        words.put(None)
        try:
            assert list(answers)[-1:] == [b"again"]
            codes.append("OK")
        except grpc.RpcError as error:
            codes.append(error.code().name)
    assert sorted(codes) == ["OK", "OK", "UNAVAILABLE", "UNAVAILABLE"], codes
    drover.wait_workers("web", 2)
    assert caller.unary("Echo", b"on") == b"on"


@scenario(limit=40)
def calls_go_on_through_a_rollout(stage):
    drover = workers(stage, 2)
    caller = Caller(stage, drover.port)
    failures, stop, count = [], threading.Event(), [0]

    def call():
        while not stop.is_set():
            try:
                caller.unary("Echo", b"x")
                count[0] += 1
            except grpc.RpcError as error:
                failures.append((error.code(), error.details()))
    threads = [threading.Thread(target=call, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    words, asked = talk()
    answers = caller.chat(asked, timeout=30)
    words.put(b"before")
    assert next(answers) == b"before"
    before = drover.pids()
    rollout = threading.Thread(target=lambda: drover.told("restart", "web"), daemon=True)
    rollout.start()
    until(lambda: set(drover.pids()) != set(before), "nobody is replaced")
    words.put(b"after")
    assert next(answers) == b"after"  # on the worker where it began
    words.put(None)
    assert list(answers) == []
    rollout.join()
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures and count[0] > 20, (failures[:3], count)


@scenario()
def drovers_own_answers_are_statuses_of_grpc(stage):
    codes = grpc.StatusCode
    drover = workers(stage, concurrency=1, queue={"length": 0}, top={"timeouts": {"response": "500ms"}})
    caller = Caller(stage, drover.port)
    error = error_of(lambda: caller.unary("Sleep", b"3"))
    assert (error.code(), error.details()) == (codes.DEADLINE_EXCEEDED, "response_timeout"), error
    held = caller.later("Sleep", b"0.3")
    until(lambda: drover.workers()[0]["active_connections"] == 1, "it does not come")
    error = error_of(lambda: caller.unary("Echo"))
    assert (error.code(), error.details()) == (codes.UNAVAILABLE, "queue_full"), error
    assert held.result() == b"slept"
    until(lambda: any(" 503 " in line and " queue_full " in line for line in drover.access_lines()), drover.access_lines)

    dead = stage.front(f"127.0.0.1:{free_port()}", protocol="h2", top={"limits": {"body": "1k"}})
    caller = Caller(stage, dead.port)
    error = error_of(lambda: caller.unary("Echo"))
    assert (error.code(), error.details()) == (codes.UNAVAILABLE, "refused"), error

    small = Caller(stage, workers(stage, top={"limits": {"body": "1k"}}).port)
    error = error_of(lambda: small.unary("Echo", b"x" * 100_000))
    assert (error.code(), error.details()) == (codes.RESOURCE_EXHAUSTED, "body_too_large"), error

    nowhere = stage.drover(stage.config({"web": {"servers": ["127.0.0.1:1"], "protocol": "h2"}}, routes=[{"path": "/other", "pool": "web"}]),
                           wait="up")
    assert error_of(lambda: Caller(stage, nowhere.port).unary("Echo")).code() == codes.UNIMPLEMENTED


@scenario()
def over_tls_and_over_a_unix_socket(stage):
    from certificates import Authority
    authority = Authority(stage)
    pair = authority.issue("localhost")
    tls, unix = free_port(), stage.path("listen.sock")
    drover = stage.drover(stage.config(
        {"web": {"command": app("grpc_worker.py", "unix:$SOCKET"), "workers": 2, "protocol": "h2"}},
        listen=[f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{tls}", "tls": pair}, f"unix:{unix}"]))
    with open(authority.file, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    for where, with_tls in ((f"localhost:{tls}", credentials), (f"unix:{unix}", None), (f"127.0.0.1:{drover.port}", None)):
        caller = Caller(stage, where, with_tls)
        assert caller.unary("Echo", b"secret") == b"secret"
        assert len(list(caller.stream("Count", b"10 0"))) == 10
    assert os.path.exists(unix)
