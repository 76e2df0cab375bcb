#!/usr/bin/python3
"""Calls that their collector did not wait for, or whose programs became another user: stored, or where the user is told. Nothing goes to a stranger."""
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from cli import Skip, expect, main, until
from test_record import Model, record

NOBODY = 65534
STATE = ".local/state/libpprof/runs"


def quoted(words):
    return " ".join(f"'{word}'" for word in words)


def folders(bench):
    """Of runs into stores of this test, wherever this user's are: other tests record at the same time."""
    places = [bench.scratch / STATE, bench.scratch / "libpprof/runs", Path("/var/lib/libpprof/runs"), Path(f"/tmp/libpprof-{os.geteuid()}/runs")]
    found = set()
    for path in (path for place in places if place.is_dir() for path in place.iterdir()):
        try:
            if str(bench.scratch) in (path / "run").read_text():
                found.add(path)
        except OSError:
            pass  # another test's, which goes just now
    return found


def reported(bench, store="pprof.db", model=None):
    """How many calls (of this model): a user's default collector takes in what other programs of that user left, too."""
    done = bench.run(bench.pprofctl, "export", store)
    expect(done.returncode == 0, f"{done}")
    return sum(model is None or f":{span.get('server.port')}/" in model.url for span in map(json.loads, done.stdout.splitlines()))


def start_recording(bench, script, *options, **changes):
    return subprocess.Popen([bench.pprofctl, "record", *options, "--", "sh", "-c", script], cwd=bench.scratch,
                            env={**bench.environment, **changes}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def killed_recording(bench, model, store, before=4, after=4):
    """record is killed after `before` calls; its program goes on and makes `after` more."""
    call = quoted(model.call())
    script = f"for i in $(seq {before}); do {call} >/dev/null; done; echo now; read x < go; for i in $(seq {after}); do {call} >/dev/null; done; echo end"
    os.mkfifo(bench.scratch / "go") if not (bench.scratch / "go").exists() else None
    process = start_recording(bench, script, "-o", store)
    expect(process.stdout.readline() == b"now\n", "begins")
    process.kill()
    process.wait()
    (bench.scratch / "go").write_text("go\n")
    expect(process.stdout.read() == b"end\n", "the program ends as if nothing had happened")


def record_killed(bench):
    """The calls from after the kill are taken in by the next report of the file, by the next record into it, by export, by pprofd when the file is gone."""
    began = folders(bench)
    with Model() as model:
        killed_recording(bench, model, "a.db")
        expect(len(folders(bench) - began) == 1, "its folder waits where it is found")
        said = bench.run(bench.pprofctl, "check", "a.db").stdout.decode()
        expect("wait" in said and "Nothing was lost" not in said, f"check says that calls wait: {said}")
        os.rename(bench.scratch / "a.db", bench.scratch / "pprof.db")
        said = bench.run(bench.pprofctl, "doctor", "--", "curl").stdout.decode()
        (folder,) = folders(bench) - began
        expect("No loss is known of: " in said and str(folder) in said and "`pprofctl report pprof.db` takes in" in said, f"doctor names the folder: {said}")
        os.rename(bench.scratch / "pprof.db", bench.scratch / "a.db")
        expect(b"8 calls" in bench.run(bench.pprofctl, "report", "a.db").stdout, "report takes them in")
        expect(folders(bench) == began, "and the folder goes")
        killed_recording(bench, model, "b.db")
        expect(reported(bench, "b.db") == 8, "export takes them in")
        killed_recording(bench, model, "c.db")
        done = record(bench, "-o", "c.db", "--", *model.call())
        expect(b"1 request," in done.stderr and b"earlier run left" in done.stderr, f"record says so: {done.stderr}")
        expect(reported(bench, "c.db") == 9, "the next record takes them in")
        killed_recording(bench, model, "d.db")
        expect(reported(bench, "a.db") == 8, "another file's calls stay away")
        os.unlink(bench.scratch / "d.db")
        done = bench.run(bench.bin / "pprofd", "--once", "--store", "e.db", "--spool", "off")
        expect(done.returncode == 0 and reported(bench, "e.db") >= 4, f"pprofd takes in what lost its file: {done.stderr}")
        expect(folders(bench) == began, "nothing is left")


def killed_anywhere(bench):
    """record is killed at any moment of its program's 10 calls (seed 7): each is found, and none twice."""
    dice = random.Random(7)
    began = folders(bench)
    with Model() as model:
        script = f"for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; {quoted(model.call())} >/dev/null; done; echo end"
        for turn in range(8):
            store = f"{turn}.db"
            process = start_recording(bench, script, "-o", store)
            for _ in range(dice.randrange(1, 11)):
                line = process.stdout.readline()
            time.sleep(dice.random() * 0.03)
            process.kill()
            process.wait()
            expect((line + process.stdout.read()).endswith(b"end\n"), "the program ends as if nothing had happened")
            spans = [json.loads(line)["span_id"] for line in bench.run(bench.pprofctl, "export", store).stdout.splitlines()]
            expect(len(spans) == len(set(spans)) == 10, f"turn {turn}: {len(spans)} calls, {len(set(spans))} different ones")
            expect(bench.run(bench.pprofctl, "check", store).returncode == 0, "sound")
    expect(folders(bench) == began, "no folder is left")


def another_file_with_the_same_number(bench):
    """The store is removed and a new one, of another name, gets its inode: the calls that wait are not its."""
    bench.make_store("base.db")
    alone = reported(bench, "base.db")
    with Model() as model:
        killed_recording(bench, model, "old.db")
        number = (bench.scratch / "old.db").stat().st_ino
        for path in bench.scratch.glob("old.db*"):
            path.unlink()
        for i in range(500):
            path = bench.scratch / f"file{i}"
            path.touch()
            if path.stat().st_ino == number:
                break
        else:
            raise Skip("this file system gives no number twice")
        path.write_bytes((bench.scratch / "base.db").read_bytes())
        path.rename(bench.scratch / "new.db")
        expect(reported(bench, "new.db") == alone, f"calls of another file came into it: {reported(bench, 'new.db')}, not {alone}")


def all_killed(bench):
    """SIGKILL to the whole group, record and program at once: what had ended is found."""
    with Model() as model:
        script = f"for i in 1 2 3 4 5; do {quoted(model.call())} >/dev/null; done; echo now; exec sleep 100"
        for turn in range(3):
            process = subprocess.Popen([bench.pprofctl, "record", "-o", f"{turn}.db", "--", "sh", "-c", script], cwd=bench.scratch,
                                       env=bench.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0)
            expect(process.stdout.readline() == b"now\n", "begins")
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=60)
            expect(reported(bench, f"{turn}.db") == 5, f"turn {turn}")


