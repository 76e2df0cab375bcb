#!/usr/bin/python3
"""scripts/demo ends with the report on screen and what to type next, keeps its recording, and leaves no process behind."""
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import BIN, SOURCE, expect, export, main  # noqa: E402

SERVICES = {"shell-script", "php-site", "pycurl-batch", "ruby-worker", "r-notebook"}


def running():
    """Programs of this build that run now."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/exe"):
        try:
            if entry.resolve().parent == BIN.resolve():
                found.add(entry.parent.name)
        except OSError:
            pass  # it has ended, or is not ours to look at
    return found


def test_demo():
    before = running()
    done = subprocess.run([SOURCE / "scripts/demo"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False)
    expect(done.returncode == 0, f"{done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    for words in ("per prompt: pprofctl report", "Nothing was lost.", "what to type next", "The recording:"):
        expect(words in done.stdout, f"no \"{words}\":\n{done.stdout[-3000:]}")
    spans = export(SOURCE / "build/demo/pprof.db")
    expect({span["service.name"] for span in spans} == SERVICES, f"{spans}")
    left = running() - before
    expect(not left, f"processes that were left: {left}")


if __name__ == "__main__":
    main({"demo": test_demo})
