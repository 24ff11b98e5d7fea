// SPDX-License-Identifier: MIT
// Strophe.js in a page of a headless Chromium, like a web client: the page comes from a
// small HTTP server of ours, so its origin is not the XMPP server's.
//   strophe-browser.mjs '{"chromium":..., "profile":..., "spki":..., "url"|"discover":..., "jid":...}'
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { createRequire } from 'node:module';

import { chromium } from 'playwright-core';

import { commands, emit } from './lines.mjs';

const options = JSON.parse(process.argv[2]);
const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const { resolve } = createRequire(import.meta.url);
const stropheFolder = path.dirname(resolve('strophe.js'));
const files = {
    '/': ['text/html', Buffer.from('<!doctype html><title>chat</title>')],
    '/strophe.js': ['text/javascript', fs.readFileSync(path.join(stropheFolder, 'strophe.esm.js'))],
    '/muc.js': ['text/javascript', fs.readFileSync(resolve('strophejs-plugin-muc'))],
    '/session.mjs': ['text/javascript', fs.readFileSync(path.join(here, 'strophe-session.mjs'))],
};

const server = http.createServer((request, response) => {
    const [type, body] = files[request.url] ?? ['text/plain', ''];
    response.writeHead(files[request.url] ? 200 : 404, { 'content-type': type });
    response.end(body);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const browser = await chromium.launchPersistentContext(options.profile, {
    executablePath: options.chromium,
    headless: true,
    args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
        '--disable-background-networking', '--disable-component-update', '--disable-sync',
        ...(options.spki ? [`--ignore-certificate-errors-spki-list=${options.spki}`] : []),
    ],
});
const page = await browser.newPage();
let leave;
const left = new Promise((resolve) => { leave = resolve; });

page.on('console', (message) => {
    if (message.type() === 'error') {
        emit({ event: 'console', text: message.text() });
    }
});
page.on('pageerror', (error) => emit({ event: 'error', text: String(error.stack || error) }));
await page.exposeFunction('report', (event) => {
    emit(event);
    if (event.event === 'offline') {
        leave();
    }
});
await page.goto(`http://localhost:${server.address().port}/`);
emit({ event: 'browser', version: browser.browser()?.version() ?? await page.evaluate(
    () => navigator.userAgent) });
await page.evaluate(async (options) => {
    const [strophe, { startSession }] = await Promise.all([
        import('/strophe.js'), import('/session.mjs')]);
    // The plugin is an older kind of script: it looks for what it needs in the window.
    Object.assign(window, strophe);
    await new Promise((loaded, failed) => {
        const script = document.createElement('script');
        Object.assign(script, { src: '/muc.js', onload: loaded, onerror: failed });
        document.head.append(script);
    });
    if (options.discover) {
        // XEP-0156 as web clients do it: a cross-origin fetch, then the link of that relation.
        const links = (await (await fetch(options.discover)).json()).links;
        options.url = links.find((link) => link.rel === 'urn:xmpp:alt-connections:websocket').href;
        await window.report({ event: 'discovered', url: options.url });
    }
    window.session = startSession(strophe, options, window.report);
}, options);

const inPage = (command) => page.evaluate((c) => window.session[c.op](c), command);
commands({
    send: inPage,
    chat: inPage,
    enter: inPage,
    room: inPage,
    close: (command) => inPage(command).catch(leave),
    // The tab is shut without a word, as people do.
    vanish: () => leave(),
});
await left;
await browser.close();
server.close();
process.exit(0);