def report_of_a_file_in_use(bench):
    """What cannot be taken in is pointed at."""
    with Model() as model:
        killed_recording(bench, model, "a.db")
        process = start_recording(bench, "echo now; read x < go", "-o", "a.db")
        expect(process.stdout.readline() == b"now\n", "begins")
        # A recording into the same file may have taken them in; another one lies down meanwhile only by a kill.
        (bench.scratch / "go").write_text("go\n")
        process.communicate(timeout=60)
        expect(reported(bench, "a.db") == 8, "all are there")


def programs_left_behind(bench):
    """A program that outlives record: record says so, its later calls are found by the next report."""
    began = folders(bench)
    with Model() as model:
        call = quoted(model.call())
        os.mkfifo(bench.scratch / "go")
        script = f"{call} >/dev/null; (read x < go; {call} >/dev/null; {call}) >out 2>&1 & exit 3"
        done = record(bench, "--", "sh", "-c", script)
        said = done.stderr.decode()
        expect(done.returncode == 3 and "1 request," in said, said)
        expect(re.search(r"1 program is still running; later calls wait in (\S+) until", said), said)
        folder = Path(re.search(r"wait in (\S+) until", said).group(1))
        expect(folder.is_dir() and re.fullmatch("[0-9a-f]{32}", folder.name), f"it can be found, and its name not be guessed: {folder}")
        (bench.scratch / "go").write_text("go\n")
        until(lambda: list(folder.glob("*.frames")) or not folder.exists(), "its calls arrive in the folder")
        until(lambda: reported(bench) == 3, "the next look takes them in")
        expect(bench.run(bench.pprofctl, "check").returncode == 0, "sound")
        until(lambda: reported(bench) == 3 and bench.run(bench.pprofctl, "record", "--quiet", "--", "true").returncode == 0 and folders(bench) == began,
              "the folder goes when nobody uses it")


