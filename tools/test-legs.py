#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Builds the legs of tools/test, runs their tests and counts all of them.

Everything a step prints goes to a file under build/; what the terminal gets is
one line per step, the failures in full, the reasons of skips, and the sum.
"""

import glob
import os
import re
import resource
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = str(os.cpu_count() or 2)
WORKERS = str(4 * (os.cpu_count() or 2))  # most tests wait
STEP_SECONDS = 1800
LISTED = 100

LEGS = {
    "1": {
        "name": "asan",
        "title": "leg 1: address and undefined behaviour sanitizers, 2 I/O threads",
        "configure": ["--enable-sanitizers=address,undefined"],
        "cc": "gcc", "cflags": "-g -O1",
        "io_threads": "2", "which": ["--no-browser"], "slow": "3", "torture": "12",
    },
    "2": {
        "name": "release",
        "title": "leg 2: release build, one thread, PostgreSQL",
        "configure": [],
        "cc": "gcc", "cflags": "-g -O2",
        "io_threads": "0", "which": ["--db", "pgsql"], "slow": "1", "torture": "3",
    },
    "3": {
        "name": "tsan",
        "title": "leg 3: thread sanitizer, 2 I/O threads",
        "configure": ["--enable-sanitizers=thread"],
        "cc": "clang-14", "cflags": "-g -O1",
        "io_threads": "2", "which": ["--only-quick"], "slow": "5", "torture": "100",
    },
}


class Tally:
    """The sum of everything, with what there is to say about it."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add(self, passed=0, failed=(), skipped=()):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def finish(self):
        if self.skipped:
            print("\nskipped:")
            reasons = {}
            for name, reason in self.skipped:
                reasons.setdefault(reason, []).append(name)
            for reason, names in sorted(reasons.items()):
                shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
                print("  %d x %s (%s)" % (len(names), reason, shown))
        if self.failed:
            print("\nfailed:")
            for name in self.failed[:LISTED]:
                print("  " + name)
            if len(self.failed) > LISTED:
                print("  ... and %d more: build/test-*/test-*.log" % (len(self.failed) - LISTED))
        line = "%d passed, %d failed" % (self.passed, len(self.failed))
        if self.skipped:
            line += ", %d skipped" % len(self.skipped)
        print("\n" + line)
        return 1 if self.failed or not self.passed else 0


TALLY = Tally()


def say(text):
    print(text, flush=True)


def tail(path, lines=60):
    with open(path, encoding="utf-8", errors="replace") as file:
        return "".join("    " + line for line in file.readlines()[-lines:])


def failures(path, lines=150):
    """The first failures in the output of pytest."""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.readlines()
    start = next((number for number, line in enumerate(text)
                  if re.match(r"=+ (FAILURES|ERRORS) =+", line)), max(0, len(text) - lines))
    shown = text[start:start + lines]
    if len(text) > start + lines:
        shown.append("... all of it: %s\n" % os.path.relpath(path, TOP))
    return "".join("    " + line for line in shown)


def leg_folder(leg):
    return os.path.join(TOP, "build", "test-" + leg["name"])


def fixed_addresses():
    """The thread sanitizer of these compilers fails on kernels that scatter addresses widely."""
    argv = ["setarch", "-R"]
    try:
        works = subprocess.run(argv + ["true"], stderr=subprocess.DEVNULL, check=False)
    except OSError:
        return []
    return argv if works.returncode == 0 else []


def leg_prefix(leg):
    return fixed_addresses() if leg["name"] == "tsan" else []


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(title, argv, log, cwd=TOP, env=None):
    """Runs a step; True when it succeeded. Its output is in the file log."""
    began, used = time.monotonic(), cpu_seconds()
    with open(log, "wb") as out:
        try:
            code = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=subprocess.STDOUT, timeout=STEP_SECONDS).returncode
        except subprocess.TimeoutExpired:
            out.write(b"\n*** more than %d seconds: ended\n" % STEP_SECONDS)
            code = -1
        except OSError as error:
            out.write(("\n*** %s\n" % error).encode())
            code = -1
    say("  %-34s %s, %d s (CPU %d s)" % (title, "ok" if code == 0 else "FAILED",
                                         time.monotonic() - began, cpu_seconds() - used))
    return code == 0


