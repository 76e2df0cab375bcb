#!/usr/bin/python3
"""Kills programs, collectors, and both at once, and compares the programs' own ledgers with the store: every call that was complete for more than
50 ms before its process' death is there, nothing is there twice, nothing is torn.

Usage: ledger.py [--kills N] [--seed S] [--modes program,collector,both] [--bound MS] [--keep DIR]     (N kills of each kind)

The 50 ms are counted by that process (ledger_client.c), without the time in which the thread that records had to share a processor. Where
processors are free that is 50 ms of any clock; where they are not, the test is of what that thread does with what it gets, not of how much it gets.

What is not deterministic (when a kill hits) is what is tested; how long programs live and collectors run comes from the seed.
"""
import argparse
import collections
import math
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402
from harness import BIN, SHIM, Failure, expect  # noqa: E402

CLIENT = BIN / "ledger_client"
LOOK_MS_MAX = 8  # as in ledger_client.c, and the size of its table
TABLE_BYTES = 4096 * 16

# How long its process went on after it by its own count (for ever, where it exited), and how long before the program's death it was complete.
Call = collections.namedtuple("Call", "ident lived_ms age_ms")


class Program:
    """A ledger_client under the shim; its ledger comes through a pipe, its counts and those of its children through a file in memory."""

    def __init__(self, environment, url, threads, streams, *more):
        read, write = os.pipe()
        self.pipe = read
        self.table = os.memfd_create("counts")
        os.ftruncate(self.table, TABLE_BYTES)
        self.process = subprocess.Popen([CLIENT, url, str(write), str(self.table), str(threads), str(streams), *more],
                                        env={**environment, "LD_PRELOAD": SHIM}, pass_fds=[write, self.table], stdin=subprocess.DEVNULL,
                                        start_new_session=True)
        os.close(write)
        os.set_blocking(read, False)
        self.text = b""

    def lived_ms(self):
        return struct.unpack("<Q", os.pread(self.table, 8, 0))[0] / 1000

    def drain(self):
        try:
            while True:
                piece = os.read(self.pipe, 65536)
                if not piece:
                    return
                self.text += piece
        except BlockingIOError:
            pass

    def kill(self):
        """All of it, children too. Returns its calls."""
        now = time.monotonic_ns()  # it was alive for certain
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.drain()
        os.close(self.pipe)
        return self.calls(now)

    def calls(self, died_ns):
        """A Call for every whole line."""
        table = os.pread(self.table, TABLE_BYTES, 0)
        os.close(self.table)
        calls = []
        for line in self.text.split(b"\n")[:-1]:
            ident, process, lived, when = line.split()
            last, exited = struct.unpack_from("<QQ", table, int(process) * 16)
            calls.append(Call(ident.decode(), math.inf if exited else (last - int(lived)) / 1000, (died_ns - int(when)) / 1e6))
        return calls


