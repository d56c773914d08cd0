// SPDX-License-Identifier: MIT
// A page and a WebSocket echo; each says which worker answered.
const http = require('http');
const { WebSocketServer } = require('ws');

const worker = process.env.WORKER || 'no worker of drover';
const server = http.createServer((request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ worker, pid: process.pid }) + '\n');
});
const sockets = new WebSocketServer({ server, path: '/ws' });
sockets.on('connection', socket => socket.on('message', data => socket.send(`${worker}: ${data}`)));

process.on('SIGTERM', () => { sockets.close(); server.close(() => process.exit(0)); });
server.listen(process.env.SOCKET);