def the_library_stays(bench):
    """Programs that are left behind start others without a complaint of the loader's, also where the library is reached by a link of record's."""
    library = bench.environment.get("LIBPPROF_SO", str(bench.bin.parent / "lib/libpprof.so"))
    shutil.copy(library, bench.scratch / "a name.so")
    os.mkfifo(bench.scratch / "go")
    script = "echo $LD_PRELOAD; (read x < go; /bin/true; echo done $?) >out 2>&1 & exit 0"
    done = record(bench, "--quiet", "--", "sh", "-c", script, environment={"LIBPPROF_SO": str(bench.scratch / "a name.so")})
    link = Path(done.stdout.decode().strip())
    (bench.scratch / "go").write_text("go\n")
    until(lambda: "done" in (bench.scratch / "out").read_text(), "the program that was left goes on")
    expect((bench.scratch / "out").read_text() == "done 0\n", (bench.scratch / "out").read_text())
    expect(link.is_symlink(), f"a link was needed for this test: {link}")
    link.unlink()


def no_other_takes_the_socket(bench):
    """Where record listened nobody can listen afterwards: the name is never used again, and its directory is not in /tmp for all."""
    done = record(bench, "--quiet", "--", "sh", "-c", "echo $LIBPPROF_SOCKET; echo $LIBPPROF_SPOOL; stat -c %a $LIBPPROF_SOCKET $LIBPPROF_SPOOL")
    path, spool, socket_mode, spool_mode = done.stdout.decode().split()
    expect(re.search(r"/pprof-[0-9a-f]{32}$", path) and re.search(r"/[0-9a-f]{32}$", spool), f"names of 128 bits: {path} {spool}")
    again = record(bench, "--quiet", "--", "sh", "-c", "echo $LIBPPROF_SOCKET").stdout.decode().strip()
    expect(again != path and not Path(path).exists() and not Path(spool).exists(), "a name of its own each time, and nothing left")
    expect((socket_mode, spool_mode) == (("666", "1777") if os.geteuid() == 0 else ("600", "700")), f"{socket_mode} {spool_mode}")
    for place in (Path(path).parent, Path(spool).parent):
        st = place.stat()
        expect(st.st_uid == os.geteuid() and st.st_mode & 0o022 == 0, f"others write in {place}")
        expect(os.geteuid() != 0 or st.st_mode & 0o044 == 0, f"others list {place}")


def lost_by_spool(bench, limits, prepare):
    """A program makes 100 calls; no collector listens, no journal fits, and the spool takes some of them or none. Returns (stored, said to be lost)."""
    library = bench.environment.get("LIBPPROF_SO", str(bench.bin.parent / "lib/libpprof.so"))
    with Model() as model:
        words = model.call()
        program = f"exec prlimit {limits} env LIBPPROF_LOG=stderr LD_PRELOAD={library} LIBPPROF_SOCKET={bench.scratch}/none LIBPPROF_SPOOL={bench.scratch}/spool {quoted(words + [model.url] * 99)}"
        collect = f"{bench.bin}/pprofd --once --store pprof.db --spool ./spool/"  # the journal knows it by another name
        script = f"mkdir -p spool; {prepare}\n({program}) >/dev/null || exit 70\n{collect} || exit 71"
        wrapper = ["unshare", "-m"] if "mount" in prepare else []
        done = bench.run(*wrapper, "sh", "-c", script)
    expect(done.returncode == 0, f"{done}")
    stored = reported(bench)
    said = bench.run(bench.pprofctl, "check").stdout.decode()
    expect("Nothing was lost" not in said or stored == 100, f"{prepare}: {stored} stored, and: {said} {done.stderr}")
    lost = re.search(r"Lost[^:]*: ([\d,]+) finished call", said)
    return stored, int(lost.group(1).replace(",", "")) if lost else 0, said


