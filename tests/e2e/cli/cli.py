"""What the command line tests share: the build under test, a scratch directory, a fixed environment, waits that end. Standard library only."""
import argparse
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3]
TEST_S = 400  # no test takes longer, whatever it waits for and however busy the machine is


class Failure(Exception):
    pass


class Skip(Exception):
    """What this machine, or this user, lacks for a test."""


def expect(condition, message):
    if not condition:
        raise Failure(message)


def until(condition, what, seconds=60):
    """What `condition` gives at last; a test that waits in vain says for what, which may be a function."""
    begun = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - begun
        expect(waited < seconds, f"waited in vain: {what() if callable(what) else what}")
        time.sleep(max(0.005, min(0.1, waited / 8)))  # what is asked may start a process each time


def state(pid):
    """The letter of proc(5), or "gone"."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


class Terminal:
    """A program that leads the session of a terminal of its own."""

    def __init__(self, bench, *words, **environment):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(bench.scratch)
            os.execve(words[0], [str(word) for word in words], {**bench.environment, **environment})
        self.out = self.all = b""

    def read(self, seconds):
        """Whether more came before the time was up or the last one who had the terminal open ended."""
        if not select.select([self.fd], [], [], max(0, seconds))[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.out += data
        self.all += data
        return data != b""

    def until(self, text, seconds=60):
        """Reads until the text has come; what came before it is returned."""
        end = time.monotonic() + seconds
        while text not in self.out and self.read(end - time.monotonic()):
            pass
        expect(text in self.out, f"no {text} in {self.out}; all that came: {self.all}")
        before, self.out = self.out.split(text, 1)
        return before

    def rest(self, seconds=60):
        """All that comes until its programs have ended."""
        while self.read(seconds):
            pass
        return self.out

    def type(self, text):
        os.write(self.fd, text)

    def foreground(self):
        """The process group that the terminal's keys go to."""
        return os.tcgetpgrp(self.fd)

    def close(self):
        os.close(self.fd)
        self.fd = -1

    def wait(self):
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.fd >= 0:
            self.close()
        if kind is not None and state(self.pid) not in ("gone", "Z"):
            os.kill(self.pid, signal.SIGKILL)


class Bench:
    """A build and a scratch directory; programs run there with an environment that says the same everywhere."""

    def __init__(self, build, scratch, leaks):
        self.bin = Path(build).resolve() / "bin"
        self.pprofctl = str(self.bin / "pprofctl")
        # Foreign programs cannot load AddressSanitizer's runtime: they get the library whose undefined behaviour traps.
        sanitized = "PPROF_SANITIZE:BOOL=ON" in (self.bin.parent / "CMakeCache.txt").read_text()
        trap = {"LIBPPROF_SO": str(self.bin.parent / "lib/trap/libpprof.so")} if sanitized else {}
        self.scratch = Path(scratch)
        # Root's runs lie where the programs of others get to: so here, and not where other tests' runs lie too.
        self.scratch.chmod(0o711)
        self.environment = {"PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin", "HOME": str(scratch), "TZ": "UTC", "LANG": "C.UTF-8",
                            "TERM": "xterm", "XDG_RUNTIME_DIR": str(scratch), "ASAN_OPTIONS": f"verify_asan_link_order=0:detect_leaks={leaks:d}", **trap}

    def run(self, *words, **changes):
        environment = {**self.environment, **changes.pop("environment", {})}
        if "input" in changes:
            changes.pop("stdin", None)
        else:
            changes.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([str(word) for word in words], cwd=self.scratch, env=environment, capture_output=True, timeout=100, **changes)

    def make_store(self, name="pprof.db", *more):
        done = self.run(self.bin / "make_store", name, *more)
        expect(done.returncode == 0, done.stderr.decode())
        return self.scratch / name


def too_long(_, frame):
    """Whatever a test waits for, a read, a process, a lock: it fails, and says where it was."""
    raise Failure(f"did not end within {TEST_S} s: " + "".join(traceback.format_stack(frame)[-6:]))


def main(tests, leaks=False):
    """Runs every function in `tests` with a bench of its own; says which failed and why. `leaks`: whether each process of a sanitizer build looks for leaks
    at its end, which is half of what a short one costs: where every verb is seen (test_golden, test_record)."""
    signal.signal(signal.SIGALRM, too_long)
    # A shell that starts tests in the background has these ignored, and so would be all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--bless", action="store_true", help="rewrite the expected outputs")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    failed = 0
    for test in tests:
        if arguments.names and test.__name__ not in arguments.names:
            continue
        with tempfile.TemporaryDirectory(prefix="pprof-cli-") as scratch:
            try:
                bench = Bench(arguments.build, scratch, leaks)
                bench.bless = arguments.bless
                signal.alarm(TEST_S)
                test(bench)
                print(f"ok      {test.__name__}")
            except Skip as why:
                print(f"skipped {test.__name__}: {why}")
            except (Failure, subprocess.TimeoutExpired) as failure:
                failed += 1
                print(f"FAILED  {test.__name__}: {failure}", flush=True)
            finally:
                signal.alarm(0)
    sys.exit(1 if failed else 0)
