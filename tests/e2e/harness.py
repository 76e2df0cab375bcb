"""What the end-to-end tests share: servers started and stopped by pid, programs run with and without the shim, spans read back.

Everything listens on loopback or on a socket in a temporary directory. Standard library only. The build to test is named by the environment:
PPROF_BIN (directory of pprofd, pprofctl, model_server) and PPROF_SHIM (path of libpprof.so).
"""
import atexit
import contextlib
import functools
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("PPROF_BIN", SOURCE / "build/release/bin"))
SHIM = os.environ.get("PPROF_SHIM", str(SOURCE / "build/release/lib/libpprof.so"))
SECRET = "sk-test-planted-secret"


class Failure(Exception):
    pass


def expect(condition, message):
    if not condition:
        raise Failure(message)


def wait_for(condition, seconds, what):
    """Polls until condition() is true; a bound, not a measurement. The longer it takes the more seldom it asks: what is asked costs a processor that others
    wait for."""
    begun = time.monotonic()
    while not condition():
        waited = time.monotonic() - begun
        expect(waited < seconds, f"waited {seconds} s for {what}")
        time.sleep(max(0.01, min(0.25, waited / 4)))


class Process:
    """A server of ours: stopped by its pid, even when the test fails."""

    def __init__(self, command, **popen):
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, **popen)

    def stop(self, sig=signal.SIGTERM, seconds=20):
        if self.process.poll() is None:
            self.process.send_signal(sig)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Failure(f"{self.process.args[0]} did not stop within {seconds} s")
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class ModelServer(Process):
    def __init__(self, directory, pace="0.02", *options):
        port_file = Path(directory) / "port"
        port_file.unlink(missing_ok=True)
        super().__init__([BIN / "model_server", "--port-file", port_file, "--pace", pace, *options])
        wait_for(port_file.exists, 20, "the model server")
        self.url = "http://127.0.0.1:" + port_file.read_text().strip()


class Collector(Process):
    """pprofd with a store of its own."""

    def __init__(self, directory, *options):
        directory = Path(directory)
        self.socket = directory / "pprofd.sock"
        self.store = directory / "store.db"
        self.spool = directory / "spool"
        self.log = open(directory / "pprofd.log", "ab")
        super().__init__([BIN / "pprofd", "--socket", self.socket, "--store", self.store, "--spool", self.spool, *options],
                         stderr=self.log)
        wait_for(self.socket.exists, 20, "pprofd")

    def environment(self):
        return {"LIBPPROF_SOCKET": str(self.socket), "LIBPPROF_SPOOL": str(self.spool)}

    def export(self):
        return export(self.store)

    def wait_until_stored(self, count, seconds=20):
        try:
            wait_for(lambda: stored_spans(self.store) >= count, seconds, f"{count} spans")
        except Failure as failure:
            spans = self.export()
            raise Failure(f"{failure}; there are {len(spans)}: {json.dumps(spans)[:2000]}") from None

    def wait_for_spans(self, count, seconds=20):
        """All spans once at least `count` are stored."""
        self.wait_until_stored(count, seconds)
        return self.export()


def stored_spans(store):
    """How many spans the blocks of a store hold; asked again and again, so no program is started for it."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{urllib.parse.quote(str(store))}?mode=ro", uri=True)) as database:
            return database.execute("SELECT total(n) FROM block").fetchone()[0]
    except sqlite3.OperationalError: # it is not made yet
        return 0


def export(store):
    done = subprocess.run([BIN / "pprofctl", "export", store], capture_output=True, check=False)
    expect(done.returncode == 0, f"pprofctl export: {done.returncode}: {done.stderr.decode()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def loss(store):
    """What `report` says of loss, as it says it in JSON."""
    done = subprocess.run([BIN / "pprofctl", "report", "--format", "json", store], capture_output=True, check=False)
    expect(done.returncode == 0, f"pprofctl report: {done.returncode}: {done.stderr.decode()}")
    return json.loads(done.stdout)["lost"]


@functools.cache
def state_directory():
    """Of this test alone: programs under the shim make the installation's key there, not in the tester's home."""
    made = tempfile.TemporaryDirectory(prefix="pprof-state-")
    atexit.register(made.cleanup)
    return made.name


def run(command, shim=False, env=None, stdin=b"", seconds=400, cwd=None):
    """(exit code, stdout, stderr) of a program, with the shim preloaded or without."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LIBPPROF_") and k != "LD_PRELOAD"}
    environment["XDG_STATE_HOME"] = state_directory()
    environment.update(env or {})
    if shim:
        environment["LD_PRELOAD"] = (environment.get("LD_PRELOAD", "") + " " + SHIM).strip()
    done = subprocess.run([str(c) for c in command], input=stdin, capture_output=True, env=environment, timeout=seconds, cwd=cwd,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def first_difference(a, b):
    """The first lines that differ, of outputs that may be long."""
    if isinstance(a, int):
        return a, b
    pairs = itertools.zip_longest(a.splitlines(), b.splitlines(), fillvalue=b"(nothing)")
    return next(((x[:600], y[:600]) for x, y in pairs if x != y), (a[-20:], b[-20:]))


def same_behaviour(name, without, with_shim):
    for what, a, b in zip(("exit code", "stdout", "stderr"), without, with_shim):
        if a != b:
            one, other = first_difference(a, b)
            raise Failure(f"{name}: {what} differs under the shim\n  without: {one}\n  with:    {other}")


class Scratch:
    """A temporary directory that goes away, with short paths (a socket's path has 108 bytes at most)."""

    def __enter__(self):
        self.path = Path(tempfile.mkdtemp(prefix="pprof-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def main(tests):
    """Runs the named tests (all without arguments); prints a line each; exit code 1 when one failed, 77 when nothing could run."""
    chosen = sys.argv[1:] or list(tests)
    failed = 0
    for name in chosen:
        try:
            tests[name]()
            print(f"ok   {name}", flush=True)
        except Failure as failure:
            failed += 1
            print(f"FAIL {name}: {failure}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
