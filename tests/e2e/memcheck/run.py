#!/usr/bin/python3
"""Programs of tests/clients under valgrind's memcheck with the shim: no error, no leak of ours. Usage: run.py [--all] [NAME…]

Children are followed. Leaks count where a block is lost for good (definite). libcurl's and OpenSSL's own errors, if any, are in suppressions.txt, each
with its reason. Exit code 77: no valgrind here.
"""
import argparse
import importlib.machinery
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from harness import BIN, SHIM  # noqa: E402

SHORT = ("copypostfields", "duphandle", "easy", "forks", "mime", "multi", "pause", "redirect", "reset", "upload")
# What valgrind itself makes impossible.
LEFT_OUT = {
    "denied": "its seccomp filter denies what valgrind needs",
    "no_memory": "refuses mmap, which is valgrind's too",
    "limits": "RLIMIT_AS is below what valgrind takes",
    "no_descriptors": "valgrind keeps descriptors of its own",
    "closes_all": "closes valgrind's log",
    "fork_storm": "a thousand processes, each with a valgrind of its own",
    "storm": "a signal every millisecond leaves valgrind no time to go on",
    "signals": "the same",
    "many_handles": "ten thousand handles, twenty times slower",
    "reuse": "three thousand calls, twenty times slower",
    "big_bodies": "64 MB each way, twenty times slower",
    "dies_inside": "children die of SIGKILL and faults, in the middle of what they hold",
    "longjmp": "jumps over frames of libcurl, which then leaks",
    "exception": "the same by an exception",
}
TIMEOUT_S = 300


def run_clients():
    loader = importlib.machinery.SourceFileLoader("run_clients", str(HERE.parent / "run_clients"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_clients", loader))
    loader.exec_module(module)
    return module


# A forked child has a copy of all that its parent's scribe held just then, and no scribe; it must not touch it, for the lists may be torn at that moment
# (scribe.c). So in a forked child what the scribe's thread took and nobody points to is no fault; in every other process it is.
OF_PARENT = re.compile(r"definitely lost.*\n(?:.*\n)*?.* run \(scribe\.c:")


def faults(logs):
    """The errors of all processes, each a paragraph of its log."""
    found = []
    for log in sorted(logs):
        text = re.sub(r"^==\d+== ?", "", log.read_text(errors="replace"), flags=re.M)
        parent = re.search(r"^Parent PID: (\d+)", text, re.M)
        forked = parent is not None and log.with_name(f"log.{parent[1]}").exists()
        for paragraph in text.split("\n\n"):
            is_fault = re.search(r"^   (at|by) 0x", paragraph, re.M) and "possibly lost in" not in paragraph
            if is_fault and not (forked and OF_PARENT.search(paragraph)):
                found.append(paragraph.strip())
    return found


def check(program, where, directory):
    place = Path(directory) / program.name
    place.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith("LIBPPROF_") and k != "LD_PRELOAD"}
    env.update({"LD_PRELOAD": SHIM, "LIBPPROF_SOCKET": str(place / "nobody"), "LIBPPROF_SPOOL": str(place / "spool")})
    command = ["valgrind", "-q", "--leak-check=full", "--errors-for-leak-kinds=definite", "--show-leak-kinds=definite", "--trace-children=yes", "-v",
               f"--suppressions={HERE / 'suppressions.txt'}", f"--log-file={place}/log.%p", "--num-callers=60", program, *where]
    try:
        subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, timeout=TIMEOUT_S,
                       check=False)
    except subprocess.TimeoutExpired:
        return [f"did not end within {TIMEOUT_S} s"]
    logs = list(place.glob("log.*"))
    return faults(logs) if logs else ["valgrind wrote no log"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every program but those that valgrind makes impossible")
    parser.add_argument("names", nargs="*", help=f"default: {' '.join(SHORT)}")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("SKIPPED: there is no valgrind")
        return 77
    names = options.names or ([p.name for p in sorted((BIN / "clients").iterdir()) if p.name not in LEFT_OUT] if options.all else SHORT)
    failed = ran = 0
    with tempfile.TemporaryDirectory(prefix="memcheck-") as directory, run_clients().Servers(directory) as servers:
        for name in names:
            where = servers.arguments(name)
            program = BIN / "clients" / name
            if where is None or not program.exists():
                print(f"SKIPPED {name}: what it needs is not here")
                continue
            found = check(program, where, directory)
            ran += 1
            failed += bool(found)
            print(f"{'FAIL' if found else 'ok  '} {name}", flush=True)
            for text in found[:3]:
                print(text)
    print(f"{ran - failed} passed, {failed} failed")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
