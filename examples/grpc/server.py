# SPDX-License-Identifier: MIT
# A gRPC service without generated code: /demo.Demo/Greet answers once, /demo.Demo/Count again and again. Messages are bytes.
import os
import signal
import sys
import time
from concurrent import futures

import grpc

WORKER = os.environ.get("WORKER", "no worker of drover")


def greet(request, context):
    return b"hello " + request + b", this is " + WORKER.encode()


def count(request, context):
    for number in range(int(request)):
        yield str(number).encode()
        time.sleep(0.1)


class Demo(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/demo.Demo/Greet":
            return grpc.unary_unary_rpc_method_handler(greet)
        if details.method == "/demo.Demo/Count":
            return grpc.unary_stream_rpc_method_handler(count)
        return None


server = grpc.server(futures.ThreadPoolExecutor(16), handlers=(Demo(),))
server.add_insecure_port("unix:" + sys.argv[1])
server.start()
signal.signal(signal.SIGTERM, lambda *_: server.stop(10))  # calls that are under way are finished
server.wait_for_termination()
