# SPDX-License-Identifier: MIT
"""Ad-hoc commands (XEP-0050) and administration with them (XEP-0133)."""

import xml.etree.ElementTree as ET

import pytest

from raw import condition
from slix import talk
from xmlstream import qname

pytestmark = pytest.mark.ours

NS = "http://jabber.org/protocol/commands"
ADMIN = "http://jabber.org/protocol/admin#"
COMMAND = "{%s}command" % NS
FORM = "{jabber:x:data}x"
FIELD = "{jabber:x:data}field"
VALUE = "{jabber:x:data}value"


@pytest.fixture
def world(own_server, make_account):
    """A server whose host localhost has an administrator, and one of everything."""
    server = own_server(settings={"admins": ["root@localhost"],
                                  ("host", "localhost"): {"admins": ["boss@localhost"]}})

    class World:
        pass
    world = World()
    world.server = server
    world.boss = make_account(server, "boss")
    world.root = make_account(server, "root")
    world.user = make_account(server, "user")
    return world


def command(client, node, form=None, to=None, **attrs):
    attributes = "".join(" %s='%s'" % item for item in attrs.items())
    return client.iq("set", "<command xmlns='%s' node='%s'%s>%s</command>" % (
        NS, node, attributes, form or ""), to or client.host)


def submit(_kind="submit", _form_type=None, **values):
    fields = ""
    if _form_type:
        fields += "<field var='FORM_TYPE'><value>%s</value></field>" % _form_type
    for var, value in values.items():
        items = value if isinstance(value, list) else [value]
        fields += "<field var='%s'>%s</field>" % (
            var.replace("__", "-"), "".join("<value>%s</value>" % item for item in items))
    return "<x xmlns='jabber:x:data' type='%s'>%s</x>" % (_kind, fields)


def fields(answer):
    return {f.get("var"): [v.text for v in f.findall(VALUE)]
            for f in answer.find(COMMAND).find(FORM).findall(FIELD)}


def status(answer):
    assert answer.get("type") == "result", ET.tostring(answer)
    return answer.find(COMMAND).get("status")


def session(answer):
    return answer.find(COMMAND).get("sessionid")


def specific(answer):
    found = [e.tag.partition("}")[2] for e in answer.find(qname("error")) if e.tag.startswith(
        "{%s}" % NS)]
    return condition(answer) + tuple(found)


def nodes(client, to=None):
    answer = client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#items' node='%s'/>"
                       % NS, to or client.host)
    assert answer.get("type") == "result", ET.tostring(answer)
    return {item.get("node"): item.get("jid") for item in answer.iter(qname("items:item"))}


def run(client, node, to=None, **values):
    """Both stages."""
    first = command(client, node, to=to)
    if status(first) == "completed":
        return first
    return command(client, node, submit(**values), to, sessionid=session(first), action="complete")


def test_who_sees_what(world):
    user, boss, root = world.user.login(), world.boss.login(), world.root.login()
    assert nodes(user) == {}
    seen = nodes(boss)
    assert set(seen.values()) == {"localhost"}
    assert {"jackdaw:adduser", "jackdaw:sessions", ADMIN + "add-user"} <= set(seen)
    assert not {"jackdaw:stop", "jackdaw:status", ADMIN + "shutdown"} & set(seen)
    assert set(seen) < set(nodes(root))
    assert nodes(boss, "example.test") == {}
    assert {"jackdaw:stop", ADMIN + "shutdown"} <= set(nodes(root, "example.test"))
    # A file of the server's machine is named by whoever works on that machine.
    assert "jackdaw:backup" not in nodes(root)
    assert specific(command(root, "jackdaw:backup")) == ("cancel", "item-not-found")


def test_disco(world):
    boss = world.boss.login()
    info = boss.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "localhost")
    assert NS in {f.get("var") for f in info.iter(qname("info:feature"))}
    ask = "<query xmlns='http://jabber.org/protocol/disco#info' node='%s'/>"
    info = boss.iq("get", ask % NS, "localhost")
    assert info.find(".//" + qname("info:identity")).get("type") == "command-list"
    info = boss.iq("get", ask % (ADMIN + "add-user"), "localhost")
    identity = info.find(".//" + qname("info:identity"))
    assert (identity.get("category"), identity.get("type"), identity.get("name")) == (
        "automation", "command-node", "Add User")
    assert {f.get("var") for f in info.iter(qname("info:feature"))} == {NS, "jabber:x:data"}
    assert condition(boss.iq("get", ask % "jackdaw:stop", "localhost")) == ("cancel", "forbidden")
    assert condition(boss.iq("get", ask % "nothing", "localhost"))[1] == "item-not-found"


