#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""slixmpp over STARTTLS, driven by commands and told by events (see node/lines.mjs)."""

import asyncio
import json
import logging
import sys
import xml.etree.ElementTree as ET

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher.base import MatcherBase


def emit(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class Everything(MatcherBase):
    """Matches every stanza."""

    def match(self, xml):
        return True


class Session(slixmpp.ClientXMPP):
    """Reports every stanza and answers nothing by itself but pings and discovery."""

    def __init__(self, options):
        mechanism = options.get("mechanism")
        config = {"feature_mechanisms": {"use_mech": mechanism}} if mechanism else {}
        super().__init__(options["jid"], options["password"], plugin_config=config)
        if mechanism:
            self.without_binding()
        self.ca_certs = options["certificate"]
        self.auto_authorize = None
        self.auto_subscribe = False
        for plugin in ("xep_0030", "xep_0092", "xep_0199", "xep_0202"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.started)
        # It tries every mechanism, also those that need a binding it doesn't know.
        self.add_event_handler("failed_all_auth",
                               lambda _: emit(event="error", text="failed auth"))
        self.add_event_handler("ssl_invalid_chain",
                               lambda e: emit(event="error", text="certificate: %s" % e))
        self.add_event_handler("connection_failed",
                               lambda e: emit(event="error", text="connection: %s" % e))
        self.add_event_handler("stream_error",
                               lambda e: emit(event="stream-error", text=e["condition"]))
        self.add_event_handler("disconnected", lambda _: emit(event="offline"))
        self.register_handler(Callback("all", Everything(None), self.report))

    def without_binding(self):
        """It knows only tls-unique, which TLS 1.3 hasn't, and says so by "y", which a server
        with bindings must refuse (RFC 5802 section 6)."""
        mechanisms = self.plugin["feature_mechanisms"]
        credentials = mechanisms.sasl_callback
        mechanisms.sasl_callback = lambda required, optional: dict(
            credentials(required, optional), channel_binding=None)

    def started(self, _):
        emit(event="online", jid=self.boundjid.full)

    @staticmethod
    def report(stanza):
        xml = stanza.xml
        body = xml.findtext("{jabber:client}body")
        event = {"event": "stanza", "name": xml.tag.rpartition("}")[2], "body": body,
                 "show": xml.findtext("{jabber:client}show")}
        event.update({key: xml.get(key) for key in ("from", "to", "id", "type") if xml.get(key)})
        if not body or len(body) < 10000:
            event["xml"] = ET.tostring(xml, encoding="unicode")
        emit(**event)

    def command(self, command):
        if command["op"] == "send":
            self.send_raw(command["xml"])
        elif command["op"] == "chat":
            message = self.make_message(command["to"], command["body"] * command.get("count", 1),
                                        mtype="chat")
            message["id"] = command["id"]
            message.send()
        elif command["op"] == "close":
            self.disconnect()
        else:
            emit(event="error", text="unknown command %r" % command)


async def read_commands(session):
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        session.command(json.loads(line))
    session.disconnect()


def main():
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    options = json.loads(sys.argv[1])
    session = Session(options)
    session.connect((options["address"], options["port"]))
    # The loop holds tasks by weak references only.
    reading = session.loop.create_task(read_commands(session))
    session.loop.run_until_complete(session.disconnected)
    reading.cancel()


if __name__ == "__main__":
    main()
