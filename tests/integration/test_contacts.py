# SPDX-License-Identifier: MIT
"""Contact addresses (XEP-0157)."""

import pytest

from server import Server
from test_config import check, good
from test_config import folder as _folder  # a fixture
from xmlstream import NS, qname

pytestmark = pytest.mark.ours
X = "{jabber:x:data}"
folder = _folder
assert Server


def addresses(client, host):
    """{var: [address]} of the form beside the features; None without one."""
    query = client.iq("get", "<query xmlns='%s'/>" % NS["info"], host).find(qname("info:query"))
    forms = query.findall(X + "x")
    if not forms:
        return None
    assert len(forms) == 1 and forms[0].get("type") == "result"
    fields = {f.get("var"): [v.text for v in f.findall(X + "value")]
              for f in forms[0].findall(X + "field")}
    assert fields.pop("FORM_TYPE") == ["http://jabber.org/network/serverinfo"]
    return fields


def test_nothing_configured(alice):
    assert addresses(alice.login(), alice.host) is None


def test_hosts_differ(own_server, make_account):
    """The top level is for all; a host's own section replaces what it names."""
    server = own_server(settings={
        "contacts": {"admin": ["xmpp:admin@localhost"], "abuse": ["mailto:abuse@localhost"]},
        ("host", "example.test"): {"contacts": {"admin": ["mailto:a@example.test",
                                                          "xmpp:a@example.test?message"]}}})
    one = make_account(server).login()
    assert addresses(one, "localhost") == {"admin-addresses": ["xmpp:admin@localhost"],
                                           "abuse-addresses": ["mailto:abuse@localhost"]}
    assert addresses(one, "example.test") == {
        "admin-addresses": ["mailto:a@example.test", "xmpp:a@example.test?message"],
        "abuse-addresses": ["mailto:abuse@localhost"]}


@pytest.mark.parametrize("address", ["admin@localhost", "", ":x", "mailto:", "xmpp:a b@localhost",
                                     "mailto:<a@localhost>"])
def test_no_uri(folder, address):
    text = good(folder).replace('modules = {"roster"', 'contacts { admin = {"%s"} }\n'
                                '\tmodules = {"contacts", "roster"' % address)
    assert "contacts" in text
    done = check(folder, text)
    assert done.returncode not in (0, -6, -11, 99)
    assert "URI" in done.stdout + done.stderr
