#!/usr/bin/python3
"""Stores with names and collectors of their own: what is said of loss while programs live, and what is said of a file that cannot be a store."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from cli import Skip, expect, main, until
from test_record import Model
from test_surroundings import CALL, PYTHON, library, need_pycurl

# The collector's options, and what its programs are told of it. S, Y: the scratch directory's.
WAYS = {
    "a plain collector": ([], {}),
    "both named": (["--socket", "S/own.sock", "--spool", "S/own-spool"], {"LIBPPROF_SOCKET": "S/own.sock", "LIBPPROF_SPOOL": "S/own-spool"}),
    "a socket alone": (["--socket", "S/own.sock"], {"LIBPPROF_SOCKET": "S/own.sock"}),
    "programs that know the socket alone": (["--socket", "S/own.sock", "--spool", "S/own-spool"], {"LIBPPROF_SOCKET": "S/own.sock"}),
    "a spool alone, of which programs know nothing": (["--spool", "S/own-spool"], {}),
    "no spool": (["--socket", "S/own.sock", "--spool", "off"], {"LIBPPROF_SOCKET": "S/own.sock", "LIBPPROF_SPOOL": "off"}),
}


# A /dev/shm of our own: a collector of the default spool takes in what any program of this user left there.
OWN = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/shm && exec "$@"', "sh"]


def living_programs_of_a_named_store(bench):
    """However a store's collector was named: as long as a program lives that sends to it and was not heard, no command says that nothing was lost."""
    need_pycurl()
    if "PPROF_OWN_MEMORY" not in os.environ:
        raise Skip("no namespace of mounts may be made here")
    program = CALL + "import sys; call(sys.argv[1], 'lives'); print('called', flush=True); sys.stdin.readline()"
    with Model() as model:
        for number, (what, (options, told)) in enumerate(WAYS.items()):
            place = bench.scratch / str(number)
            place.mkdir(mode=0o700)
            told = {"HOME": str(place), "XDG_RUNTIME_DIR": str(place), **{name: value.replace("S/", f"{place}/") for name, value in told.items()}}
            user = {**bench.environment, **told}
            store = place / "named.db"

            def said(place=place, store=store):
                # Who looks has a home of its own: that the store is named is all that it knows.
                looks = {"HOME": str(place / "none"), "XDG_RUNTIME_DIR": str(place)}
                both = [bench.run(bench.pprofctl, command, store, environment=looks).stdout.decode() for command in ("report", "check")]
                expect(all("Nothing was lost." in text or "No loss is known of" in text for text in both), f"{what}: {both}")
                return ["Nothing was lost." in text for text in both], both

            collector = subprocess.Popen([bench.bin / "pprofd", "--store", store, *[word.replace("S/", f"{place}/") for word in options]],
                                         cwd=place, env={**user}, stderr=subprocess.PIPE)
            try:
                expect(b"ready" in collector.stderr.readline(), what)
                done = bench.run(*model.call(), environment={**told, "LD_PRELOAD": library(bench)})
                expect(done.returncode == 0, f"{done}")
                until(lambda: bench.run(bench.pprofctl, "export", store).stdout.count(b"\n") == 1, f"{what}: the first call")
                until(lambda: said()[0] == [True, True], lambda: f"{what}: {said()}")
                collector.send_signal(signal.SIGSTOP)
                process = subprocess.Popen([PYTHON, "-c", program, model.url], cwd=place, env={**user, "LD_PRELOAD": library(bench)},
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                try:
                    expect(process.stdout.readline() == b"called\n", what)
                    expect(said()[0] == [False, False], f"{what}: a program lives whose call is nowhere: {said()}")
                finally:
                    collector.send_signal(signal.SIGCONT)
                    process.communicate(b"\n", timeout=60)
                until(lambda: bench.run(bench.pprofctl, "export", store).stdout.count(b"\n") == 2, f"{what}: the second call")
                until(lambda: said()[0] == [True, True], lambda: f"{what}: all are done: {said()}")
            finally:
                collector.send_signal(signal.SIGCONT)
                collector.terminate()
                collector.communicate(timeout=60)


def the_surroundings_alone(bench):
    """doctor without a program: where calls would go, what waits, what is lost; it fails only where the store cannot be read."""
    def doctor():
        done = bench.run(bench.pprofctl, "doctor")
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    code, said, _ = doctor()
    expect(code == 0 and "No collector listens on" in said and "they would wait in" in said and "There is no store yet" in said, f"{code} {said}")
    collector = subprocess.Popen([bench.bin / "pprofd"], cwd=bench.scratch, env=bench.environment, stderr=subprocess.PIPE)
    try:
        expect(b"ready" in collector.stderr.readline(), "a collector")
        code, said, _ = doctor()
        expect(code == 0 and "Calls would go to the collector that listens on" in said and "No loss is known of: no program" in said, f"{code} {said}")
    finally:
        collector.terminate()
        collector.communicate(timeout=60)
    with Model() as model:
        done = bench.run(bench.pprofctl, "record", "--", *model.call())
    code, said, _ = doctor()
    expect(done.returncode == 0 and code == 0 and "pprof.db: Nothing was lost." in said, f"{code} {said}")
    (bench.scratch / "pprof.db").write_text("notes")
    code, _, said = doctor()
    expect(code == 1 and "another program wrote it" in said, f"{code} {said}")


def sockets_of_the_killed(bench):
    """What a killed record left among the sockets is removed by the next one; a living one's, and what merely looks alike, stays."""
    runtime = bench.scratch / "runtime"
    runtime.mkdir(mode=0o711)
    environment = {"XDG_RUNTIME_DIR": str(runtime), "HOME": str(bench.scratch)}

    def sockets():
        return {path for place in (runtime, *((Path("/run/libpprof"),) if os.geteuid() == 0 else ()), Path(f"/tmp/libpprof-{os.geteuid()}")) if place.is_dir()
                for path in place.glob("pprof-*")}

    def start():
        before = sockets()
        process = subprocess.Popen([bench.pprofctl, "record", "--quiet", "-o", "a.db", "--", "sh", "-c", "echo $LIBPPROF_SOCKET $$; exec sleep 1000"], cwd=bench.scratch,
                                   env={**bench.environment, **environment}, stdout=subprocess.PIPE)
        own, program = process.stdout.readline().decode().split()
        expect(Path(own) in sockets() - before, f"{own}")
        return process, Path(own), int(program)

    def age(own):
        old = time.time() - 3600
        os.utime(f"{own}.lock", (old, old))

    programs = []
    try:
        killed, dead, program = start()
        programs.append(killed)
        living, alive, _ = start()
        programs.append(living)
        killed.kill()
        killed.wait()
        os.kill(program, signal.SIGKILL)
        alike = dead.parent / "pprof-not-ours.lock"
        alike.touch()
        try:
            age(dead)
            age(alive)
            os.utime(alike, (0, 0))
            done = bench.run(bench.pprofctl, "record", "--quiet", "-o", "b.db", "--", "true", environment=environment)
            expect(done.returncode == 0, f"{done}")
            expect(not dead.exists() and not Path(f"{dead}.lock").exists(), "the killed one's are gone")
            expect(alive.exists() and Path(f"{alive}.lock").exists() and alike.exists(), "the living one's stay")
        finally:
            alike.unlink()
    finally:
        for process in programs:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=60)