# ---- Building -----------------------------------------------------------------

def bootstrap():
    """configure, made anew when what it is made of is newer."""
    configure = os.path.join(TOP, "configure")
    sources = [os.path.join(TOP, name) for name in ("configure.ac", "Makefile.am")]
    if os.path.exists(configure) and all(
            os.path.getmtime(path) <= os.path.getmtime(configure) for path in sources):
        return True
    log = os.path.join(TOP, "build", "test-autogen.log")
    if run("autogen.sh", [os.path.join(TOP, "autogen.sh")], log):
        return True
    say(tail(log))
    TALLY.add(failed=["autogen.sh"])
    return False


def build(leg, folder):
    """Configures when that was not done with these arguments, and makes all."""
    os.makedirs(folder, exist_ok=True)
    arguments = leg["configure"] + ["--enable-werror", "CC=" + leg["cc"], "CFLAGS=" + leg["cflags"]]
    stamp = os.path.join(folder, "configured-with")
    known = None
    if os.path.exists(stamp) and os.path.exists(os.path.join(folder, "Makefile")):
        with open(stamp, encoding="utf-8") as file:
            known = file.read().splitlines()
    if known != arguments:
        log = os.path.join(folder, "test-configure.log")
        if not run("configure", [os.path.join(TOP, "configure"), "-q"] + arguments, log, cwd=folder):
            say(tail(log))
            TALLY.add(failed=["%s: configure" % leg["name"]])
            return False
        with open(stamp, "w", encoding="utf-8") as file:
            file.write("\n".join(arguments) + "\n")
    log = os.path.join(folder, "test-make.log")
    if not run("build", ["make", "-k", "-j" + JOBS, "check-compile"], log, cwd=folder):
        say(tail(log))
        TALLY.add(failed=["%s: build" % leg["name"]])
        return False
    return True


# ---- make check ----------------------------------------------------------------

