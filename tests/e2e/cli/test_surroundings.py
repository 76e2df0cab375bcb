#!/usr/bin/python3
"""Programs in odd surroundings: pools of workers that are terminated, PID namespaces that share a runtime directory, seccomp filters, su and sudo, pools of PHP,
users without a runtime directory. The program is as alone; what it completed is stored, or said to be missing."""
import json
import os
import shutil
import signal
import subprocess

from cli import Skip, expect, main, until
from test_left import NOBODY, need_root, quoted, readable_by_all, reported
from test_record import Model, record

PYTHON = "/usr/bin/python3"
CALL = """
import os, pycurl, time
def call(url, name='test-1'):
    c = pycurl.Curl(); c.setopt(c.URL, url); c.setopt(c.WRITEFUNCTION, lambda data: None); c.setopt(c.HTTPHEADER, ['Content-Type: application/json'])
    c.setopt(c.POSTFIELDS, '{"model":"%s","messages":[{"role":"user","content":"Hi"}]}' % name); c.perform()
"""


def need_pycurl():
    if subprocess.run([PYTHON, "-c", "import pycurl"], capture_output=True).returncode != 0:
        raise Skip("there is no pycurl")


def library(bench):
    return bench.environment.get("LIBPPROF_SO", str(bench.bin.parent / "lib/libpprof.so"))


def models(bench, store="pprof.db"):
    return [json.loads(line).get("gen_ai.request.model") for line in bench.run(bench.pprofctl, "export", store).stdout.splitlines()]


def a_pool_is_terminated(bench):
    """multiprocessing.Pool.terminate in the middle of calls: each that was complete a second before is there, none twice (the ledger tries 50 ms)."""
    need_pycurl()
    script = CALL + """
import multiprocessing, sys
def work(n):
    ledger = os.open('ledger', os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for i in range(1000):
        call(sys.argv[1], 'm-%d-%d' % (n, i)); os.write(ledger, b'm-%d-%d %d\\n' % (n, i, time.monotonic_ns())); time.sleep(0.022)
if __name__ == '__main__':
    pool = multiprocessing.get_context('fork').Pool(3); pool.map_async(work, range(3), 1)
    while not os.path.exists('ledger') or open('ledger').read().count('\\n') < 60: time.sleep(0.01)
    time.sleep(1.5); print(time.monotonic_ns(), flush=True); pool.terminate(); pool.join()
"""
    (bench.scratch / "pool.py").write_text(script)
    with Model() as model:
        done = record(bench, "--", PYTHON, "pool.py", model.url)
    expect(done.returncode == 0, f"{done}")
    ended = int(done.stdout)
    ledger = {name: int(at) for name, at in (line.split() for line in (bench.scratch / "ledger").read_text().splitlines())}
    stored = models(bench)
    older = {name for name, at in ledger.items() if at < ended - 1_000_000_000}
    expect(len(older) >= 60 and older <= set(stored), f"of {len(older)} calls are missing: {sorted(older - set(stored))}; {done.stderr}")
    expect(len(stored) == len(set(stored)), "none twice")