class Ledger:
    def __init__(self, bound_ms):
        self.bound_ms = bound_ms + LOOK_MS_MAX  # the count that a call notes may be so far behind
        self.due = set()  # must be in the store
        self.known = {}  # may be; the Call, by its id
        self.programs = []  # the calls of each
        self.kills = collections.Counter()

    def close(self, calls):
        self.programs.append(calls)
        for call in calls:
            self.known[call.ident] = call
            if call.lived_ms > self.bound_ms:
                self.due.add(call.ident)

    def say_late(self, late):
        """Which programs they are of, and how old."""
        said = []
        for number, calls in enumerate(self.programs):
            gone = [c for c in calls if c.ident in late]
            if gone:
                oldest = max(gone, key=lambda c: c.age_ms)
                said.append(f"{len(gone)} of the {len(calls)} calls of program {number}, whose first ended {calls[0].age_ms:.0f} ms before its death: "
                            f"the oldest {oldest.age_ms:.0f} ms before it, of which {oldest.lived_ms:.0f} count, {oldest.ident}")
        return "; ".join(said)

    @staticmethod
    def say_doubled(spans, keys, ids):
        """Which processes' they are, and whether the two have the same number."""
        twice = collections.defaultdict(list)
        for span in spans:
            if ids[span.get("gen_ai.response.id")] > 1:
                twice[span["gen_ai.response.id"]].append(span)
        if twice:
            pairs = collections.Counter(tuple(s.get("process.pid") for s in those) for those in twice.values())
            print(f"doubled: {len(twice)} response ids, {sum(n > 1 for n in keys.values())} spans; by their processes {pairs.most_common(8)}; "
                  f"two: {next(iter(twice.values()))[:2]}", flush=True)

    def compare(self, spans, damaged, loss):
        stored = collections.Counter(s.get("gen_ai.response.id") for s in spans if s.get("pprof.completeness") != "killed" and s.get("gen_ai.response.id"))
        killed = [s for s in spans if s.get("pprof.completeness") == "killed"]
        lost = self.due - stored.keys() - {s.get("gen_ai.response.id") for s in killed}
        keys = collections.Counter((s["trace_id"], s["span_id"]) for s in spans)
        doubled = [k for k, n in keys.items() if n > 1] + [k for k, n in stored.items() if n > 1]
        torn = [s for s in spans if any(key not in s for key in ("url.path", "start_time_unix_nano", "server.address", "pprof.phase.total_ns", "pprof.api"))]
        late = {c for c in self.due if c not in stored}
        gone = [c for c in self.known.values() if c.ident not in stored]
        self.say_doubled(spans, keys, stored)
        print(f"calls {len(self.known)}, of them due {len(self.due)}; spans {len(spans)}, killed in flight {len(killed)}; lost {len(lost)}, "
              f"doubled {len(doubled)}, torn {len(torn)}, damaged {damaged}; kills {dict(self.kills)}; not there {len(gone)}, "
              f"the oldest {max((c.age_ms for c in gone), default=0):.0f} ms, counted {max((c.lived_ms for c in gone), default=0):.0f} ms", flush=True)
        expect(not late, f"{len(late)} calls were complete and are not there: {self.say_late(late)}; the store says of loss: {loss}")
        expect(not doubled, f"doubled: {doubled[:5]}")
        expect(not torn, f"torn: {torn[:5]}")
        expect(damaged == 0, f"{damaged} damaged files or connections")
        expect(self.kills["program"] < 5 or killed, "no call was in flight at any of the deaths")
        expect(any("pprof.net.response_bytes" in s for s in killed) or len(killed) < 50, "of no call in flight is it known what had come")
        expect(len(self.due) > 0, "nothing was due: this proves nothing")


