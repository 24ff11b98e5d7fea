# SPDX-License-Identifier: MIT
"""Undoes what a power cut may undo: see powerloss.c.

A server started with environment() keeps what it has overwritten since the last fsync
of each file. cut() after its SIGKILL takes back some of that: a disk may have written any of
the blocks that nobody has waited for, so each is undone or not by the toss of a coin, but
the last ones are always undone in one of two cuts.
"""

import glob
import os
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = struct.Struct("=qqq")


def build(folder):
    """The library, compiled into the folder."""
    library = os.path.join(folder, "powerloss.so")
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-fPIC",
                    "-shared", "-o", library, os.path.join(HERE, "powerloss.c"), "-ldl"],
                   check=True)
    return library


def environment(library, watched, delay=0):
    """Names and values for the server's environment; watched: part of the files' paths; delay:
    of each fsync, in microseconds."""
    return {"LD_PRELOAD": library, "JACKDAW_POWERLOSS": watched,
            "JACKDAW_POWERLOSS_DELAY": str(delay),
            "ASAN_OPTIONS": "verify_asan_link_order=0"}


def _records(data):
    at, records = 0, []
    while at + RECORD.size <= len(data):
        offset, length, size = RECORD.unpack_from(data, at)
        at += RECORD.size
        if at + length > len(data):
            break  # it was killed while it wrote this: the write itself never began
        records.append((offset, data[at:at + length], size))
        at += length
    return records


def cut(path, random):
    """The database whose files begin with `path` is as it may be after the cut; how many
    writes were undone."""
    undone = 0
    for undo in glob.glob(path + "*.undo"):
        name = undo[:-len(".undo")]
        with open(undo, "rb") as file:
            records = _records(file.read())
        os.unlink(undo)
        if not records or not os.path.exists(name):
            continue
        everything = random.random() < 0.5
        with open(name, "r+b") as file:
            for offset, old, size in reversed(records):
                if everything or random.random() < 0.5:
                    file.seek(offset)
                    file.write(old)
                    if everything:
                        file.truncate(max(size, offset + len(old)))
                    undone += 1
    for shared in glob.glob(path + "*-shm"):
        os.unlink(shared)
    return undone
