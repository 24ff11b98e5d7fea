#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes configure out of configure.ac; once after a clone.
set -eu
cd "$(dirname "$0")"
exec autoreconf --install --warnings=all,no-portability