def the_spool_takes_no_more(bench):
    """At its file limit, full, read-only: each of 100 calls is stored, or said to be lost."""
    stored, lost, said = lost_by_spool(bench, "--fsize=900", "true")
    expect(stored + lost == 100 and lost > 0 and "spool took no more" in said, f"file limit: {stored} {lost} {said}")
    need_root()
    for what, limits, prepare in (("full", "--fsize=200000", "mount -t tmpfs -o size=8k,mode=0700 none spool"),
                                  ("full, with a journal", "--nofile=500", "mount -t tmpfs -o size=8k,mode=0700 none spool"),
                                  ("read-only, with a journal", "--nofile=500", "mount -t tmpfs -o ro,mode=0700 none spool")):
        for path in bench.scratch.glob("pprof.db*"):
            path.unlink()
        stored, lost, said = lost_by_spool(bench, limits, prepare)
        expect(stored + lost == 100, f"{what}: {stored} stored, {lost} lost: {said}")


def need_root():
    if os.geteuid() != 0:
        raise Skip("another user needs root")


def readable_by_all(bench):
    """What programs of other users need: the way to the scratch directory, and one of the library's."""
    os.chmod(bench.scratch, 0o711)
    path = Path(bench.environment.get("LIBPPROF_SO", bench.bin.parent / "lib/libpprof.so")).resolve()
    if not all(parent.stat().st_mode & 1 for parent in path.parents):
        raise Skip(f"other users do not get to {path}")


def a_stranger_is_sent_nothing(bench):
    """Somebody else listens at the path, in a directory that anybody could have made: not a byte goes there; the call waits in the spool."""
    need_root()
    place = bench.scratch / "place"
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    os.chmod(bench.scratch, 0o1777)
    ready, heard = os.pipe()
    child = os.fork()
    if child == 0:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(place / "pprofd.sock"))
        os.chmod(place / "pprofd.sock", 0o777)
        listener.listen(8)
        os.write(heard, b"r")
        while True:
            connection, _ = listener.accept()
            os.write(heard, b"c" + connection.recv(1))  # the first byte, or none
    os.close(heard)
    expect(os.read(ready, 1) == b"r", "the stranger listens")
    library = bench.environment.get("LIBPPROF_SO", str(bench.bin.parent / "lib/libpprof.so"))
    try:
        with Model() as model:
            done = bench.run(*model.call(), environment={"LD_PRELOAD": library, "LIBPPROF_SOCKET": str(place / "pprofd.sock"),
                                                         "LIBPPROF_SPOOL": str(bench.scratch / "spool"), "LIBPPROF_LOG": "stderr"})
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    expect(done.returncode == 0 and b"another user" in done.stderr, f"said once: {done}")
    heard = os.read(ready, 100)
    expect(heard.startswith(b"c") and heard.strip(b"c") == b"", f"it was sent something: {heard}")
    done = bench.run(bench.bin / "pprofd", "--once", "--store", "pprof.db", "--spool", "spool")
    expect(reported(bench) == 1, f"the call waited in the spool: {done.stderr}")


def a_slip_of_the_pen(bench):
    """A store that was named where there is no directory: none is made, and the way out is said."""
    done = bench.run(bench.bin / "pprofd", "--once", "--spool", "off", "--store", "typo/in/pprof.db")
    expect(done.returncode == 1 and b"does not exist; make it first" in done.stderr, f"{done}")
    expect(not (bench.scratch / "typo").exists(), "a directory of that name was made")


def programs_that_give_up_their_rights(bench):
    """Under root's record: another user from the start, before the first call, between two calls, after record has ended."""
    need_root()
    readable_by_all(bench)
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    with Model() as model:
        done = record(bench, "-o", "a.db", "--", *drop, *model.call())
        expect(b"1 request, 0 errors" in done.stderr, f"setpriv: {done.stderr}")
        program = f"""
import os, pycurl
def call():
    c = pycurl.Curl(); c.setopt(c.URL, {model.url!r}); c.setopt(c.WRITEFUNCTION, lambda data: None)
    c.setopt(c.HTTPHEADER, ['Content-Type: application/json']); c.setopt(c.POSTFIELDS, '{{"model":"test-1","messages":[{{"role":"user","content":"Hi"}}]}}'); c.perform()
if BEFORE: call()
os.setgroups([]); os.setresgid({NOBODY}, {NOBODY}, {NOBODY}); os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
call()
if os.fork() == 0:
    call(); os._exit(0)
os.wait()
"""
        if subprocess.run(["/usr/bin/python3", "-c", "import pycurl"], capture_output=True).returncode == 0:
            for before, calls in ((False, 2), (True, 3)):
                done = record(bench, "-o", f"b{calls}.db", "--", "/usr/bin/python3", "-c", program.replace("BEFORE", str(before)))
                expect(f"{calls} requests, 0 errors".encode() in done.stderr, f"in the middle, {before=}: {done.stderr}")
        os.mkfifo(bench.scratch / "go")
        os.chmod(bench.scratch / "go", 0o666)
        (bench.scratch / "late.sh").write_text(f"read x < go\n{quoted(model.call())}\nexit\n")
        os.chmod(bench.scratch / "late.sh", 0o644)
        done = record(bench, "-o", "c.db", "--", "sh", "-c", f"{quoted(drop)} sh late.sh >/dev/null 2>&1 & exit 0")
        folder = Path(re.search(r"wait in (\S+) until", done.stderr.decode()).group(1))
        (bench.scratch / "go").write_text("go\n")
        until(lambda: list(folder.glob("*.frames")) and reported(bench, "c.db") == 1, "what it left as nobody is taken in")


