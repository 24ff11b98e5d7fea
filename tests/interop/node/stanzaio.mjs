// SPDX-License-Identifier: MIT
// stanza (stanza.io): stanzaio.mjs '{"url":"ws://...","jid":...,"password":...}'
import * as stanza from 'stanza';

import { commands, emit } from './lines.mjs';

const { url, jid, password } = JSON.parse(process.argv[2]);
const session = stanza.createClient({
    jid, password, server: jid.split('@')[1], timeout: 60,
    transports: { websocket: url, bosh: false },
});
let online = false;

session.on('raw:incoming', (xml) => emit({ event: 'raw', xml: xml.slice(0, 2000) }));
session.on('session:started', () => {
    online = true;
    session.sendPresence();
    emit({ event: 'online', jid: session.jid });
});
session.on('stream:management:resumed', () => emit({ event: 'resumed', jid: session.jid }));
session.on('auth:failed', () => emit({ event: 'error', text: 'authentication failed' }));
session.on('disconnected', () => {
    emit({ event: 'offline', online });
    if (leaving)
        process.exit(0);
});
session.on('message', (message) => emit({
    event: 'stanza', name: 'message', from: message.from, to: message.to, id: message.id,
    type: message.type, body: message.body, delay: message.delay?.timestamp,
}));
session.on('muc:join', (presence) => emit({ event: 'joined', from: presence.from }));

let leaving = false;
commands({
    chat: ({ to, id, body, type = 'chat' }) => session.sendMessage({ to, id, type, body }),
    // One page of the archive; max, before and after as in XEP-0059.
    history: async ({ id, with: peer, max, before, after }) => {
        const page = await session.searchHistory({ with: peer, paging: { max, before, after } });
        emit({
            event: 'history', id, complete: page.complete === true,
            first: page.paging?.first, last: page.paging?.last, count: page.paging?.count,
            bodies: (page.results ?? []).map((result) => result.item.message.body),
        });
    },
    preferences: async ({ id, default: keep }) => {
        await session.setHistoryPreferences({ default: keep, always: [], never: [] });
        emit({ event: 'preferences', id, default: (await session.getHistoryPreferences()).default });
    },
    join: ({ room, nick }) => session.joinRoom(room, nick),
    // The connection breaks; what happens next is the library's own business.
    cut: () => {
        session.transport.socket.close();
        session.once('--transport-disconnected', () => setTimeout(() => session.connect(), 0));
    },
    close: () => {
        leaving = true;
        session.disconnect();
    },
});
session.connect();
