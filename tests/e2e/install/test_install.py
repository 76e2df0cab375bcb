#!/usr/bin/python3
"""Installs a build into a scratch directory, moves that elsewhere, and uses it there: the installed pprofctl finds its libpprof.so by itself.

test_install.py BUILD CMAKE
"""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import Failure, ModelServer, Scratch, expect  # noqa: E402

FILES = ["bin/pprofd", "bin/pprofctl", "share/man/man1/pprofctl.1", "share/man/man1/pprofctl-record.1", "share/man/man7/libpprof.7",
         "share/man/man8/pprofd.8", "share/bash-completion/completions/pprofctl"]
BODY = '{"model":"installed","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello"}]}'


def run(command, directory):
    """Output of a command in an environment that knows nothing of a build."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "LANG": "C.UTF-8"}
    done = subprocess.run([str(word) for word in command], cwd=directory, env=environment, capture_output=True, text=True, timeout=60, check=False)
    expect(done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def check(build, cmake, scratch):
    first, prefix = scratch / "first", scratch / "moved here"
    run([cmake, "--install", build, "--prefix", first], scratch)
    os.rename(first, prefix)
    for name in FILES:
        expect((prefix / name).is_file() and (prefix / name).stat().st_size > 0, f"{name} is not installed, or empty")
    libraries = list(prefix.rglob("libpprof.so"))
    expect(len(libraries) == 1 and libraries[0].is_relative_to(prefix / "lib"), f"libpprof.so: {libraries}")
    expect(not list(prefix.rglob("*.a")), "static libraries are installed")
    pprofctl = prefix / "bin/pprofctl"
    with ModelServer(scratch, "0") as server:
        answer = run([pprofctl, "record", "--", "curl", "-sS", server.url + "/v1/chat/completions", "-d", BODY], scratch)
    expect('"choices"' in answer, f"not an answer: {answer}")
    expect('"gen_ai.request.model":"installed"' in run([pprofctl, "export"], scratch), "the installed programs recorded nothing")
    expect("libpprof" in run(["man", "-l", prefix / "share/man/man7/libpprof.7"], scratch), "the manual page is not readable")


if __name__ == "__main__":
    with Scratch() as directory:
        try:
            check(sys.argv[1], sys.argv[2], directory)
        except Failure as failure:
            sys.exit(f"install: {failure}")