REFUSED = {
    "no such command": ("jackdaw:nothing", {}, ("cancel", "item-not-found")),
    "no prefix": ("adduser", {}, ("cancel", "item-not-found")),
    "another's": ("jackdaw:stop", {}, ("cancel", "forbidden")),
    "no node": ("", {}, ("modify", "bad-request")),
    "action": ("jackdaw:users", {"action": "go"}, ("modify", "bad-request", "malformed-action")),
    "too early": ("jackdaw:users", {"action": "next"}, ("modify", "bad-request", "bad-action")),
    "cancel": ("jackdaw:users", {"action": "cancel"}, ("modify", "bad-request", "bad-action")),
    "session": ("jackdaw:users", {"sessionid": "x"}, ("modify", "bad-request", "bad-sessionid")),
    "empty session": ("jackdaw:users", {"sessionid": ""},
                      ("modify", "bad-request", "bad-sessionid")),
}


def test_refused(world):
    boss = world.boss.login()
    for name, (node, attrs, expected) in REFUSED.items():
        assert specific(command(boss, node, **attrs)) == expected, name
    answer = command(world.user.login(), "jackdaw:users")
    assert specific(answer) == ("cancel", "forbidden")


def test_stages(world):
    boss = world.boss.login()
    first = command(boss, "jackdaw:users")
    assert status(first) == "executing"
    actions = first.find(COMMAND).find("{%s}actions" % NS)
    assert actions.get("execute") == "complete"
    assert [a.tag for a in actions] == ["{%s}complete" % NS]
    assert fields(first)["HOST"] == ["localhost"]
    id_ = session(first)
    again = {"sessionid": id_}
    for action in "next", "prev":
        answer = command(boss, "jackdaw:users", action=action, **again)
        assert specific(answer) == ("modify", "bad-request", "bad-action")
    # another node, another session of the same account
    assert specific(command(boss, "jackdaw:sessions", **again))[2] == "bad-sessionid"
    assert specific(command(world.boss.login(), "jackdaw:users", **again))[2] == "bad-sessionid"
    # what is wrong with the form does not end it
    for form in "", submit("form"), submit("cancel"), submit(AFTER="@"), submit(HOST="a b"):
        answer = command(boss, "jackdaw:users", form, **again)
        assert specific(answer) == ("modify", "bad-request", "bad-payload"), form
    done = command(boss, "jackdaw:users", submit(), **again)
    assert status(done) == "completed"
    assert specific(command(boss, "jackdaw:users", submit(), **again)) == (
        "cancel", "not-allowed", "session-expired")


def test_cancel(world):
    boss = world.boss.login()
    id_ = session(command(boss, "jackdaw:users"))
    assert status(command(boss, "jackdaw:users", sessionid=id_, action="cancel")) == "canceled"
    answer = command(boss, "jackdaw:users", sessionid=id_, action="cancel")
    assert specific(answer)[2] == "session-expired"


def test_too_many(world):
    boss = world.boss.login()
    ids = [session(command(boss, "jackdaw:users")) for _ in range(10)]
    assert len(set(ids)) == 10
    assert specific(command(world.boss.login(), "jackdaw:users"))[1] == "resource-constraint"
    assert status(command(world.root.login(), "jackdaw:users")) == "executing"
    command(boss, "jackdaw:users", sessionid=ids[0], action="cancel")
    assert status(command(boss, "jackdaw:users")) == "executing"


def test_session_ends_with_its_user(world):
    boss = world.boss.login(resource="one")
    for _ in range(10):
        command(boss, "jackdaw:users")
    boss.end()
    assert status(command(world.boss.login(resource="one"), "jackdaw:users")) == "executing"


def test_tables(world):
    user, boss = world.user.login(), world.boss.login()
    done = run(boss, "jackdaw:sessions")
    rows = done.find(COMMAND).find(FORM).findall("{jabber:x:data}item")
    jids = {f.find(VALUE).text for row in rows for f in row if f.get("var") == "jid"}
    assert jids == {boss.jid, user.jid}
    reported = done.find(COMMAND).find(FORM).find("{jabber:x:data}reported")
    assert {f.get("var") for f in reported} >= {"jid", "transport", "peer", "since"}
    # The host is his own, whatever he leaves blank.
    assert run(boss, "jackdaw:sessions", ADDRESS="").find(COMMAND).find(FORM) is not None
    done = run(world.root.login(), "jackdaw:status")
    assert "hosts" in fields(done) and len(fields(done)["hosts"]) == 2


