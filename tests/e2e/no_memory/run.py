#!/usr/bin/python3
"""Each allocation fails once: of the shim within a program, of pprofd, of every verb of pprofctl. Usage: run.py [--all] [CASE…]

libfailing.so (failing.c) counts the allocations of a run and makes the one with a given number fail, or that one and all behind it. Then: nobody crashes;
a program under the shim prints what it prints without, and ends as it does without; what a command prints is right, or it says why not and its exit code
is not 0; a call that is not in the store was counted as lost, or the shim said that it stepped aside. Without --all: numbers evenly spread, the first
ones all. The order of allocations of several threads is the program's own, so a number is not the same place in every run; the sum of runs covers them.
"""
import argparse
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402
from harness import BIN, SHIM, SOURCE, expect  # noqa: E402

FAILING = BIN / "loader/plugins/libloader_failing.so"
MANY = BIN / "loader/loader_many"
CALLS = 4
FIRST, SPREAD = 60, 12  # of the short tier: the first numbers, and so many evenly spread behind them
REST = 1_000_000_000
VERBS = {"report": ["report", "{store}"], "export": ["export", "{store}"], "dump": ["dump", "{store}"], "check": ["check", "{store}"], 
         "doctor": ["doctor", "--", "{many}"]}
everything = False


def numbers(count):
    """Which allocations fail, of `count`."""
    if everything or count <= FIRST + SPREAD:
        return list(range(1, count + 1))
    return [*range(1, FIRST + 1), *(FIRST + (count - FIRST) * i // SPREAD for i in range(1, SPREAD + 1))]


def environment(scratch, at, more, extra, preload=(), begins_in=None):
    count = scratch / "count"
    count.unlink(missing_ok=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith("LIBPPROF_") and k != "LD_PRELOAD"}
    env.update(extra, LD_PRELOAD=" ".join(map(str, (FAILING, *preload))), FAIL_AT=str(at), FAIL_MORE=str(more), FAIL_COUNT=str(count))
    if begins_in:
        env["FAIL_FROM"] = begins_in
    return env


def run(command, env, seconds=60):
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, capture_output=True, env=env, timeout=seconds, check=False)
    expect(done.returncode not in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE, -signal.SIGTRAP),
           f"{command} with allocation {env['FAIL_AT']} failing: signal {-done.returncode}: {done.stderr.decode()[-500:]}")
    return done


def counted(scratch):
    return max(int(line) for line in (scratch / "count").read_text().split())


class Quirks(harness.Process):
    def __init__(self, scratch):
        port_file = scratch / "quirks-port"
        super().__init__([SOURCE / "tests/servers/quirks.py", "--port-file", port_file])
        harness.wait_for(port_file.exists, 20, "quirks.py")
        self.url = "http://127.0.0.1:" + port_file.read_text().strip() + "/v1/chat/completions?do=sse"


def stored(store):
    """{service: (spans, lost)}"""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
        spans = dict(database.execute("SELECT p.service, sum(b.n) FROM block b JOIN process p ON p.id = b.process GROUP BY 1"))
        lost = dict(database.execute("SELECT service, sum(lost_spans + lost_exchanges) FROM process GROUP BY 1"))
    return {service: (spans.get(service, 0), lost.get(service, 0)) for service in spans.keys() | lost.keys()}


def test_shim():
    with harness.Scratch() as scratch, Quirks(scratch) as quirks, harness.Collector(scratch) as collector:
        command = [MANY, quirks.url, CALLS]
        bare = harness.run(command)
        expect(bare[0] == 0, f"{bare}")
        said = {}

        def one(at, more):
            name = f"n{at}-{more}"
            extra = {**collector.environment(), "LIBPPROF_SERVICE": name, "LIBPPROF_LOG": str(scratch / f"log-{name}")}
            done = run(command, environment(scratch, at, more, extra, [SHIM], Path(SHIM).name))
            expect((done.returncode, done.stdout) == bare[:2], f"allocation {at} (and {more} more) failing: {done}, without the shim {bare}")
            said[name] = (scratch / f"log-{name}").exists()

        one(0, 0)
        count = counted(scratch)
        for at in numbers(count):
            one(at, 0)
            one(at, REST)
        harness.wait_for(lambda: stored(collector.store).get("n0-0", (0, 0))[0] == CALLS, 20, "the spans")
        expect(collector.stop() == 0, "pprofd ended otherwise")
        found = stored(collector.store)
        unsaid = [f"{name}: {found.get(name, (0, 0))}" for name, log in said.items() if sum(found.get(name, (0, 0))) != CALLS and not log]
        whole = sum(spans == CALLS for spans, _ in found.values())
        print(f"     {count} allocations of the shim; {len(said)} runs, {whole} with all spans, {sum(said.values())} that said why not")
        expect(not unsaid, f"calls neither stored nor lost, of {CALLS}, (stored, lost): {unsaid}")


