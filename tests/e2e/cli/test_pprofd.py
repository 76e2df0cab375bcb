#!/usr/bin/python3
"""pprofd as those who run it see it: what it does to a spool that was named, a store that goes away under it."""
import sqlite3
import subprocess

from cli import expect, main, until
from test_record import Model


def library(bench):
    return bench.environment.get("LIBPPROF_SO", str(bench.bin.parent / "lib/libpprof.so"))


class Collector:
    """A pprofd that has said that it is ready; `said` has the rest once it was stopped."""

    def __init__(self, bench, *options, **environment):
        self.process = subprocess.Popen([bench.bin / "pprofd", *options], cwd=bench.scratch, env={**bench.environment, **environment}, stderr=subprocess.PIPE, bufsize=0)
        self.said = b""

    def __enter__(self):
        said = self.process.stderr.readline()
        expect(b"pprofd ready" in said, f"{said}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.said = self.process.communicate(timeout=60)[1]


def mode(path):
    return path.stat().st_mode & 0o7777


def a_spool_is_opened_where_that_was_asked_for(bench):
    """Others may drop files into a spool that was named, where other users are let in; not into one that was not, and into none without them."""
    state = bench.scratch / "state"
    spool = state / "libpprof/spool"
    box = bench.scratch / "box"
    for directory in (spool, box):
        directory.mkdir(parents=True, mode=0o700)
    for options, modes in (((), (0o700, 0o700)), (("--spool", "box"), (0o700, 0o700)), (("--any-user",), (0o700, 0o700)), (("--any-user", "--spool", "box"), (0o700, 0o1777))):
        with Collector(bench, "--store", "pprof.db", "--socket", "pprofd.sock", *options, XDG_STATE_HOME=str(state)):
            expect((mode(spool), mode(box)) == modes, f"{options}: {mode(spool):o} {mode(box):o}")


def collectors(store):
    """Those that a store knows to write into it."""
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
            return [key for key, in db.execute("SELECT key FROM meta WHERE key LIKE 'collector %'")]
    except sqlite3.OperationalError:
        return []


def a_store_that_goes_away(bench):
    """What comes after a store's folder was moved is in the store that is there then, which knows its collector as the first did; said once."""
    store = bench.scratch / "here/pprof.db"
    store.parent.mkdir()
    with Model() as model, Collector(bench, "--store", store, "--socket", bench.scratch / "pprofd.sock", "--spool", bench.scratch / "box") as collector:
        for times in range(3):
            done = bench.run(*model.call(), environment={"LD_PRELOAD": library(bench), "LIBPPROF_SOCKET": str(bench.scratch / "pprofd.sock"), "LIBPPROF_SPOOL": str(bench.scratch / "box")})
            expect(done.returncode == 0, f"{done}")
            until(lambda: store.exists() and bench.run(bench.pprofctl, "export", store).stdout.count(b"\n") == 1, f"its call, in store number {times}")
            known = until(lambda: collectors(store), f"its collector, in store number {times}")
            expect(len(known) == 1 and str(bench.scratch / "box") in known[0] and str(bench.scratch / "pprofd.sock") in known[0], f"{known}")
            store.parent.rename(bench.scratch / f"gone {times}")
    expect(collector.said.count(b"was moved, removed or replaced while it was in use") == 2, f"{collector.said}")


if __name__ == "__main__":
    main([a_spool_is_opened_where_that_was_asked_for, a_store_that_goes_away])
