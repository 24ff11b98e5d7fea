// SPDX-License-Identifier: MIT
// A session of Strophe.js, driven by commands and told by events. The same file
// runs in Node and in the page of a browser.

function describe(element) {
    const text = (name) => {
        const child = [...element.childNodes].find((node) => node.nodeName === name);
        return child ? child.textContent : undefined;
    };
    const body = text('body');
    const event = {
        event: 'stanza',
        name: element.nodeName,
        body,
        show: text('show'),
    };
    for (const key of ['from', 'to', 'id', 'type']) {
        event[key] = element.getAttribute(key) ?? undefined;
    }
    if (!body || body.length < 10000) {
        event.xml = element.outerHTML ?? element.toString();
    }
    return event;
}

export function startSession(strophe, options, emit) {
    const { Strophe, $msg, toStanza } = strophe;
    const names = Object.fromEntries(Object.entries(Strophe.Status).map(([k, v]) => [v, k]));
    const connection = new Strophe.Connection(options.url);

    connection.connect(options.jid, options.password, (status, reason) => {
        emit({ event: 'status', status: names[status], reason: reason ?? undefined });
        if (status === Strophe.Status.CONNECTED) {
            connection.addHandler((stanza) => {
                emit(describe(stanza));
                return true;
            });
            emit({ event: 'online', jid: connection.jid });
        } else if (status === Strophe.Status.DISCONNECTED) {
            emit({ event: 'offline' });
        }
    });
    return {
        send({ xml }) {
            connection.send(toStanza(xml));
        },
        chat({ to, id, body, count = 1 }) {
            connection.send($msg({ to, id, type: 'chat' }).c('body').t(body.repeat(count)));
        },
        // The plugin for rooms: its functions by name; "enter" is its join, with all its callbacks.
        enter({ room, nick, password, history }) {
            const tell = (kind) => (stanza) => {
                emit({ ...describe(stanza), event: `room-${kind}` });
                return true;
            };
            connection.muc.join(room, nick, tell('message'), tell('presence'), (roster) => {
                emit({ event: 'room-roster', nicks: Object.keys(roster).sort() });
                return true;
            }, password, history);
        },
        room({ call, args, id }) {
            const tell = (stanza) => emit({ ...describe(stanza), event: 'answer', call: id });
            connection.muc[call](...args, ...(id ? [tell, tell] : []));
        },
        close() {
            connection.flush();
            connection.disconnect('bye');
        },
    };
}