class Run:
    def __init__(self, scratch, arguments):
        self.scratch = scratch
        self.random = random.Random(arguments.seed)
        self.ledger = Ledger(arguments.bound)
        self.server = harness.ModelServer(scratch, "0.002")
        self.url = self.server.url + "/v1/chat/completions"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("LIBPPROF_") and k not in ("LD_PRELOAD", "XDG_RUNTIME_DIR")}
        self.environment |= {"LIBPPROF_SOCKET": str(scratch / "pprofd.sock"), "LIBPPROF_SPOOL": str(scratch / "spool"),
                             "XDG_STATE_HOME": str(scratch / "state")}
        self.collector = None

    def start_collector(self):
        # Not harness.Collector: it waits for the socket, which may be an old one here.
        self.collector = subprocess.Popen([BIN / "pprofd", "--socket", self.scratch / "pprofd.sock", "--store", self.scratch / "store.db", "--spool",
                                           self.scratch / "spool"], stdin=subprocess.DEVNULL, stderr=open(self.scratch / "pprofd.log", "ab"))

    def kill_collector(self):
        self.collector.kill()
        self.collector.wait()
        self.ledger.kills["collector"] += 1

    def program(self):
        threads = self.random.choice([1, 1, 2, 4])
        more = ["fork"] if self.random.random() < 0.25 else []
        return Program(self.environment, self.url, threads, self.random.randrange(threads + 1), *more)

    def kill_program(self, program):
        self.ledger.close(program.kill())
        self.ledger.kills["program"] += 1

    @staticmethod
    def rounds(n):
        """0 to n - 1; on a terminal it says how far it is."""
        for i in range(n):
            if sys.stderr.isatty():
                print(f"\r{i} of {n}", end="\r", file=sys.stderr, flush=True)
            yield i

    def wait(self, least, most):
        time.sleep(self.random.uniform(least, most))

    def live(self, *programs):
        """They get 0.1 to 0.4 s by their own count, so that also on a busy machine most of what they did is due. A bound on that, no measurement."""
        lived_ms = self.random.uniform(100, 400)
        end = time.monotonic() + 20
        while any(program.lived_ms() < lived_ms for program in programs) and time.monotonic() < end:
            time.sleep(0.002)

    def kill_programs(self, n):
        self.start_collector()
        for _ in self.rounds(n):
            program = self.program()
            self.live(program)
            self.kill_program(program)
        self.kill_collector()

    def kill_collectors(self, n):
        program = self.program()
        for i in self.rounds(n):
            self.start_collector()
            self.wait(0.02, 0.3)
            program.drain()
            self.kill_collector()
            if self.random.random() < 0.3:
                self.wait(0, 0.3)
            if i % 20 == 19:  # a pipe holds 64 KB
                self.kill_program(program)
                program = self.program()
        self.kill_program(program)

    def kill_both(self, n):
        for _ in self.rounds(n):
            programs = [self.program() for _ in range(2)]
            self.start_collector()
            self.live(*programs)
            order = self.random.random()
            if order < 0.5:
                self.kill_collector()
            for program in programs:
                self.kill_program(program)
            if order >= 0.5:
                self.kill_collector()

    def settle(self):
        """All that waits is taken in; twice, as the second must find nothing new. Returns how much was damaged."""
        said = ""
        for _ in range(2):
            done = subprocess.run([BIN / "pprofd", "--once", "--store", self.scratch / "store.db", "--spool", self.scratch / "spool"],
                                  capture_output=True, text=True, check=False)
            expect(done.returncode == 0, f"pprofd --once: {done.stderr}")
            said += done.stderr
            time.sleep(0.2)
        check = subprocess.run([BIN / "pprofctl", "check", self.scratch / "store.db"], capture_output=True, text=True, check=False)
        expect(check.returncode == 0, f"pprofctl check: {check.stdout}{check.stderr}")
        # A program that died while it made a file leaves it without its name; it goes after a minute.
        left = [p.name for p in (self.scratch / "spool").glob("*") if p.suffix != ".new"]
        expect(not left, f"left in the spool: {left[:5]}")
        return sum(int(word.split("=")[1]) for word in said.split() if word.startswith("damaged="))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--modes", default="program,collector,both")
    parser.add_argument("--bound", type=int, default=50, help="milliseconds, by the count of the process, before a death within which a call may be lost")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the store of a ledger that does not add up is copied")
    arguments = parser.parse_args()
    modes = {"program": Run.kill_programs, "collector": Run.kill_collectors, "both": Run.kill_both}
    failed = 0
    for mode in arguments.modes.split(","):
        with harness.Scratch() as scratch:
            run = Run(scratch, arguments)
            try:
                modes[mode](run, arguments.kills)
                damaged = run.settle()
                run.ledger.compare(harness.export(scratch / "store.db"), damaged, harness.loss(scratch / "store.db"))
                print(f"ok   {mode}", flush=True)
            except Failure as failure:
                failed += 1
                print(f"FAIL {mode}: {failure}", flush=True)
                if arguments.keep:
                    shutil.copytree(scratch, arguments.keep / mode, ignore=shutil.ignore_patterns("*.sock"), dirs_exist_ok=True)
            finally:
                run.server.stop()
                if run.collector and run.collector.poll() is None:
                    run.collector.kill()
    sys.exit(1 if failed else 0)


main()
