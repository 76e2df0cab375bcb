"""What the command line tests share: the build under test, a scratch directory, a fixed environment. Standard library only."""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3]


class Failure(Exception):
    pass


class Skip(Exception):
    """What this machine, or this user, lacks for a test."""


def expect(condition, message):
    if not condition:
        raise Failure(message)


class Bench:
    """A build and a scratch directory; programs run there with an environment that says the same everywhere."""

    def __init__(self, build, scratch):
        self.bin = Path(build).resolve() / "bin"
        self.pprofctl = str(self.bin / "pprofctl")
        # Foreign programs cannot load AddressSanitizer's runtime: they get the library whose undefined behaviour traps.
        trap = self.bin.parent / "lib/trap/libpprof.so"
        self.scratch = Path(scratch)
        # Root's runs lie where the programs of others get to: so here, and not where other tests' runs lie too.
        self.scratch.chmod(0o711)
        self.environment = {"PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin", "HOME": str(scratch), "TZ": "UTC", "LANG": "C.UTF-8",
                            "TERM": "xterm", "XDG_RUNTIME_DIR": str(scratch), "ASAN_OPTIONS": "verify_asan_link_order=0",
                            **({"LIBPPROF_SO": str(trap)} if trap.exists() else {})}

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


def main(tests, **options):
    """Runs every function in `tests` with a bench of its own; says which failed and why."""
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
                bench = Bench(arguments.build, scratch)
                bench.bless = arguments.bless
                test(bench)
                print(f"ok      {test.__name__}")
            except Skip as why:
                print(f"skipped {test.__name__}: {why}")
            except (Failure, subprocess.TimeoutExpired) as failure:
                failed += 1
                print(f"FAILED  {test.__name__}: {failure}")
    sys.exit(1 if failed else 0)
