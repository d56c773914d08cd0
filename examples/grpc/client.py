# SPDX-License-Identifier: MIT
# Calls the service: python3 client.py [HOST:PORT]
import sys

import grpc

channel = grpc.insecure_channel(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8000")
for _ in range(4):
    print(channel.unary_unary("/demo.Demo/Greet")(b"you", timeout=5).decode())
for number in channel.unary_stream("/demo.Demo/Count")(b"3", timeout=5):
    print(number.decode())
