// SPDX-License-Identifier: MIT
// stanza (stanza.io): stanzaio.mjs '{"url":"ws://...","jid":...,"password":...}'
import * as stanza from 'stanza';
import * as jxt from 'stanza/jxt/index.js';

import { commands, emit } from './lines.mjs';

const { url, jid, password } = JSON.parse(process.argv[2]);
const session = stanza.createClient({
    jid, password, server: jid.split('@')[1], timeout: 60,
    transports: { websocket: url, bosh: false },
});
let online = false;

// What it does not know yet is said in its own language: retraction, moderation, ids of the room.
const RETRACT = 'urn:xmpp:message-retract:1';
session.stanzas.define([
    { element: 'retract', namespace: RETRACT, path: 'message.retract',
        fields: { id: jxt.attribute('id') } },
    { element: 'moderate', namespace: 'urn:xmpp:message-moderate:1', path: 'iq.moderate',
        fields: { id: jxt.attribute('id'), retract: jxt.childBoolean(RETRACT, 'retract'),
            reason: jxt.childText(null, 'reason') } },
    { element: 'occupant-id', namespace: 'urn:xmpp:occupant-id:0', path: 'message.occupant',
        fields: { id: jxt.attribute('id') } },
]);

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
    subject: message.subject, retract: message.retract?.id, occupant: message.occupant?.id,
    ids: message.stanzaIds,
}));
session.on('muc:join', (presence) => emit({ event: 'joined', from: presence.from }));
session.on('muc:available', (presence) => emit({
    event: 'occupant', from: presence.from, role: presence.muc.role,
    affiliation: presence.muc.affiliation,
}));
session.on('muc:topic', ({ room, topic }) => emit({ event: 'topic', from: room, topic }));
session.on('muc:leave', (presence) => emit({
    event: 'left', from: presence.from, codes: presence.muc.statusCodes,
}));

let leaving = false;
commands({
    chat: ({ to, id, body, type = 'chat' }) => session.sendMessage({ to, id, type, body }),
    // One page of the archive; max, before and after as in XEP-0059.
    history: async ({ id, to, with: peer, max, before, after }) => {
        const page = await session.searchHistory({ to, with: peer, paging: { max, before, after } });
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
    open: async ({ room }) => {
        await session.configureRoom(room);
        emit({ event: 'opened', room });
    },
    topic: ({ room, topic }) => session.setSubject(room, topic),
    kick: ({ room, nick }) => session.kick(room, nick),
    retract: ({ to, target }) => session.sendMessage({
        to, type: 'groupchat', retract: { id: target }, body: 'taken back' }),
    moderate: async ({ id, room, target }) => {
        const answer = await session.sendIQ({
            to: room, type: 'set', moderate: { id: target, retract: true, reason: 'spam' },
        }).catch((refusal) => refusal);
        emit({ event: 'moderated', id, type: answer.type, condition: answer.error?.condition });
    },
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