def test_beyond_the_host(world, make_account):
    boss, root = world.boss.login(), world.root.login()
    far = make_account(world.server, "far", host="example.test")
    for node, values in (("jackdaw:deluser", {"JID": far.jid}),
                         ("jackdaw:users", {"HOST": "example.test"}),
                         ("jackdaw:kick", {"JID": far.jid}),
                         (ADMIN + "delete-user", {"accountjids": far.jid}),
                         (ADMIN + "add-user", {"accountjid": "x@example.test",
                                               "password": "xyz"})):
        assert specific(run(boss, node, **values)) == ("cancel", "forbidden"), node
        assert condition(command(boss, node, to="example.test")) == ("cancel", "forbidden")
    assert status(run(root, "jackdaw:deluser", JID=far.jid)) == "completed"


def test_rooms_of_the_host(world):
    """A host's administrators are those of its components, and of no others."""
    boss = world.boss.login()
    node = "jackdaw:room list"
    assert node in nodes(boss) and node not in nodes(world.user.login())
    assert status(run(boss, node, HOST="conference.localhost")) == "completed"
    for elsewhere in ("conference.example.test", "example.test"):
        done = run(boss, node, HOST=elsewhere)
        assert specific(done) == ("cancel", "forbidden")
    done = run(boss, "jackdaw:room destroy", ROOM="hall@conference.example.test", REASON="x")
    assert specific(done) == ("cancel", "forbidden")


def test_add_and_delete(world):
    boss = world.boss.login()
    node = ADMIN + "add-user"
    first = command(boss, node)
    assert list(fields(first)) == ["FORM_TYPE", "accountjid", "password", "password-verify"]
    wrong = submit(accountjid="new@localhost", password="one", password__verify="two")
    answer = command(boss, node, wrong, sessionid=session(first))
    assert specific(answer) == ("modify", "bad-request", "bad-payload")
    right = submit(_form_type="http://jabber.org/protocol/admin", accountjid="new@localhost",
                   password="one", password__verify="one")
    assert status(command(boss, node, right, sessionid=session(first))) == "completed"
    again = run(boss, node, accountjid="new@localhost", password="one")
    assert condition(again) == ("modify", "not-acceptable")
    assert "belongs to an account" in again.find(".//" + qname("stanzas:text")).text
    lines = [line for line in world.server.process.log.lines
             if line.fields and line.fields.get("name") == "adduser"]
    assert lines[-1].fields["by"] == boss.jid
    assert lines[-1].fields["args"] == "JID=new@localhost PASSWORD=***"
    assert fields(run(boss, ADMIN + "get-registered-users-num"))["registeredusersnum"] == ["4"]
    both = ["new@localhost", "nobody@localhost"]
    assert condition(run(boss, ADMIN + "delete-user", accountjids=both))[1] == "not-acceptable"
    assert fields(run(boss, ADMIN + "get-registered-users-list"))["registereduserjids"] == [
        "boss@localhost", "root@localhost", "user@localhost"]
    listed = run(boss, ADMIN + "get-registered-users-list", max_items="25")
    assert len(fields(listed)["registereduserjids"]) == 3


def test_disable(world):
    user, boss = world.user.login(), world.boss.login()
    assert status(run(boss, ADMIN + "disable-user", accountjids="user@localhost")) == "completed"
    user.drain_to_end()
    assert fields(run(boss, ADMIN + "get-disabled-users-num"))["disabledusersnum"] == ["1"]
    listed = run(boss, ADMIN + "get-disabled-users-list", max_items="25")
    assert fields(listed)["disableduserjids"] == ["user@localhost"]
    assert world.server.ctl_json("bans", "example.test") == {"banned": 0, "bans": []}
    assert condition(run(boss, ADMIN + "disable-user", accountjids="x@example.test"))[1] == \
        "forbidden"
    done = run(boss, ADMIN + "reenable-user", accountjids="user@localhost")
    assert status(done) == "completed"
    assert fields(run(boss, ADMIN + "get-disabled-users-num"))["disabledusersnum"] == ["0"]
    world.user.login()


def test_sessions_and_passwords(world):
    user, other, boss = world.user.login(), world.user.login(), world.boss.login()
    assert fields(run(boss, ADMIN + "get-online-users-num"))["onlineusersnum"] == ["2"]
    online = run(boss, ADMIN + "get-online-users-list", max_items="none")
    assert sorted(fields(online)["onlineuserjids"]) == ["boss@localhost", "user@localhost"]
    done = run(boss, ADMIN + "end-user-session", accountjids=user.jid)
    assert status(done) == "completed"
    user.stream_error("policy-violation")
    done = run(boss, ADMIN + "change-user-password", accountjid="user@localhost", password="other")
    assert status(done) == "completed"
    other.stream_error("not-authorized", "reset", "policy-violation", "conflict")
    world.user.password = "other"
    world.user.login()