def another_user_killed(bench):
    """A program that gave up its rights is killed in a call: under root's record, where that user keeps a collector too, and with no collector, but a file called like one, until pprofd --any-user comes."""
    need_root()
    readable_by_all(bench)
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    library = bench.environment.get("LIBPPROF_SO", str(bench.bin.parent / "lib/libpprof.so"))
    silent = socket.create_server(("127.0.0.1", 0))
    with Model() as model:
        call = model.call()
        hang = [word.replace(model.url, f"http://127.0.0.1:{silent.getsockname()[1]}/v1/chat/completions") for word in call]
        (bench.scratch / "late.sh").write_text(f"{quoted(call)} >/dev/null\nexec {quoted(hang)}\n")
        os.chmod(bench.scratch / "late.sh", 0o644)

        def kill_in_call():
            connection, _ = silent.accept()
            connection.recv(1000)
            time.sleep(2)  # much longer than a call may be in flight unnoticed
            for pid in (int(p) for p in os.listdir("/proc") if p.isdigit()):
                try:
                    if str(silent.getsockname()[1]).encode() in Path(f"/proc/{pid}/cmdline").read_bytes() and os.readlink(f"/proc/{pid}/exe").endswith("/curl"):
                        os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            connection.close()

        def completeness(store):
            return sorted(json.loads(line).get("pprof.completeness", "") for line in bench.run(bench.pprofctl, "export", store).stdout.splitlines())

        place = Path(f"/tmp/libpprof-{NOBODY}")
        place.mkdir(mode=0o700, exist_ok=True)
        os.chown(place, NOBODY, NOBODY)
        theirs = place / "pprofd.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(theirs))
            os.chown(theirs, NOBODY, NOBODY)
            listener.listen(8)
            try:
                process = start_recording(bench, f"{quoted(drop)} sh late.sh; true", "-o", "a.db")
                kill_in_call()
                said = process.communicate(timeout=60)[1]
                expect(completeness("a.db") == ["killed", "whole"], f"under record: {completeness('a.db')} {said}")
            finally:
                theirs.unlink()
        process = subprocess.Popen([*drop, "sh", "late.sh"], cwd=bench.scratch, stdout=subprocess.DEVNULL,
                                   env={"PATH": "/usr/bin:/bin", "LD_PRELOAD": library, "LIBPPROF_SOCKET": str(bench.scratch / "none.sock")})
        kill_in_call()
        process.wait(60)
        theirs.touch()
        try:
            done = bench.run(bench.bin / "pprofd", "--once", "--any-user", "--store", "b.db", "--spool", "off")
        finally:
            theirs.unlink()
        expect(done.returncode == 0 and "killed" in completeness("b.db"), f"without a collector: {done.stderr}")
    silent.close()


