# SPDX-License-Identifier: MIT
"""A real Socket.IO server: its polling transport keeps each client's connection in the memory of one process."""
import os

import socketio

server = socketio.AsyncServer(async_mode="asgi", ping_interval=5)
app = socketio.ASGIApp(server)


@server.event
async def say(_, text):
    return [os.environ["WORKER"], text]
