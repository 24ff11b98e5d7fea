// SPDX-License-Identifier: MIT
// @xmpp/client: xmppjs.mjs '{"service":"xmpps://...", "domain":..., "username":..., "password":...}'
import { client } from '@xmpp/client';
import parse from '@xmpp/xml/lib/parse.js';
import xml from '@xmpp/xml';

import WebSocket from 'ws';

import { commands, emit } from './lines.mjs';

// Part of Node itself from version 22 on.
globalThis.WebSocket ??= WebSocket;

const session = client(JSON.parse(process.argv[2]));
session.reconnect.stop();
// Its own patience is two seconds, which a busy machine needs for the keys alone.
session.timeout = 60000;

session.on('error', (error) => emit({ event: 'error', text: String(error.stack || error) }));
session.on('online', (jid) => emit({ event: 'online', jid: jid.toString() }));
let again = false;
session.on('offline', () => {
    emit({ event: 'offline' });
    if (!again)
        process.exit(0);
});
session.on('status', (status) => {
    emit({ event: 'status', status });
    // @xmpp/client 0.14 decodes each chunk of a TCP or TLS stream by itself, so that a
    // character on the seam is broken whatever the server does. Node's sockets can do better.
    session.socket?.socket?.setEncoding?.('utf8');
});
session.on('stanza', (stanza) => {
    const body = stanza.getChildText('body') ?? undefined;
    emit({
        event: 'stanza',
        name: stanza.name,
        ...stanza.attrs,
        body,
        show: stanza.getChildText('show') ?? undefined,
        xml: !body || body.length < 10000 ? stanza.toString() : undefined,
    });
});
session.streamManagement.on('resumed', () => emit({ event: 'resumed' }));
commands({
    // The connection goes without a word, and it comes back as it does by itself.
    lose: async () => {
        again = true;
        const socket = session.socket.socket;
        const gone = new Promise((resolve) => session.once('disconnect', resolve));
        if (socket.terminate) socket.terminate(); else socket.destroy();
        await gone;
        await session.reconnect.reconnect();
        again = false;
    },
    send: ({ xml: text }) => session.send(parse(text)),
    chat: ({ to, id, body, count = 1 }) => session.send(
        xml('message', { to, id, type: 'chat' }, xml('body', {}, body.repeat(count)))),
    close: () => session.stop(),
    // A new stream of the same device, which has got a token if the server gives any.
    again: async () => {
        again = true;
        await session.stop();
        again = false;
        await session.start();
    },
});
await session.start().catch((error) => {
    emit({ event: 'error', text: String(error.stack || error) });
    process.exit(1);
});
