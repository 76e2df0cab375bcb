#!/usr/bin/python3
"""Programs that change their root directory or their mounts, before their first call or right after it: they are as alone, and their calls reach the collector
that was there when they were started. Where none is, nothing is claimed. Strangers who take its abstract name get nothing, and stand in nobody's way."""
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

from cli import Skip, expect, main, until
from test_left import NOBODY, need_root, readable_by_all
from test_pprofd import Collector, library
from test_record import Model, record
from test_surroundings import PYTHON, need_pycurl

CALLS = 20
# What is called and where the program goes: url, "chroot" or "mounts", how many calls before, the jail, the directories to be hidden.
PROGRAM = """
import ctypes, os, pycurl, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def call(url):
    c = pycurl.Curl(); c.setopt(c.URL, url); c.setopt(c.WRITEFUNCTION, lambda data: None); c.setopt(c.HTTPHEADER, ['Content-Type: application/json'])
    c.setopt(c.POSTFIELDS, '{"model":"test-1","messages":[{"role":"user","content":"Hi"}]}'); c.perform(); return c.getinfo(c.RESPONSE_CODE)
def leave(how, jail, hidden):
    if how == 'chroot': os.chroot(jail); os.chdir('/')
    elif how == 'mounts':
        assert libc.unshare(0x20000) == 0 and libc.mount(None, b'/', None, 0x44000, None) == 0, ctypes.get_errno() # CLONE_NEWNS; MS_REC | MS_PRIVATE
        for path in hidden: assert libc.mount(b'none', path.encode(), b'tmpfs', 0, None) == 0, (path, ctypes.get_errno())
url, how, before, user, jail, *hidden = sys.argv[1:]
codes = [call(url) for _ in range(int(before))]
leave(how, jail, hidden)
if int(user): os.setuid(int(user))
codes += [call(url) for _ in range(%d - len(codes))]
print(codes.count(200), flush=True)
sys.exit(7)
""" % CALLS


def need_mounts():
    need_root()
    need_pycurl()
    if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0:
        raise Skip("no mount namespace may be made here")
    if subprocess.run(["chroot", "/", "true"], capture_output=True).returncode != 0:
        raise Skip("chroot is not permitted here")


def program(bench, model, how, before, user=0):
    (bench.scratch / "program.py").write_text(PROGRAM)
    (bench.scratch / "jail").mkdir(exist_ok=True)
    return [PYTHON, "program.py", model.url, how, before, user, bench.scratch / "jail", bench.scratch, "/run", "/dev/shm"]


def as_alone(what, done):
    expect((done.returncode, done.stdout) == (7, b"%d\n" % CALLS), f"{what}: {done}")


WAYS = [(how, before) for how in ("chroot", "mounts") for before in (0, 1)]


def lost(bench, store):
    return bench.run(bench.pprofctl, "report", store).stdout.decode().splitlines()[-1]


def stored(bench, store):
    done = bench.run(bench.pprofctl, "export", store)
    expect(done.returncode == 0, f"{done}")
    return len(done.stdout.splitlines())


def recorded(bench):
    """record: before the first call and right after it, as root and as one who gives up root's rights then."""
    need_mounts()
    readable_by_all(bench)
    with Model() as model:
        for how, before in WAYS:
            for user in (0, NOBODY):
                what, store = f"{how} after {before} calls, user {user}", f"{how}{before}{user}.db"
                done = record(bench, "-o", store, "--", *program(bench, model, how, before, user))
                as_alone(what, done)
                expect(stored(bench, store) == CALLS, f"{what}: {stored(bench, store)} of {CALLS} stored, and: {lost(bench, store)}")


def collected(bench):
    """pprofd, found by default and by a name; also when it is killed and comes again, with its abstract name."""
    need_mounts()
    with Model() as model:
        spool = bench.scratch / "spool"
        for options, told in (((), {}), (("--socket", bench.scratch / "named"), {"LIBPPROF_SOCKET": str(bench.scratch / "named")})):
            store = bench.scratch / f"{len(options)}.db"
            for round in range(2):
                with Collector(bench, "--store", store, "--spool", spool, *options) as collector:
                    for i, (how, before) in enumerate(WAYS):
                        done = bench.run(*program(bench, model, how, before), environment={"LD_PRELOAD": library(bench), "LIBPPROF_SPOOL": str(spool), **told})
                        as_alone(f"{how} after {before} calls", done)
                        want = CALLS * (1 + i + round * len(WAYS))
                        until(lambda: stored(bench, store) == want, lambda: f"{how} after {before} calls, {options}: {stored(bench, store)} of {want} stored, and: {lost(bench, store)}")
                    collector.process.kill() if round == 0 else None


def for_all_users(bench):
    """pprofd --any-user: programs that go to a jail and give up root's rights there."""
    need_mounts()
    readable_by_all(bench)
    store, spool = bench.scratch / "pprof.db", bench.scratch / "box"
    told = {"LIBPPROF_SOCKET": str(bench.scratch / "socket"), "LIBPPROF_SPOOL": str(spool), "LD_PRELOAD": library(bench)}
    with Model() as model, Collector(bench, "--any-user", "--store", store, "--socket", bench.scratch / "socket", "--spool", spool):
        for i, (how, before) in enumerate(WAYS):
            as_alone(how, bench.run(*program(bench, model, how, before, NOBODY), environment=told))
            until(lambda: stored(bench, store) == CALLS * (i + 1), lambda: f"{how} after {before} calls: {stored(bench, store)}, and: {lost(bench, store)}")