def any_user(bench):
    """pprofd --any-user: 20 of 20 calls of another user arrive, by the socket and by the spool that all may drop into; without it none is taken."""
    need_root()
    readable_by_all(bench)
    place = bench.scratch / "run"
    library = bench.environment.get("LIBPPROF_SO", str(bench.bin.parent / "lib/libpprof.so"))

    def serve(*options):
        process = subprocess.Popen([bench.bin / "pprofd", "--store", "pprof.db", "--socket", place / "pprofd.sock", *options], cwd=bench.scratch,
                                   env=bench.environment, stderr=subprocess.PIPE, bufsize=0)
        said = process.stderr.readline()
        expect(b"ready" in said, f"{said}")
        return process

    def stop(process):
        process.terminate()
        said = process.communicate(timeout=60)[1]
        expect(process.returncode == 0, f"{said}")
        return said

    def call_20(model, spool):
        script = f"for i in $(seq 20); do {quoted(model.call())} >/dev/null; done"
        done = bench.run("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "sh", "-c", script,
                         environment={"LD_PRELOAD": library, "LIBPPROF_SOCKET": str(place / "pprofd.sock"), "LIBPPROF_SPOOL": str(spool)})
        expect(done.returncode == 0, f"{done}")

    umask = os.umask(0o077)
    try:
        with Model() as model:
            daemon = serve("--any-user", "--spool", "box")
            expect((bench.scratch / "box").stat().st_mode & 0o7777 == 0o1777, "a box to drop into")
            call_20(model, "off")
            expect(b"closed" not in stop(daemon) and reported(bench) == 20, "by the socket")
            call_20(model, bench.scratch / "box")
            daemon = serve("--any-user", "--spool", "box")
            until(lambda: reported(bench) == 40, "by the box")
            stop(daemon)
            daemon = serve("--spool", "box")  # the directory stays open; who is not asked in is not let in
            call_20(model, "off")
            stop(daemon)
            expect(reported(bench) == 40, "without --any-user")
            os.chmod(bench.scratch, 0o700)
            said = stop(serve("--any-user", "--spool", "off"))
            expect(str(bench.scratch).encode() in said and b"chmod o+x" in said, f"what stands in the way is said: {said}")
    finally:
        os.umask(umask)


def the_key_of_the_installation(bench):
    """doctor says which key the hashes come from, or why it cannot be used, and makes none."""
    path = bench.scratch / ".local/state/libpprof/key"
    said = bench.run(bench.pprofctl, "doctor", "--", "curl").stdout.decode()
    expect("key" not in said and not path.exists(), f"none yet, and none made: {said}")
    expect(bench.run(bench.pprofctl, "key-alias", input=b"secret\n").returncode == 0 and path.exists(), "made")
    said = bench.run(bench.pprofctl, "doctor", "--", "curl").stdout.decode()
    expect(f"come from the key of this installation, {path}" in said, said)
    path.chmod(0o644)
    said = bench.run(bench.pprofctl, "doctor", "--", "curl").stdout.decode()
    expect("cannot be used" in said and "others can read" in said and "left out" in said, said)
    said = bench.run(bench.pprofctl, "doctor", "--", "curl", environment={"LIBPPROF_HASH_KEY": "fleet"}).stdout.decode()
    expect("LIBPPROF_HASH_KEY" in said and "cannot be used" not in said, said)


HOLDER = """
import fcntl, json, os, sys, threading
from pathlib import Path
environment, words = json.loads(sys.argv[1]), json.loads(sys.argv[2])
child = os.posix_spawn(words[0], words, environment)
def journals():
    for place in (Path(environment["XDG_RUNTIME_DIR"]), Path(f"/dev/shm/libpprof-{os.geteuid()}"), Path(environment["LIBPPROF_SPOOL"])):
        for path in place.rglob("*.live"):
            try:
                if environment["LIBPPROF_SPOOL"].encode() in path.read_bytes()[:8192]:
                    yield path
            except OSError:
                pass
found = []
while not found:
    found = list(journals())
file = open(found[0], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)  # of the kind by which collectors keep each other off: nobody takes it over in between
waiter = threading.Thread(target=fcntl.flock, args=(file, fcntl.LOCK_EX))
waiter.start()
os.kill(child, 9)
waiter.join()
Path("held").touch()
open("go").read()
file.close()
os.waitpid(child, 0)
Path("reaped").touch()
"""


def hanging(model, silent):
    """The words of a call that is never answered."""
    return [word.replace(model.url, f"http://127.0.0.1:{silent.getsockname()[1]}/v1/chat/completions") for word in model.call()]


def journal_of(folder):
    """The journal of a program that has this folder as its spool, wherever it lies, once it knows of a call."""
    for path in (path for place in (Path(f"/dev/shm/libpprof-{os.geteuid()}"), folder) for path in place.rglob("*.live")):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in data[:8192] and b"/v1/chat/completions" in data[8192:]:
            return path
    return None