def own_words(output):
    """Without what doctor says of files that programs beside this test leave in the places of this machine."""
    return [line for line in output.splitlines() if not line.startswith((b"Not taken in yet:", b"Of these, "))]


def filled_store(scratch):
    with Quirks(scratch) as quirks, harness.Collector(scratch) as collector:
        expect(harness.run([MANY, quirks.url, "20"], shim=True, env=collector.environment())[0] == 0, "the program failed")
        collector.wait_for_spans(20)
        return collector.store


def test_verbs():
    with harness.Scratch() as scratch:
        store = filled_store(scratch)
        home = scratch / "home"
        home.mkdir(mode=0o700)
        own = {name: str(home) for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME")}
        for name, verb in VERBS.items():
            command = [BIN / "pprofctl", *(word.format(store=store, many=MANY) for word in verb)]
            good = run(command, environment(scratch, 0, 0, own))
            expect(good.returncode == 0, f"{good}")
            count, failed = counted(scratch), 0
            for at in numbers(count):
                for more in (0, REST):
                    done = run(command, environment(scratch, at, more, own))
                    failed += done.returncode != 0
                    if done.returncode == 0:
                        expect(own_words(done.stdout) == own_words(good.stdout), f"{name}, allocation {at} (and {more} more) failing: exit code 0 and {done.stdout[-300:]}")
                    else:
                        expect(done.stderr.strip(), f"{name}, allocation {at} (and {more} more) failing: exit code {done.returncode} and not a word")
            print(f"     {name}: {count} allocations; {failed} runs ended with a sentence")


def test_pprofd():
    """It starts, takes spans, ends; then another one, with memory, takes what waits."""
    with harness.Scratch() as scratch, Quirks(scratch) as quirks:
        def one(at, number):
            place = scratch / str(number)
            place.mkdir()
            socket, store, spool = place / "s", place / "d", place / "spool"
            command = [str(c) for c in (BIN / "pprofd", "--socket", socket, "--store", store, "--spool", spool)]
            daemon = subprocess.Popen(command, env=environment(scratch, at, 0, {}), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
            harness.wait_for(lambda: socket.exists() or daemon.poll() is not None, 20, "pprofd")
            env = {"LIBPPROF_SOCKET": str(socket), "LIBPPROF_SPOOL": str(spool)}
            expect(harness.run([MANY, quirks.url, CALLS], shim=True, env=env)[0] == 0, "the program failed")
            daemon.terminate()
            _, err = daemon.communicate(timeout=20)
            expect(daemon.returncode >= 0 or daemon.returncode == -signal.SIGTERM, f"allocation {at} failing: pprofd: {daemon.returncode} {err}")
            expect(daemon.returncode in (0, -signal.SIGTERM) or err.strip(), f"allocation {at} failing: pprofd ended {daemon.returncode} without a word")
            count = counted(scratch) if (scratch / "count").exists() else 0
            socket.unlink(missing_ok=True)
            with harness.Process(command, stderr=subprocess.DEVNULL):
                harness.wait_for(lambda: store.exists() and sum(n for n, _ in stored(store).values()) >= CALLS, 20, f"the spans ({at} failing): {err}")
            spans = harness.export(store)
            expect(len(spans) == len({s["span_id"] for s in spans}) == CALLS, f"allocation {at} failing: {len(spans)} spans of {CALLS}: {err}")
            return count

        count = one(0, 0)
        chosen = numbers(count)
        for number, at in enumerate(chosen, 1):
            one(at, number)
        print(f"     pprofd: {count} allocations, {len(chosen)} runs")


TESTS = {"shim": test_shim, "verbs": test_verbs, "pprofd": test_pprofd}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every number, not some")
    parser.add_argument("case", nargs="*")
    options = parser.parse_args()
    everything = options.all
    sys.argv[1:] = options.case
    harness.main(TESTS)