def taken_literally(bench):
    """Whatever a file is called, it is that file: names that SQLite takes for databases in memory, addresses or hosts, and what must be escaped in addresses."""
    for name in (":memory:", "file:x.db", "file:x.db?mode=memory", "file::memory:", f"/{bench.scratch}/two.db", "a?b#c%41.db", "-.db", "x" * 244 + ".db"):
        done = [bench.run(bench.pprofctl, *words) for words in (["record", "-o", name, "--", "true"], ["check", "--", name], ["report", "--", name])]
        done.append(bench.run(bench.bin / "pprofd", "--once", "--store", name, "--spool", "off"))
        expect([one.returncode for one in done] == [0] * 4, f"{name}: {done}")
        expect((bench.scratch / name.removeprefix(f"/{bench.scratch}/")).stat().st_size > 0, f"{name} is a file: {list(bench.scratch.iterdir())}")


def what_cannot_be_a_store(bench):
    """Where a store cannot be opened or made, each command says what is in the way and what to do, and never names another reason."""
    if "PPROF_OWN_MEMORY" not in os.environ:
        raise Skip("no file system may be mounted here")
    (bench.scratch / "notes.txt").write_text("notes")
    (bench.scratch / "directory").mkdir()
    (bench.scratch / "dangling.db").symlink_to("nowhere/at.db")
    (bench.scratch / "circle.db").symlink_to("circle.db")
    deep = "/".join(["d" * 200] * 3)
    (bench.scratch / deep).mkdir(parents=True)
    for name, options in (("full", "size=64k"), ("readonly", "size=1m")):
        (bench.scratch / name).mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", bench.scratch / name], check=True)
    (bench.scratch / "full/filler").write_bytes(bytes(60 * 1024))
    subprocess.run(["mount", "-o", "remount,ro", bench.scratch / "readonly"], check=True)
    bench.make_store("good.db")
    writer = None
    few = ["sh", "-c", 'ulimit -n 4 && exec "$@"', "sh"]
    writes = {  # what is to be made: the words of its reason
        "x" * 245 + ".db": "name is too long", "x" * 252 + ".db": "name is too long", "x" * 260 + ".db": "name is too long", f"{deep}/x.db": "path is too long",
        "no/such/x.db": "directory does not exist", "notes.txt/x.db": "no directory", "directory": "is a directory", "notes.txt": "another program",
        "dangling.db": "directory does not exist", "circle.db": "circle", "full/x.db": "disk is full", "readonly/x.db": "read-only"}
    try:
        for name, words in writes.items():
            for command in ([bench.pprofctl, "record", "-o", name, "--", "true"], [bench.bin / "pprofd", "--once", "--spool", "off", "--store", name]):
                done = bench.run(*command)
                said = done.stderr.decode()
                expect(done.returncode != 0 and words in said and "permission" not in said.replace("change its permissions", ""), f"{name}: {said}")
        for name, words in {**{name: words for name, words in writes.items() if "name is" in words or "path is" in words}, "no.db": "no file", "no/such/x.db": "no file",
                            "notes.txt/x.db": "no directory", "directory": "is a directory", "dangling.db": "leads nowhere", "circle.db": "circle"}.items():
            for command in ("report", "check", "export"):
                said = bench.run(bench.pprofctl, command, name).stderr.decode()
                expect(words in said and "permission" not in said, f"{command} {name}: {said}")
        # While somebody writes, the log and its index are to be opened, too.
        writer = subprocess.Popen([bench.bin / "pprofd", "--store", "good.db"], cwd=bench.scratch, env=bench.environment, stderr=subprocess.PIPE)
        expect(b"ready" in writer.stderr.readline(), "a writer")
        for command in ([bench.pprofctl, "report", "good.db"], [bench.pprofctl, "check", "good.db"], [bench.bin / "pprofd", "--once", "--spool", "off", "--store", "good.db"]):
            done = bench.run(*few, *command)
            expect(done.returncode != 0 and b"ulimit -n" in done.stderr and b"permission" not in done.stderr, f"few descriptors: {command} {done}")
    finally:
        if writer is not None:
            writer.terminate()
            writer.communicate(timeout=60)
        for name in ("full", "readonly"):
            subprocess.run(["umount", bench.scratch / name], check=True)


if __name__ == "__main__":
    if "PPROF_OWN_MEMORY" not in os.environ and subprocess.run([*OWN, "true"], capture_output=True).returncode == 0:
        os.execvpe(OWN[0], [*OWN, sys.executable, *sys.argv], {**os.environ, "PPROF_OWN_MEMORY": "1"})
    main([living_programs_of_a_named_store, the_surroundings_alone, sockets_of_the_killed, taken_literally, what_cannot_be_a_store])