def killed_at_the_end(bench):
    """A program is killed as record ends, and its journal's lock is still held, as the dying hold it: nothing is claimed, its call is found later."""
    silent = socket.create_server(("127.0.0.1", 0))
    os.mkfifo(bench.scratch / "go")
    (bench.scratch / "holder.py").write_text(HOLDER)
    with Model() as model:
        # The holder is its parent, who does not ask for its end, and no program of the run as far as anybody sees.
        (bench.scratch / "start.py").write_text(f"""
import json, os
os.execve("/usr/bin/python3", ["python3", "holder.py", json.dumps(dict(os.environ)), json.dumps({hanging(model, silent)!r})], {{}})
""")
        done = record(bench, "--", "sh", "-c", 
                      f"echo $LIBPPROF_SPOOL; {quoted(model.call())} >/dev/null; python3 start.py >out 2>&1 & while [ ! -e held ]; do sleep 0.05; done")
    said, folder = done.stderr.decode(), Path(done.stdout.decode().split()[0])
    expect("No loss is known of: " in said and folder.is_dir(), f"record: {said} {(bench.scratch / 'out').read_text()}")
    said = bench.run(bench.pprofctl, "report").stdout.decode()
    expect("Nothing was lost" not in said and folder.is_dir(), f"report, as long as it is held: {said}")
    (bench.scratch / "go").write_text("go\n")
    until((bench.scratch / "reaped").exists, "the process has ended")
    expect(reported(bench) == 2, "the killed call is taken in")
    expect(not folder.exists(), "and the folder goes")
    silent.close()


def live_journals_count(bench):
    """A program that runs on and has told no collector anything: its journal alone takes the claim away, for record, report and check."""
    silent = socket.create_server(("127.0.0.1", 0))
    os.mkfifo(bench.scratch / "on")
    with Model() as model:
        process = start_recording(bench, f"echo $LIBPPROF_SPOOL; {quoted(model.call())} >/dev/null; LIBPPROF_SOCKET=/none {quoted(hanging(model, silent))} >/dev/null 2>&1 & echo $!; read x < on")
        folder, pid = Path(process.stdout.readline().decode().strip()), int(process.stdout.readline())
        until(lambda: journal_of(folder), "its journal")
        until(lambda: reported(bench) == 1, "the first call is stored")
        said = bench.run(bench.pprofctl, "report").stdout.decode()
        expect("No loss is known of: 1 program has not said that it is done." in said, f"while record runs: {said}")
        (bench.scratch / "on").write_text("on\n")
        said = process.communicate(timeout=60)[1].decode()
    expect("No loss is known of: 1 program has not said that it is done." in said and "1 program is still running" in said, f"record: {said}")
    for command in ("report", "check"):
        said = bench.run(bench.pprofctl, command).stdout.decode()
        expect("No loss is known of: 1 program has not said that it is done." in said, f"{command}: {said}")
    said = json.loads(bench.run(bench.pprofctl, "report", "--format", "json").stdout)
    expect(said["lost"]["verdict"] == "not_known" and said["lost"]["processes_open"] == 1, f"{said['lost']}")
    os.kill(pid, signal.SIGKILL)
    until(lambda: reported(bench) == 2, "killed, it is taken in")
    silent.close()


def store_full_at_the_end(bench):
    """The store takes nothing when record ends, as on a full disk, and a killed program's journal lies elsewhere: it is kept, which is said, and taken in later."""
    silent = socket.create_server(("127.0.0.1", 0))
    os.mkfifo(bench.scratch / "on")
    (bench.scratch / "place").mkdir()
    with Model() as model:
        process = start_recording(bench, f"echo $LIBPPROF_SPOOL; {quoted(model.call())} >/dev/null; {quoted(hanging(model, silent))} >/dev/null 2>&1 & echo $!; read x < on; "
                                         "mv place moved; kill -9 $!; wait; true", "-o", "place/a.db")
        folder, _ = Path(process.stdout.readline().decode().strip()), process.stdout.readline()
        until(lambda: journal_of(folder), "its journal")
        until(lambda: reported(bench, "place/a.db") == 1, "the first call is stored")
        (bench.scratch / "on").write_text("on\n")
        said = process.communicate(timeout=60)[1].decode()
    expect("could not be stored" in said and f"kept in {folder}" in said and folder.is_dir(), f"record: {said}")
    os.rename(bench.scratch / "moved", bench.scratch / "place")
    said = bench.run(bench.pprofctl, "check", "place/a.db").stdout.decode()
    expect("No loss is known of: " in said and "wait" in said, f"check: {said}")
    expect(reported(bench, "place/a.db") == 2 and not folder.exists(), "report takes it in")
    silent.close()