def namespaces_share_a_directory(bench):
    """The journal of a program that lives in another PID namespace, whose numbers say nothing here, is left alone; when the program has died, it is taken."""
    # With nothing to be written in its memory, the journal lies in the runtime directory that both share.
    enter = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", 'mount -t tmpfs -o ro none /dev/shm && "$@"; exit $?', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*enter, "true"], capture_output=True).returncode != 0:
        raise Skip("no PID namespace may be made here")
    need_pycurl()
    runtime = bench.scratch / "runtime"
    runtime.mkdir(mode=0o700)
    (bench.scratch / "none").touch()  # a home in which no spool can be: the journal alone holds the call
    user = {"XDG_RUNTIME_DIR": str(runtime), "XDG_STATE_HOME": "", "HOME": str(bench.scratch / "none")}
    program = CALL + "import sys; call(sys.argv[1], 'namespaces-1'); print('called', flush=True); sys.stdin.readline()"

    def once():
        """What others of this user left in memory may come along: ours are told by their model's name."""
        done = bench.run(bench.bin / "pprofd", "--once", "--store", "pprof.db", environment=user)
        expect(done.returncode == 0, f"{done}")
        return models(bench).count("namespaces-1")

    with Model() as model:
        process = subprocess.Popen([*enter, "env", f"LD_PRELOAD={library(bench)}", PYTHON, "-c", program, model.url], cwd=bench.scratch,
                                   env={**bench.environment, **user}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            expect(process.stdout.readline() == b"called\n", "it lives")
            until(lambda: list(runtime.rglob("*.live")), "its journal")
            expect([once() for _ in range(3)] == [0, 0, 0] and list(runtime.rglob("*.live")), "a living program's journal is left alone")
        finally:
            process.kill()
            process.communicate(timeout=60)
        until(lambda: once() == 1, lambda: f"a dead one's is taken: {list(runtime.rglob('*.live'))}")
        expect(list(runtime.rglob("*.live")) == [] and once() == 1, "once")


FILTER = CALL + """
import ctypes, errno, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def deny(numbers):
    code = [(0x20, 0, 0, 0)]
    for i, number in enumerate(numbers): code.append((0x15, len(numbers) - i, 0, number))
    code += [(0x06, 0, 0, 0x7fff0000), (0x06, 0, 0, 0x00050000 | errno.EPERM)]
    data = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *c) for c in code))
    program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', len(code), ctypes.addressof(data)))
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
if sys.argv[2] != 'none': deny([int(n) for n in sys.argv[2].split(',')])
for i in range(5): call(sys.argv[1], 'm-%d' % i)
print('five calls', flush=True)
"""
# x86_64; elsewhere the numbers differ.
DENIED = {"fallocate": "285", "flock": "73", "pwrite64": "18", "pwritev": "296", "ftruncate": "77", "fcntl": "72", "rename, renameat, renameat2": "82,264,316",
          "statfs, fstatfs": "137,138", "getdents64": "217"}


def what_a_filter_denies(bench):
    """A seccomp filter that the program installs denies what the journal and the spool are made with: the program is as alone; its calls arrive, or
    their loss is said."""
    need_pycurl()
    if os.uname().machine != "x86_64":
        raise Skip("numbers of system calls are x86_64's")
    (bench.scratch / "filter.py").write_text(FILTER)
    with Model() as model:
        for what, numbers in DENIED.items():
            alone = bench.run(PYTHON, "filter.py", model.url, numbers)
            done = record(bench, "-o", "a.db", "--", PYTHON, "filter.py", model.url, numbers)
            expect((done.returncode, done.stdout) == (alone.returncode, alone.stdout), f"{what}: alone {alone}, recorded {done}")
            if alone.returncode == 0:
                expect(b"5 requests, 0 errors" in done.stderr or b"Lost: " in done.stderr, f"{what}: by the socket, or said: {done.stderr}")
            # No collector: journal and spool.
            store = bench.scratch / "b.db"
            for path in bench.scratch.glob("b.db*"):
                path.unlink()
            user = {"LIBPPROF_SPOOL": str(bench.scratch / "spool"), "LIBPPROF_SOCKET": str(bench.scratch / "nobody")}
            done = bench.run(PYTHON, "filter.py", model.url, numbers, environment={**user, "LD_PRELOAD": library(bench)})
            expect((done.returncode, done.stdout, done.stderr) == (alone.returncode, alone.stdout, alone.stderr), f"{what}: alone {alone}, under the shim {done}")
            once = bench.run(bench.bin / "pprofd", "--once", "--store", store, "--spool", bench.scratch / "spool")
            said = bench.run(bench.pprofctl, "check", store).stdout.decode()
            stored = reported(bench, store)
            expect(alone.returncode != 0 or stored == 5 or "Nothing was lost" not in said, f"{what}: {stored} of 5 stored, and: {said} {once.stderr}")


def su_and_sudo(bench):
    """Under root's record: su keeps the environment and is recorded; sudo clears it, and no call is called recorded. Both programs are as alone."""
    need_root()
    readable_by_all(bench)
    with Model() as model:
        (bench.scratch / "call.sh").write_text(f"{quoted(model.call())}\nexit 5\n")
        os.chmod(bench.scratch / "call.sh", 0o644)
        for tool, words in (("su", ["su", "-s", "/bin/sh", "nobody", "call.sh"]), ("sudo", ["sudo", "-n", "-u", "nobody", "/bin/sh", "call.sh"])):
            if shutil.which(tool) is None:
                print(f"        ({tool} is not here: skipped)")
                continue
            alone = bench.run(*words)
            done = record(bench, "-o", f"{tool}.db", "--", *words)
            expect((done.returncode, done.stdout) == (alone.returncode, alone.stdout), f"{tool}: alone {alone}, recorded {done}")
            seen = reported(bench, f"{tool}.db")
            expect(seen == 1 if tool == "su" and alone.returncode == 5 else b"1 request" not in done.stderr or seen == 1, f"{tool}: {done.stderr}")


def a_pool_of_php_gives_up_its_rights(bench):
    """php-fpm under root's record: its workers become nobody, their environment is cleared; each call is there."""
    need_root()
    readable_by_all(bench)
    fpm = next(filter(None, (shutil.which(f"php-fpm{version}", path="/usr/sbin:/usr/bin") for version in ("8.2", "8.3", "8.4", "8.5", ""))), None)
    if fpm is None or shutil.which("cgi-fcgi") is None:
        raise Skip("there is no php-fpm, or no cgi-fcgi")
    (bench.scratch / "call.php").write_text("""<?php $h = curl_init($_GET['url']); curl_setopt_array($h, [CURLOPT_RETURNTRANSFER => true, CURLOPT_HTTPHEADER => ['Content-Type: application/json'],
        CURLOPT_POSTFIELDS => '{"model":"test-1","messages":[{"role":"user","content":"Hi"}]}']); curl_exec($h); echo posix_geteuid(), ' ', curl_getinfo($h, CURLINFO_HTTP_CODE), "\n";""")
    os.chmod(bench.scratch / "call.php", 0o644)
    (bench.scratch / "fpm.conf").write_text(f"[global]\nerror_log={bench.scratch}/log\n[www]\nuser=nobody\ngroup=nogroup\nlisten={bench.scratch}/fcgi\n"
                                            "pm=static\npm.max_children=2\nclear_env=yes\n")
    with Model() as model:
        process = subprocess.Popen([bench.pprofctl, "record", "--", fpm, "--nodaemonize", "--fpm-config", bench.scratch / "fpm.conf"], cwd=bench.scratch,
                                   env=bench.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            until((bench.scratch / "fcgi").exists, "php-fpm listens")
            for _ in range(5):
                done = bench.run("cgi-fcgi", "-bind", "-connect", bench.scratch / "fcgi",
                                 environment={"REQUEST_METHOD": "GET", "SCRIPT_FILENAME": str(bench.scratch / "call.php"), "QUERY_STRING": f"url={model.url}"})
                expect(f"\n{NOBODY} 200\n".encode() in done.stdout, f"{done}")
            until(lambda: reported(bench) == 5, "the calls are stored; a worker that is killed may take its last 50 ms with it")
        finally:
            process.send_signal(signal.SIGQUIT)
            said = process.communicate(timeout=60)[1]
    expect(process.returncode == 0 and b"5 requests, 0 errors" in said and reported(bench) == 5, f"{process.returncode} {said}")


def no_runtime_directory(bench):
    """A user without XDG_RUNTIME_DIR: program and collector meet without being told where, before the collector and with it; report takes in what waits."""
    need_root()
    readable_by_all(bench)
    home = bench.scratch / "home"
    home.mkdir(mode=0o700)
    os.chown(home, NOBODY, NOBODY)
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env", "-i", "PATH=/usr/bin:/bin", f"HOME={home}", "ASAN_OPTIONS=verify_asan_link_order=0"]
    store = home / ".local/state/libpprof/pprof.db"
    with Model() as model:
        call = [*drop, f"LD_PRELOAD={library(bench)}", *model.call()]
        expect(bench.run(*call).returncode == 0, "a call with no collector")
        said = bench.run(*drop, bench.pprofctl, "doctor", "--", "curl")
        expect(str(home).encode() in said.stdout, f"doctor says where spans would go: {said}")
        daemon = subprocess.Popen([*drop, bench.bin / "pprofd"], cwd=bench.scratch, stderr=subprocess.PIPE, bufsize=0)
        try:
            said = daemon.stderr.readline()
            expect(b"ready" in said, f"{said}")
            until(lambda: store.exists() and reported(bench, store, model) == 1, "it takes in what waited")
            expect(bench.run(*call).returncode == 0, "a call to the collector")
            until(lambda: reported(bench, store, model) == 2, "they meet")
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.communicate(timeout=60)


def a_home_of_another_user(bench):
    """Root with another user's HOME (sudo -E, su -m): a program under the shim, pprofd and record make nothing in it, the calls are stored, and the other places are said."""
    need_root()
    environment = {"XDG_RUNTIME_DIR": "", "XDG_STATE_HOME": "", "LIBPPROF_LOG": "stderr"}
    apart = ["unshare", "--mount", "sh", "-c", 'for i in /dev/shm /run /var/lib; do mount -t tmpfs none $i || exit; done; exec "$@"', "sh"]
    if bench.run(*apart, "true").returncode != 0:
        raise Skip("no mount namespace may be made here")
    with Model() as model:
        for what in ("program", "pprofd", "record"):
            home = bench.scratch / what
            home.mkdir(mode=0o755)
            os.chown(home, NOBODY, NOBODY)
            environment["HOME"] = str(home)
            if what == "program":
                done = bench.run(*model.call(), environment={**environment, "LD_PRELOAD": library(bench), "LIBPPROF_SOCKET": str(bench.scratch / "nobody")})
                expect(done.returncode == 0 and b"another user's" in done.stderr, f"{done}")
            elif what == "pprofd":
                done = bench.run(*apart, bench.bin / "pprofd", "--once", environment=environment)
                expect(done.returncode == 0 and b"another user's is left alone: the store is /var/lib/pprofd/pprof.db" in done.stderr, f"{done}")
                done = bench.run(bench.pprofctl, "doctor", "--", "curl", environment=environment)
                expect(str(home).encode() not in done.stdout, f"doctor knows it: {done}")
            else:
                done = record(bench, "-o", bench.scratch / "pprof.db", "--", *model.call(), environment=environment)
                expect(done.returncode == 0 and b"1 request" in done.stderr, f"{done}")
            expect(os.listdir(home) == [], f"{what}: {os.listdir(home)}")


if __name__ == "__main__":
    main([a_pool_is_terminated, namespaces_share_a_directory, what_a_filter_denies, su_and_sudo, a_pool_of_php_gives_up_its_rights, no_runtime_directory, a_home_of_another_user])
