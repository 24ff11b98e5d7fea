# SPDX-License-Identifier: MIT
"""EXTERNAL with client certificates (XEP-0178), made here by openssl."""

import subprocess

import pytest

from raw import failure
from scram import b64
from xmlstream import qname

pytestmark = pytest.mark.ours

XMPP_ADDR = "otherName:1.3.6.1.5.5.7.8.5;UTF8:"


class Authority:
    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.certificate, self.key = folder / (name + ".pem"), folder / (name + ".key")
        self.openssl("req", "-x509", "-days", "30", *self.fresh(self.key), "-subj", "/CN=" + name,
                     "-out", self.certificate)

    @staticmethod
    def openssl(*args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)

    @staticmethod
    def fresh(key):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key)

    def certify(self, name, *alternatives, days=7, usage="clientAuth"):
        """(certificate, key) of a client."""
        request, key, out = (self.folder / (name + end) for end in (".csr", ".k", ".crt"))
        extensions = self.folder / (name + ".ext")
        lines = ["extendedKeyUsage=" + usage]
        if alternatives:
            lines.append("subjectAltName=" + ",".join(alternatives))
        extensions.write_text("\n".join(lines) + "\n")
        self.openssl("req", "-new", *self.fresh(key), "-subj", "/CN=" + name, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                     "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", out)
        return str(out), str(key)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder, "trusted"), Authority(folder, "stranger")


@pytest.fixture
def host(own_server, make_account, authorities):
    server = own_server(settings={("host", "localhost"): {
        "client_ca": str(authorities[0].certificate)}})
    for name in ("juliet", "romeo"):
        make_account(server, name)
    return server


def offered(connect, host, certificate, transport="starttls", domain="localhost"):
    client = connect(host, transport, host=domain, certificate=certificate).secure()
    return client, "EXTERNAL" in client.mechanisms()


@pytest.mark.parametrize("transport", ("starttls", "tls"))
def test_login(host, connect, authorities, transport):
    certificate = authorities[0].certify("one", XMPP_ADDR + "Juliet@LOCALHOST")
    for text in ("=", b64(b"juliet@localhost")):
        client, yes = offered(connect, host, certificate, transport)
        assert yes
        assert client.mechanisms()[0] == "EXTERNAL"
        assert client.sasl("auth", text, mechanism="EXTERNAL").tag == qname("sasl:success")
        client.open()
        client.bind()
        assert client.bare == "juliet@localhost"
    # Without an initial response the server asks for it.
    client, yes = offered(connect, host, certificate, transport)
    assert client.sasl("auth", "", mechanism="EXTERNAL").tag == qname("sasl:challenge")
    assert client.sasl("response", "").tag == qname("sasl:success")


def test_authzid(host, connect, authorities):
    """XEP-0178 2: one address needs no authzid, several need one, and it must be among them."""
    one = authorities[0].certify("one", XMPP_ADDR + "juliet@localhost", "email:j@localhost")
    two = authorities[0].certify("two", XMPP_ADDR + "juliet@localhost",
                                 XMPP_ADDR + "romeo@localhost")
    for certificate, text, want in (
            (one, b64(b"romeo@localhost"), "invalid-authzid"),
            (one, b64(b"juliet@example.test"), "invalid-authzid"),
            (one, b64(b"juliet@localhost/x"), "invalid-authzid"),
            (one, b64(b"localhost"), "invalid-authzid"),
            (one, b64(b"ju\0liet@localhost"), "malformed-request"),
            (one, "=====", "incorrect-encoding"),
            (two, "=", "invalid-authzid"),
            (two, b64(b"nobody@localhost"), "invalid-authzid")):
        client, yes = offered(connect, host, certificate)
        assert yes
        assert failure(client.sasl("auth", text, mechanism="EXTERNAL")) == want, (text, want)
    for name in ("juliet", "romeo"):
        client, yes = offered(connect, host, two)
        answer = client.sasl("auth", b64(("%s@localhost" % name).encode()), mechanism="EXTERNAL")
        assert answer.tag == qname("sasl:success")
        client.open()
        client.bind()
        assert client.bare == "%s@localhost" % name


def test_no_such_account(host, connect, authorities):
    certificate = authorities[0].certify("ghost", XMPP_ADDR + "ghost@localhost")
    client, yes = offered(connect, host, certificate)
    assert yes
    assert failure(client.sasl("auth", "=", mechanism="EXTERNAL")) == "not-authorized"


def test_not_offered(host, connect, authorities):
    """What nobody vouches for is as if it were not there, and costs no other way in."""
    trusted, stranger = authorities
    juliet = XMPP_ADDR + "juliet@localhost"
    for certificate in (None,
                        stranger.certify("fake", juliet),
                        trusted.certify("old", juliet, days=-1),
                        trusted.certify("server", juliet, usage="serverAuth"),
                        trusted.certify("nobody"),
                        trusted.certify("mail", "email:juliet@localhost"),
                        trusted.certify("text", "otherName:1.3.6.1.5.5.7.8.5;IA5:juliet@localhost"),
                        trusted.certify("other", "otherName:1.3.6.1.5.5.7.8.7;UTF8:juliet@localhost"),
                        trusted.certify("away", XMPP_ADDR + "juliet@example.test")):
        client, yes = offered(connect, host, certificate)
        assert not yes, certificate
        assert failure(client.sasl("auth", "=", mechanism="EXTERNAL")) == "invalid-mechanism"
        assert client.auth("SCRAM-SHA-1", "juliet", "correct horse, battery=staple").tag \
            == qname("sasl:success")


def test_each_host_for_itself(own_server, make_account, connect, authorities):
    """Who is vouched for at one host is a stranger at the other, and wss asks nobody."""
    server = own_server(settings={("host", "localhost"): {
        "client_ca": str(authorities[0].certificate)}})
    make_account(server, "juliet")
    make_account(server, "juliet", host="example.test")
    both = authorities[0].certify("both", XMPP_ADDR + "juliet@localhost",
                                  XMPP_ADDR + "juliet@example.test")
    assert offered(connect, server, both, "tls")[1]
    assert not offered(connect, server, both, "tls", "example.test")[1]
    assert not offered(connect, server, both, "wss")[1]


@pytest.mark.parametrize("other", (None, 1))
def test_who_vouches_for_one_host(own_server, make_account, connect, authorities, other):
    """The stream turns to another host behind the handshake; nobody there trusts this authority."""
    settings = {("host", "localhost"): {"client_ca": str(authorities[0].certificate)}}
    if other:
        settings["host", "example.test"] = {"client_ca": str(authorities[other].certificate)}
    server = own_server(settings=settings)
    make_account(server, "juliet", host="example.test")
    certificate = authorities[0].certify("both", XMPP_ADDR + "juliet@example.test",
                                         XMPP_ADDR + "juliet@localhost")
    client = connect(server, "tls", certificate=certificate)
    client.host = "example.test"
    client.open()
    assert "EXTERNAL" not in client.mechanisms()
    answer = client.sasl("auth", b64(b"juliet@example.test"), mechanism="EXTERNAL")
    assert failure(answer) == "invalid-mechanism"
