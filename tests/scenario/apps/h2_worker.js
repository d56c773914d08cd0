// SPDX-License-Identifier: MIT
// A worker that speaks HTTP/2 by prior knowledge, and nothing else. It listens on descriptor 3 (LISTEN_FDS), else
// where its first argument says: a socket's path or a port.
const http2 = require('http2');

const worker = process.env.WORKER || '?';
const server = http2.createServer({ settings: { maxConcurrentStreams: Number(process.env.STREAMS || 100) } });
let links = 0, calls = 0;

server.on('session', () => links++);
server.on('sessionError', () => {});
server.on('stream', (stream, headers) => {
    const url = new URL(headers[':path'], 'http://x'), number = Number(url.searchParams.get('n') || 0);
    const answer = (text, more) => { stream.respond({ ':status': 200, 'x-worker': worker, ...more }); stream.end(text); };

    calls++;
    stream.on('error', () => {});
    switch (url.pathname) {
    case '/echo': {
        const parts = [];
        stream.on('data', part => parts.push(part));
        stream.on('end', () => answer(Buffer.concat(parts)));
        return;
    }
    case '/slow': setTimeout(() => { if (!stream.destroyed) answer('slow'); }, number); return;
    case '/big': answer(Buffer.alloc(number, 'x')); return;
    case '/nothing': stream.respond({ ':status': 204 }, { endStream: true }); return;
    case '/trailers':
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-late': 'word' }));
        stream.end('body');
        return;
    case '/early':
        stream.additionalHeaders({ ':status': 103, link: '</style.css>' });
        answer('early');
        return;
    case '/events': {
        let sent = 0;
        stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
        const timer = setInterval(() => { stream.write(`data: ${sent++}\n\n`); }, 50);
        stream.on('close', () => clearInterval(timer));
        return;
    }
    case '/half':
        stream.respond({ ':status': 200 });
        stream.write('half');
        setTimeout(() => stream.destroy(new Error('broken')), 50);
        return;
    case '/half-die':
        stream.respond({ ':status': 200 });
        stream.write('half');
        setTimeout(() => process.kill(process.pid, 'SIGKILL'), 50);
        return;
    case '/leave': answer('bye'); stream.session.close(); return; // a GOAWAY, and what is open goes on
    case '/links': answer(JSON.stringify({ links, calls })); return;
    default:
        answer(JSON.stringify({ worker, pid: process.pid, headers }), { 'content-type': 'application/json' });
    }
});

process.on('SIGTERM', () => process.exit(0));
if (process.env.LISTEN_FDS)
    server.listen({ fd: 3 });
else if (process.argv[2].startsWith('/'))
    server.listen(process.argv[2]);
else
    server.listen(Number(process.argv[2]), '127.0.0.1');
