// SPDX-License-Identifier: MIT
// A node app with ws. It listens where the environment says: LISTEN_FDS (descriptor 3), SOCKET or PORT.
const http = require('http');
const { WebSocketServer } = require('ws');

const worker = process.env.WORKER || '?';
const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', part => parts.push(part));
    request.on('end', () => {
        response.setHeader('X-Worker', worker);
        response.end(request.url === '/echo' ? Buffer.concat(parts) : JSON.stringify({ worker, pid: process.pid }));
    });
});
const sockets = new WebSocketServer({ server, path: '/ws' });
sockets.on('headers', headers => headers.push('X-Worker: ' + worker));
sockets.on('connection', socket => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));

process.on('SIGTERM', () => { server.close(() => process.exit(0)); sockets.close(); });
if (process.env.LISTEN_FDS)
    server.listen({ fd: 3 });
else if (process.argv[2] === 'socket')
    server.listen(process.env.SOCKET || process.argv[3]);
else
    server.listen(Number(process.env.PORT || process.argv[3]), '127.0.0.1');
