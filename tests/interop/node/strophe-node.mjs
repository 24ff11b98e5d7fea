// SPDX-License-Identifier: MIT
// Strophe.js in Node: strophe-node.mjs '{"url":...,"jid":...,"password":...}'
import * as strophe from 'strophe.js';

import { commands, emit } from './lines.mjs';
import { startSession } from './strophe-session.mjs';

const session = startSession(strophe, JSON.parse(process.argv[2]), (event) => {
    emit(event);
    if (event.event === 'offline') {
        process.exit(0);
    }
});
commands(session);