def without_a_collector(bench):
    """What can be kept nowhere is said by the program, where it may; a collector that comes later claims nothing that it cannot know."""
    need_mounts()
    told = {"LIBPPROF_SOCKET": str(bench.scratch / "nobody"), "LIBPPROF_SPOOL": str(bench.scratch / "spool"), "LD_PRELOAD": library(bench)}
    with Model() as model:
        as_alone("silent", bench.run(*program(bench, model, "chroot", 0), environment=told))
        done = bench.run(*program(bench, model, "chroot", 0), environment={**told, "LIBPPROF_LOG": "stderr"})
        as_alone("chroot", done)
        expect(b"finished calls are lost" in done.stderr, f"{done}")
        as_alone("chroot after a call", bench.run(*program(bench, model, "chroot", 1), environment=told))
    once = bench.run(bench.bin / "pprofd", "--once", "--store", "pprof.db", "--spool", bench.scratch / "spool")
    expect(once.returncode == 0, f"{once}")
    expect(stored(bench, "pprof.db") == CALLS or "Nothing was lost" not in lost(bench, "pprof.db"), f"a mark or a journal was left: {lost(bench, 'pprof.db')}")


@contextlib.contextmanager
def stranger(name, user):
    """Another user has the abstract name; how many bytes came to it is asked by a line."""
    ready, child_ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setuid(user)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(name)
        listener.listen(64)
        os.write(child_ready, b"r")
        while True:
            came = listener.accept()[0].recv(1)
            if came:
                os.write(child_ready, b"got something")
    os.close(child_ready)
    try:
        expect(os.read(ready, 1) == b"r", "the stranger listens")
        os.set_blocking(ready, False)
        yield ready
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ready)


def a_stranger_has_the_name(bench):
    """The collector says so, works by its path, and has the name as soon as it is free; a program sends the stranger nothing, and counts nothing."""
    need_mounts()
    path = bench.scratch / "socket"
    told = {"LIBPPROF_SOCKET": str(path), "LIBPPROF_SPOOL": str(bench.scratch / "spool"), "LD_PRELOAD": library(bench)}
    names = [b"\0" + bytes(path), b"\0*" + bytes(path)[1:]]
    with Model() as model:
        for name in names:
            with stranger(name, NOBODY) as got:
                as_alone("nobody but a stranger", bench.run(*program(bench, model, "chroot", 0), environment=told))
                time.sleep(0.2)
                try:
                    expect(False, f"the stranger got {os.read(got, 100)}")
                except BlockingIOError:
                    pass
        with contextlib.ExitStack() as stranger_is_there:
            stranger_is_there.enter_context(stranger(names[0], NOBODY))
            process = subprocess.Popen([bench.bin / "pprofd", "--socket", path, "--store", "pprof.db", "--spool", bench.scratch / "spool"], cwd=bench.scratch,
                                       env=bench.environment, stderr=subprocess.PIPE, bufsize=0)
            try:
                expect(b"ready" in process.stderr.readline() and select.select([process.stderr], [], [], 60)[0], "it says more than that it is ready")
                expect(b"has the abstract name" in process.stderr.readline(), "it says so")
                as_alone("by the path", bench.run(*program(bench, model, "stay", 0), environment=told))
                until(lambda: stored(bench, "pprof.db") == CALLS, "by the path")
                stranger_is_there.close()
                until(lambda: f" @{path}\n" in open("/proc/net/unix").read(), "it takes the name")
                as_alone("by the name", bench.run(*program(bench, model, "chroot", 0), environment=told))
                until(lambda: stored(bench, "pprof.db") == 2 * CALLS, "by the name")
            finally:
                process.terminate()
                process.communicate(timeout=60)
    expect(json.loads(bench.run(bench.pprofctl, "report", "--format", "json", "pprof.db").stdout)["lost"]["peers"] == 0, "the stranger counts for nothing")


def strangers_knock(bench):
    """Whoever is nobody's program is sent away from the name, without an answer and without a count."""
    need_root()
    path = bench.scratch / "socket"
    with Model() as model, Collector(bench, "--socket", path, "--store", "pprof.db", "--spool", bench.scratch / "spool"):
        knock = f"import os, socket; os.setuid({NOBODY}); s = socket.socket(socket.AF_UNIX); s.connect(chr(0) + {str(path)!r}); print(s.recv(1))"
        for _ in range(3):
            done = subprocess.run([sys.executable, "-c", knock], capture_output=True, check=False)
            expect(done.stdout == b"b''\n" or b"ConnectionReset" in done.stderr, f"{done}")
        told = {"LIBPPROF_SOCKET": str(path), "LIBPPROF_SPOOL": str(bench.scratch / "spool"), "LD_PRELOAD": library(bench)}
        expect(bench.run(*model.call(), environment=told).returncode == 0, "a call")
        until(lambda: stored(bench, "pprof.db") == 1, "it works")
    lost_ = json.loads(bench.run(bench.pprofctl, "report", "--format", "json", "pprof.db").stdout)["lost"]
    expect(lost_.get("connection_refused", 0) == 0, f"{lost_}")


if __name__ == "__main__":
    main([recorded, collected, for_all_users, without_a_collector, a_stranger_has_the_name, strangers_knock])
