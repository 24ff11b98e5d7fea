# SPDX-License-Identifier: MIT
"""Every section of XEP-0045 (1.35.5) that shows an exchange or sets a rule for servers has a
test of its number: a replay script muc-7.2.9-*.txt, or a function test_7_2_9_* of these tests."""

import glob
import os
import re

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "..", "replay", "scripts")
SECTIONS = {
    "6.1": "which services there are", "6.2": "what a service can do", "6.3": "public rooms",
    "6.4": "about a room", "6.5": "items of a room", "6.6": "asking an occupant",
    "6.7": "asking a contact",
    "7.1": "order", "7.2.1": "entering", "7.2.2": "who is told", "7.2.3": "addresses known",
    "7.2.4": "addresses for moderators", "7.2.5": "password", "7.2.6": "for members",
    "7.2.7": "banned", "7.2.8": "taken name", "7.2.9": "full", "7.2.10": "not open yet",
    "7.2.11": "not there", "7.2.12": "logged", "7.2.13": "history", "7.2.14": "how much of it",
    "7.2.15": "subject on entering", "7.2.16": "live", "7.2.17": "errors",
    "7.2.18": "presence from outside", "7.3": "subject by an occupant", "7.4": "to all",
    "7.5": "to one", "7.6": "another name", "7.7": "away", "7.8.1": "direct invitation",
    "7.8.2": "invitation by the room", "7.9": "from two to three", "7.10": "registration",
    "7.11": "who is a member", "7.12": "one's reserved name", "7.13": "asking for voice",
    "7.14": "leaving",
    "8.1": "subject", "8.2": "putting out", "8.3": "giving voice", "8.4": "taking voice",
    "8.5": "list of voices", "8.6": "a request for voice granted",
    "9.1": "ban", "9.2": "list of bans", "9.3": "making members", "9.4": "members no more",
    "9.5": "list of members", "9.6": "making moderators", "9.7": "moderators no more",
    "9.8": "list of moderators", "9.9": "registration granted",
    "10.1.1": "making a room", "10.1.2": "at once", "10.1.3": "with a form",
    "10.2": "configuration", "10.2.1": "who hears of it", "10.3": "making owners",
    "10.4": "owners no more", "10.5": "list of owners", "10.6": "making admins",
    "10.7": "admins no more", "10.8": "list of admins", "10.9": "the end of a room",
    "11.1": "not to be reached", "11.2": "the server stops", "12": "status codes",
    "18.1.1": "what goes through",
}


def numbers():
    """The sections that tests are named after."""
    for path in glob.glob(os.path.join(SCRIPTS, "muc-[0-9]*.txt")):
        yield os.path.basename(path).split("-")[1]
    for path in glob.glob(os.path.join(HERE, "test_muc*.py")):
        with open(path, encoding="utf-8") as source:
            for name in re.findall(r"^def test_(\d+(?:_\d+)*)_", source.read(), re.M):
                yield name.replace("_", ".")


@pytest.mark.quick
def test_each_section_has_a_test():
    tested = set(numbers())
    missing = {n: title for n, title in SECTIONS.items() if n not in tested}
    assert not missing
