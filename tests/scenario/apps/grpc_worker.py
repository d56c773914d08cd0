# SPDX-License-Identifier: MIT
"""A worker of gRPC, without protoc: messages are bytes. It listens where its first argument says: a port, or unix:PATH."""
import os
import signal
import sys
import time
from concurrent import futures

import grpc

WORKER = os.environ.get("WORKER", "?")
left = []


def same(data):
    return data


def echo(request, context):
    context.send_initial_metadata((("x-worker", WORKER),))
    context.set_trailing_metadata((("x-trailer", "late"), ("x-said-bin", b"\0\xff")))
    return request


def fail(request, context):
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such thing: é %")


def sleep(request, context):
    until = time.monotonic() + float(request)
    while time.monotonic() < until:
        if not context.is_active():
            left.append(1)
            return b""
        time.sleep(0.02)
    return b"slept"


def count(request, context):
    number, pause = request.decode().split()
    for i in range(int(number)):
        if not context.is_active():
            left.append(1)
            return
        yield str(i).encode()
        time.sleep(float(pause))


def total(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def chat(requests, context):
    for request in requests:
        if request == b"die":
            os.kill(os.getpid(), signal.SIGKILL)
        yield request


def tell(request, context):
    """What it knows: of calls that were cancelled, and its metadata."""
    fields = "".join(f"{key}: {value}\n" for key, value in context.invocation_metadata() if not key.endswith("-bin"))
    return f"{os.getpid()} {len(left)}\n{fields}".encode()


class Calls(grpc.GenericRpcHandler):
    KINDS = {"Echo": (grpc.unary_unary_rpc_method_handler, echo), "Fail": (grpc.unary_unary_rpc_method_handler, fail),
             "Sleep": (grpc.unary_unary_rpc_method_handler, sleep), "Tell": (grpc.unary_unary_rpc_method_handler, tell),
             "Count": (grpc.unary_stream_rpc_method_handler, count), "Total": (grpc.stream_unary_rpc_method_handler, total),
             "Chat": (grpc.stream_stream_rpc_method_handler, chat)}

    def service(self, details):
        make, call = self.KINDS.get(details.method.rpartition("/")[2], (None, None))
        return make(call, same, same) if make else None


server = grpc.server(futures.ThreadPoolExecutor(64), handlers=(Calls(),), options=(("grpc.so_reuseport", 0),))
where = sys.argv[1]
if not server.add_insecure_port(where if where.startswith("unix:") else f"127.0.0.1:{where}"):
    sys.exit("cannot listen")
server.start()
signal.signal(signal.SIGTERM, lambda *_: server.stop(5))
server.wait_for_termination()
