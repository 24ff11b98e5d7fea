# SPDX-License-Identifier: MIT
"""slixmpp's own plugins against a server: what others understand of an extension.

    talk(account, ["xep_0191"], scenario)

logs in, awaits scenario(client) and leaves.
"""

import asyncio

import slixmpp

from raw import DEADLINE


def talk(account, plugins, scenario):
    return run(_talk(account, plugins, scenario))


def run(coroutine):
    """Runs it on a loop of its own."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(asyncio.wait_for(coroutine, 2 * DEADLINE))
    finally:
        _cancel_tasks(loop)
        asyncio.set_event_loop(None)
        loop.close()


def _cancel_tasks(loop):
    """slixmpp leaves some behind."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


async def _talk(account, plugins, scenario):
    client = slixmpp.ClientXMPP(account.jid, account.password)
    client.ca_certs = account.server.certificate
    for plugin in plugins:
        client.register_plugin(plugin)
    client.connect(account.server.address("c2s"))
    await client.wait_until("session_start", DEADLINE)
    try:
        return await scenario(client)
    finally:
        await client.disconnect(wait=2)