def count_cmocka(leg_name, name, log_path, result):
    """Counts the tests of one cmocka program by its log."""
    with open(log_path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    passed = len(re.findall(r"^\[ {7}OK \] ", text, re.M))
    failed = set(re.findall(r"^\[  FAILED  \] ([A-Za-z_]\S*)", text, re.M))
    # cmocka names a skipped test twice, as it happens and in the summary.
    skipped = set(re.findall(r"^\[  SKIPPED \] ([A-Za-z_]\S*)", text, re.M))
    where = "%s: %s" % (leg_name, name)
    bad = ["%s: %s" % (where, test) for test in sorted(failed)]
    if result != "PASS" and result != "SKIP" and not bad:
        # It crashed, leaked, or has no cmocka in it.
        bad = ["%s: the program" % where]
    if result == "PASS" and not passed and not skipped:
        passed = 1
    if result == "SKIP" and not skipped:
        skipped = {"the program"}
    TALLY.add(passed, bad, [("%s: %s" % (where, test), "said by the test itself")
                            for test in sorted(skipped)])
    if bad:
        say("  --- %s" % where)
        say(tail(log_path))
    return passed


def make_check(leg, folder):
    log = os.path.join(folder, "test-check.log")
    for old in glob.glob(os.path.join(folder, "tests", "**", "*.trs"), recursive=True):
        os.unlink(old)
    good = run("make check", leg_prefix(leg) + ["make", "-k", "-j" + JOBS, "check"], log, cwd=folder,
               env=dict(os.environ, JD_TORTURE_STEP=leg["torture"]))
    results = sorted(glob.glob(os.path.join(folder, "tests", "**", "*.trs"), recursive=True))
    before = len(TALLY.failed)
    passed = 0
    for trs in results:
        name = os.path.relpath(trs[:-4], folder)
        with open(trs, encoding="utf-8") as file:
            found = re.search(r"^:global-test-result: (\S+)", file.read(), re.M)
        passed += count_cmocka(leg["name"], name, trs[:-4] + ".log", found[1] if found else "ERROR")
    say("  %-34s %d passed in %d programs" % ("", passed, len(results)))
    if not good and len(TALLY.failed) == before:
        say(tail(log))
        TALLY.add(failed=["%s: make check" % leg["name"]])


# ---- pytest ----------------------------------------------------------------------

def pytest(leg, folder, suite):
    """Runs one folder of tests/ and counts by its JUnit file."""
    if not glob.glob(os.path.join(TOP, "tests", suite, "**", "test_*.py"), recursive=True):
        return
    report = os.path.join(folder, "test-%s.xml" % suite)
    log = os.path.join(folder, "test-%s.log" % suite)
    if os.path.exists(report):
        os.unlink(report)
    env = dict(os.environ, JACKDAW_TEST_SLOW=leg["slow"],
               JACKDAW_NODE_DIR=os.path.join(TOP, "build", "tests-node"))
    # Options of whoever calls us are not for the tests.
    for name in ("PYTEST_ADDOPTS", "PYTHONPATH", "JACKDAW_MODULE_DIR", "JACKDAW_SCHEMA_DIR"):
        env.pop(name, None)
    # Without a package registry the servers' own tests still run.
    node = [] if suite == "interop" else ["--no-node"]
    argv = leg_prefix(leg) + [
        os.path.join(TOP, "tests", "run"), "--build", folder, "--io-threads", leg["io_threads"],
        "--junit", report] + node + leg["which"] + [
            "-q", "--tb=short", "-o", "junit_family=xunit2", suite]
    if suite != "soak":  # each worker has servers of its own
        argv += ["-n", WORKERS, "--dist", "load" if suite == "proof" else "loadfile"]
    good = run(suite, argv, log, env=env)
    if not os.path.exists(report):
        say(tail(log))
        TALLY.add(failed=["%s: %s did not run to its end" % (leg["name"], suite)])
        return
    passed, bad, skipped = 0, [], []
    for case in ET.parse(report).getroot().iter("testcase"):
        name = "%s: %s::%s" % (leg["name"], case.get("classname"), case.get("name"))
        if case.find("failure") is not None or case.find("error") is not None:
            bad.append(name)
        elif case.find("skipped") is not None:
            skipped.append((name, case.find("skipped").get("message") or "no reason given"))
        else:
            passed += 1
    # One test may have failed and then failed to clean up.
    bad = sorted(set(bad))
    say("  %-34s %d passed, %d failed, %d skipped" % ("", passed, len(bad), len(skipped)))
    if bad or not good:
        say(failures(log))
    # pytest says 5 when a mark selected nothing.
    if not good and not bad and passed + len(skipped):
        bad = ["%s: %s" % (leg["name"], suite)]
    TALLY.add(passed, bad, skipped)


# ---- The legs ---------------------------------------------------------------------

def run_leg(number):
    leg = LEGS[number]
    folder = leg_folder(leg)
    say(leg["title"])
    if not build(leg, folder):
        return
    make_check(leg, folder)
    pytest(leg, folder, "integration")
    if number != "3":
        pytest(leg, folder, "interop")
        pytest(leg, folder, "proof")
    if number == "2":
        pytest(leg, folder, "soak")


def run_checks():
    """The checks that read more than they run; one counted test each."""
    say("checks")
    folder = leg_folder(LEGS["2"])
    for target in ("check-headers", "check-layers", "check-exports", "lint"):
        log = os.path.join(folder, "test-%s.log" % target)
        if run(target, ["make", target], log, cwd=folder):
            TALLY.add(passed=1)
        else:
            say(tail(log))
            TALLY.add(failed=["make %s" % target])


def main(wanted):
    began = time.monotonic()
    os.makedirs(os.path.join(TOP, "build"), exist_ok=True)
    if bootstrap():
        for number in dict.fromkeys(wanted):
            if number == "checks":
                run_checks()
            else:
                run_leg(number)
    say("\n%d minutes %d seconds" % divmod(time.monotonic() - began, 60))
    return TALLY.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
