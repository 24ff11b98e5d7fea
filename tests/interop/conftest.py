# SPDX-License-Identifier: MIT
"""Fixtures for clients from the wild."""

import pytest

from peer import Clients, chromium, node_ready


@pytest.fixture
def clients(server, tmp_path):
    group = Clients(server, str(tmp_path))
    yield group
    group.close()


@pytest.fixture
def node():
    if not node_ready():
        pytest.skip("Node or its packages are missing (tests/run installs them)")


@pytest.fixture
def browser(node):
    if not chromium():
        pytest.skip("no Chromium: install it or set JACKDAW_CHROMIUM")