def a_journal_is_shown(bench):
    """dump shows what a journal holds; of one that is torn or cut short what is whole."""
    runtime = bench.scratch / "runtime"
    runtime.mkdir(mode=0o700)
    (bench.scratch / "none").touch()
    library = bench.environment.get("LIBPPROF_SO", str(bench.bin.parent / "lib/libpprof.so"))
    user = {"XDG_RUNTIME_DIR": str(runtime), "LIBPPROF_SPOOL": str(bench.scratch / "none"), "LD_PRELOAD": library}
    with Model() as model:
        expect(bench.run(*model.call(), environment=user).returncode == 0, "a call")
    mine = [path for place in (runtime, Path(f"/dev/shm/libpprof-{os.geteuid()}")) for path in place.rglob("*.live")
            if str(bench.scratch).encode() in path.read_bytes()[:8192]]
    expect(len(mine) == 1, f"its journal stays: {mine}")
    try:
        done = bench.run(bench.pprofctl, "dump", mine[0])
        said = done.stdout.decode()
        expect(done.returncode == 0 and "journal of process" in said and "frame SPANS" in said and "1 spans in 1 blocks" in said, f"{done}")
        torn = bytearray(mine[0].read_bytes())
        torn[65536 + 150] ^= 1  # in the ring's first frame
        (bench.scratch / "torn.live").write_bytes(torn)
        done = bench.run(bench.pprofctl, "dump", "torn.live")
        expect(done.returncode in (0, 1) and b"frame SPANS" not in done.stdout and b"executable curl" in done.stdout, f"{done}")
        (bench.scratch / "short.live").write_bytes(torn[:9000])
        expect(bench.run(bench.pprofctl, "dump", "short.live").returncode in (0, 1), "cut short")
    finally:
        mine[0].unlink()


def no_home(bench):
    """A user whose home is none: nothing is promised that cannot be, and each refusal says what would help."""
    runtime = bench.scratch / "runtime"
    runtime.mkdir(mode=0o700)
    (bench.scratch / "none").touch()
    library = bench.environment.get("LIBPPROF_SO", str(bench.bin.parent / "lib/libpprof.so"))
    with Model() as model:
        for home in ({"HOME": str(bench.scratch / "none")}, {"HOME": ""}):
            user = {"XDG_RUNTIME_DIR": str(runtime), "XDG_STATE_HOME": "", **home}
            said = bench.run(bench.pprofctl, "doctor", "--", "curl", environment=user).stdout.decode()
            expect("only the last few would be kept" in said and "would wait in" not in said, f"doctor promises no spool: {said}")
            expect(bench.run(*model.call(), environment={**user, "LD_PRELOAD": library}).returncode == 0, "a call")
            said = bench.run(bench.pprofctl, "report", environment=user).stderr.decode()
            expect(re.search("journals? of (a program that has|programs that have) ended", said) and "killed" not in said, f"report names what waits: {said}")
            if home["HOME"]:
                said = bench.run(bench.bin / "pprofd", "--once", environment=user).stderr.decode()
                expect("--store FILE" in said, f"pprofd says what would help: {said}")
            done = bench.run(bench.bin / "pprofd", "--once", "--store", f"{len(home['HOME'])}.db", environment=user)
            # Journals of this user's other programs, from before this test, may come along.
            expect(done.returncode == 0 and reported(bench, f"{len(home['HOME'])}.db", model) == 1, f"which does: {done}")


if __name__ == "__main__":
    main([record_killed, killed_anywhere, another_file_with_the_same_number, all_killed, report_of_a_file_in_use, programs_left_behind, the_library_stays, no_other_takes_the_socket, a_stranger_is_sent_nothing, a_slip_of_the_pen,
          programs_that_give_up_their_rights, another_user_killed, any_user, the_spool_takes_no_more, no_home, the_key_of_the_installation,
          a_journal_is_shown, killed_at_the_end, live_journals_count, store_full_at_the_end])