def test_announce(world):
    user, boss = world.user.ready(), world.boss.login()
    done = run(boss, ADMIN + "announce", announcement=["One line.", "Two."])
    assert status(done) == "completed"
    assert user.wait("message", from_="localhost").findtext(qname("body")) == "One line.\nTwo."
    assert status(run(boss, ADMIN + "set-motd", motd="Today")) == "completed"
    assert "Today" in world.server.ctl_ok("motd", "show", "localhost")
    assert status(run(boss, ADMIN + "delete-motd")) == "completed"
    assert "Today" not in world.server.ctl("motd", "show", "localhost").stdout


def test_shutdown(world):
    root = world.root.login()
    first = command(root, ADMIN + "shutdown")
    assert status(first) == "executing"
    done = command(root, ADMIN + "shutdown", submit(), sessionid=session(first))
    assert status(done) == "completed"
    root.stream_error("system-shutdown")
    world.server.wait_exit()


def test_an_account_has_none(world):
    client = world.user.login()
    for to in (world.boss.jid, "nobody@localhost"):
        assert condition(command(client, "jackdaw:users", to=to))[1] == "service-unavailable"
    assert condition(command(client, "x", to=world.user.jid))[1] == "item-not-found"


def test_ctl_is_logged(world):
    world.server.ctl_ok("users", "localhost")
    lines = [line for line in world.server.process.log.lines
             if line.fields and line.fields.get("name") == "users"]
    assert lines[-1].fields["by"].startswith("uid ")
    assert lines[-1].fields["args"] == "HOST=localhost"


def test_slixmpp(world):
    async def scenario(client):
        adhoc = client["xep_0050"]
        listed = await adhoc.get_commands(jid="localhost")
        names = {item[1] for item in listed["disco_items"]["items"]}
        first = await adhoc.send_command("localhost", ADMIN + "add-user", action="execute")
        session_id = first["command"]["sessionid"]
        form = first["command"]["form"]
        assert form.get_fields()["accountjid"]["type"] == "jid-single"
        form["type"] = "submit"
        form.set_values({"accountjid": "slix@localhost", "password": "xyz",
                         "password-verify": "xyz"})
        done = await adhoc.send_command("localhost", ADMIN + "add-user", action="complete",
                                        sessionid=session_id, payload=form)
        count = await adhoc.send_command("localhost", ADMIN + "get-registered-users-num")
        return (names, done["command"]["status"],
                count["command"]["form"].get_values()["registeredusersnum"])
    names, done, count = talk(world.boss, ["xep_0050"], scenario)
    assert ADMIN + "add-user" in names and ADMIN + "shutdown" not in names
    assert (done, count) == ("completed", "4")


def test_an_administrator_of_the_server_is_above_one_of_his_host(world):
    """Otherwise the one would become the other, by a new password."""
    boss, root = world.boss.login(), world.root.login()
    jid = world.root.jid
    for node, values in (("jackdaw:passwd", {"JID": jid, "PASSWORD": "another secret"}),
                         ("jackdaw:deluser", {"JID": jid}), ("jackdaw:ban", {"JID": jid}),
                         ("jackdaw:kick", {"JID": root.jid}),
                         (ADMIN + "change-user-password",
                          {"accountjid": jid, "password": "another secret"})):
        assert specific(run(boss, node, **values)) == ("cancel", "forbidden"), node
    assert root.iq("get", "<ping xmlns='urn:xmpp:ping'/>", root.host).get("type") == "result"
    world.root.login()
    # He may be looked at, and not the other way round.
    assert status(run(boss, "jackdaw:sessions", ADDRESS=jid)) == "completed"
    assert status(run(root, "jackdaw:passwd", JID=world.boss.jid, PASSWORD="another secret")) == (
        "completed")


@pytest.mark.parametrize("name", ["admin", "adhoc"])
@pytest.mark.parametrize("what", ["unload", "reload"])
def test_it_cuts_the_branch_that_it_sits_on(world, what, name):
    """The module that has asked for a command is gone when the command ends."""
    root = world.root.login()
    first = command(root, "jackdaw:module " + what)
    answer = command(root, "jackdaw:module " + what, submit(HOST="localhost", MODULE=name),
                     sessionid=session(first), action="complete")
    assert answer.get("type") in ("result", "error")
    assert root.iq("get", "<ping xmlns='urn:xmpp:ping'/>", root.host).get("type") == "result"
    world.server.ctl_ok("status")
