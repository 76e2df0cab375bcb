#!/usr/bin/python3
"""Stores with names and collectors of their own: what is said of loss while programs live, and what is said of a file that cannot be a store."""
import os
import shutil
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


def settled(bench, model, options=(), told=None):
    """A store of which nothing was lost, of a collector that has ended."""
    collector = subprocess.Popen([bench.bin / "pprofd", *options], cwd=bench.scratch, env=bench.environment, stderr=subprocess.PIPE)
    try:
        expect(b"ready" in collector.stderr.readline(), "a collector")
        expect(bench.run(*model.call(), environment={"LD_PRELOAD": library(bench), **(told or {})}).returncode == 0, "a call")
        until(lambda: bench.run(bench.pprofctl, "export", *options[1:2]).stdout.count(b"\n") == 1, "it is stored")
    finally:
        collector.terminate()
        collector.communicate(timeout=60)


def said_of_loss(bench, *store, **environment):
    """By each command that speaks of it."""
    commands = [["report"], ["check"]] + [["doctor"]] * (not store)
    return [bench.run(bench.pprofctl, *command, *store, environment=environment).stdout.decode() for command in commands]


def killed_in_call(bench, model, **told):
    """A program is killed after calls that no collector took: its journal has them."""
    program = CALL + "import sys, time; [call(sys.argv[1]) for i in range(3)]; time.sleep(0.2); os.kill(os.getpid(), 9)"
    done = bench.run(PYTHON, "-c", program, model.url, environment={"LD_PRELOAD": library(bench), **told})
    expect(done.returncode == -signal.SIGKILL, f"{done}")


def journals(bench):
    """They lie in memory, and in a container, whose memory is its own, where a collector outside of it looks."""
    return [path for place in (Path("/dev/shm"), bench.scratch) for path in place.rglob("*.live")]


def lie_afar(bench, spool):
    """Journals that lie in the spool, as in a container, lie where those of all programs do: that one waits for this spool is known by its own words alone."""
    afar = bench.scratch / "libpprof"
    afar.mkdir(mode=0o700, exist_ok=True)
    for file in Path(spool).glob("*.live"):
        shutil.move(file, afar / file.name)


def need_own_memory():
    need_pycurl()
    if "PPROF_OWN_MEMORY" not in os.environ:
        raise Skip("no namespace of mounts may be made here")


def damaged_journals(bench):
    """A journal of which nothing can be read, as after a loss of power, may be of any store that a collector writes: none of them claims anything, before and after it is taken in."""
    need_own_memory()
    named = ["--store", "named.db", "--socket", "own.sock", "--spool", "own-spool"]
    with Model() as model:
        settled(bench, model)
        settled(bench, model, named, {"LIBPPROF_SOCKET": f"{bench.scratch}/own.sock", "LIBPPROF_SPOOL": f"{bench.scratch}/own-spool"})
        for what, damage in {"zeros": lambda file: file.write(bytes(262144)), "one bit": lambda file: file.seek(20) and file.write(b"\xff"),
                             "emptied": lambda file: file.truncate(0), "cut": lambda file: file.truncate(100)}.items():
            for store in ([], ["named.db"]):
                said = said_of_loss(bench, *store)
                expect(all("a program waits" not in text and "damaged journal" not in text for text in said), f"{what}, before: {said}")
            killed_in_call(bench, model, LIBPPROF_SPOOL="off")
            (journal,) = journals(bench)
            with open(journal, "r+b") as file:
                damage(file)
            for store in ([], ["named.db"]):
                said = said_of_loss(bench, *store)
                expect(all("Nothing was lost" not in text and "1 file of a program waits" in text and "1 damaged journal" in text for text in said), f"{what}: {said}")
            expect(bench.run(bench.bin / "pprofd", "--once").returncode == 0, "taken in")
            expect(all("Lost since the store began: " in text for text in said_of_loss(bench)), f"{what}: {said_of_loss(bench)}")
            expect(not journal.exists(), what)


def spools_that_no_collector_reads(bench):
    """What a program left in, or for, a spool that was named to it alone: each command counts it, names the spool and what takes it in, and that does."""
    need_own_memory()
    (bench.scratch / "file").write_text("")
    named = ["--store", "named.db", "--socket", "own.sock"]
    with Model() as model:
        for store, options, inner in (([], [], ""), (["named.db"], named, " --store named.db")):
            settled(bench, model, options, {"LIBPPROF_SOCKET": f"{bench.scratch}/own.sock"} if options else None)
            for text in said_of_loss(bench, *store):
                expect("Nothing was lost." in text, f"{text}")
            calls = 1
            # Of a program that ended well only who knows the name can know.
            spool = f"{bench.scratch}/told{calls}"
            expect(bench.run(*model.call(), environment={"LD_PRELOAD": library(bench), "LIBPPROF_SPOOL": spool}).returncode == 0, "a call")
            ways = [("its spool is ours", spool, {"LIBPPROF_SPOOL": spool}, 1)]
            for text in said_of_loss(bench, *store, LIBPPROF_SPOOL=spool):
                expect("Nothing was lost" not in text and "1 file of a program waits" in text, f"{text}")
            for what, spool in (("killed", f"{bench.scratch}/told2"), ("killed, and it can be no spool", f"{bench.scratch}/file")):
                ways.append((what, spool, {}, 3))
            for what, spool, told, more in ways:
                if not told:
                    killed_in_call(bench, model, LIBPPROF_SPOOL=spool)
                    if what == "killed":
                        lie_afar(bench, spool)
                said = said_of_loss(bench, *store, **told)
                command = f"pprofd --once{inner} --spool {spool}"
                expect(all("Nothing was lost" not in text and f"`{command}`" in text for text in said), f"{what}: {said}")
                done = bench.run(bench.bin / "pprofd", *command.split()[1:])
                calls += more
                expect(done.returncode == 0 and bench.run(bench.pprofctl, "export", *store).stdout.count(b"\n") == calls, f"{what}: {done}")
                said = said_of_loss(bench, *store, **told)
                expect(all(f"`{command}`" not in text and "waits" not in text for text in said), f"{what}, taken in: {said}")


def emptied_in_a_run(bench):
    """A file in the folder of a killed record was emptied, as by a loss of power: it is counted once, and does not wait for ever."""
    need_own_memory()
    with Model() as model:
        program = subprocess.Popen([bench.pprofctl, "record", "-o", "run.db", "--", "sh", "-c", 'echo "$LIBPPROF_SPOOL"; "$@" >&2; echo called; read x; "$@" >&2; echo end',
                                    "sh", *model.call()], cwd=bench.scratch, env=bench.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        folder = Path(program.stdout.readline().decode().strip())
        expect(program.stdout.readline() == b"called\n", "a call")
        until(lambda: bench.run(bench.pprofctl, "export", "run.db").stdout.count(b"\n") == 1, "it is stored")
        program.kill()
        program.wait()
        program.stdin.write(b"go\n")
        program.stdin.flush()
        expect(program.stdout.readline() == b"end\n", "its program goes on")
        (file,) = until(lambda: list(folder.glob("*.frames")), "a call of which nobody knows")
        file.write_bytes(b"")
        said = bench.run(bench.pprofctl, "check", "run.db").stdout.decode()
        expect("Nothing was lost" not in said and str(folder) in said, f"it waits: {said}")
        for turn in range(3):
            said = said_of_loss(bench, "run.db")
            expect(all("Lost since the store began: 1 damaged spool file." in text and "waits" not in text for text in said), f"turn {turn}: {said}")


def its_directory_went(bench):
    """A store's directory is removed during its recording: with the directory back and no file each command says what waits and what takes it in, and that does."""
    need_own_memory()
    with Model() as model:
        for store, makes in (("x/p.db", "mkdir x"), (f"{bench.scratch}/y/z/p.db", "mkdir -p y/z"), ("pprof.db", "true")):
            (bench.scratch / store).parent.mkdir(parents=True, exist_ok=True)
            removes = "rm -rf x y" if "/" in store else "rm -f pprof.db*; mkdir pprof.db"
            done = bench.run(bench.pprofctl, "record", "-o", store, "--", "sh", "-c", f'"$@" >&2; {removes}; "$@" >&2; "$@" >&2', "sh", *model.call())
            expect(done.returncode == 0, f"{done}")
            command = f"pprofctl record -o {store} -- CMD"
            said = done.stderr.decode()
            expect("is kept in" in said and f"`{command}`" in said and "a report of" not in said, f"record: {said}")
            folder = said.split("is kept in ")[1].split(";")[0]
            subprocess.run(f"rmdir pprof.db; {makes}", cwd=bench.scratch, shell=True, check=True, stderr=subprocess.DEVNULL)
            for verb in ("report", "check", "export", *(["doctor"] if store == "pprof.db" else [])):
                done = bench.run(bench.pprofctl, verb, *([store] if verb != "doctor" else []))
                said = (done.stdout + done.stderr).decode()
                expect(f"1 folder of a recorded run waits, {folder}; `{command}` takes in what is there" in said, f"{verb} {store}: {said}")
                expect(not (bench.scratch / store).exists(), f"{verb} makes no store")
            done = bench.run(*[bench.pprofctl if word == "pprofctl" else word for word in command.replace("CMD", "true").split()])
            expect(b"1 earlier run left behind" in done.stderr, f"{done}")
            # Two, and the first where its program's end outlasts the removal, as it may on a busy machine.
            calls = bench.run(bench.pprofctl, "export", store).stdout.count(b"\n")
            expect(calls in (2, 3), f"the calls that waited are in {store}: {calls}")
            expect(not Path(folder).exists(), "and the folder goes")


def without_a_home(bench):
    """Advice to a user without a home names a store, as pprofd has none of its own there; what it says then works."""
    need_own_memory()
    if os.access("/var/lib/pprofd", os.F_OK) or os.geteuid() != 0:
        raise Skip("who has no home here has a store")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", "/var/lib"], check=True)  # not even root can make one
    nowhere = {"HOME": "", "XDG_STATE_HOME": "", "XDG_RUNTIME_DIR": ""}
    try:
        with Model() as model:
            killed_in_call(bench, model, **nowhere)
        for verb in ("report", "check", "doctor"):
            done = bench.run(bench.pprofctl, verb, environment=nowhere)
            expect(b"`pprofd --once --store FILE`" in done.stdout + done.stderr and b"`pprofd --once`" not in done.stdout + done.stderr, f"{verb}: {done}")
        done = bench.run(bench.bin / "pprofd", "--once", environment=nowhere)
        expect(done.returncode != 0 and b"--store FILE" in done.stderr, f"{done}")
        done = bench.run(bench.bin / "pprofd", "--once", "--store", "mine.db", environment=nowhere)
        expect(done.returncode == 0 and bench.run(bench.pprofctl, "export", "mine.db").stdout.count(b"\n") == 3, f"{done}")
    finally:
        subprocess.run(["umount", "/var/lib"], check=True)


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


def a_line_for_each_place(bench):
    """What waits for the default collector, and what waits in a spool that was named: a line each, with what takes it in; where there is one place, no more."""
    need_own_memory()
    spool = bench.scratch / "told"
    of_default, of_named = "1 can be taken in by `pprofd --once`, or by pprofd when it runs.", f"for the spool {spool}; `pprofd --once --spool {spool}` takes in what is there."
    with Model() as model:
        settled(bench, model)
        killed_in_call(bench, model)
        for text in said_of_loss(bench):
            expect("; `pprofd --once`, or pprofd when it runs, takes them in.\n" in text and "Of these" not in text, f"one place: {text}")
        killed_in_call(bench, model, LIBPPROF_SPOOL=str(spool))
        lie_afar(bench, spool)
        for text in said_of_loss(bench):
            said = [line for line in text.splitlines() if line.startswith("Of these, ")]
            expect(said == [f"Of these, {of_default}", f"Of these, 1 is {of_named}"], f"two places: {text}")
        expect(bench.run(bench.bin / "pprofd", "--once").returncode == 0, "the first takes in its part")
        for text in said_of_loss(bench):
            expect(f", {of_named}\n" in text and "Of these" not in text, f"the other place: {text}")


def words_that_are_refused(bench):
    """A name or a key that nothing can be meant by: said as what it is."""
    for words, code, said in ((["record", "-o", "", "--", "true"], 125, "the name of FILE is empty"), (["report", ""], 1, "the name of FILE is empty"),
                              (["report", "--by", "model,model"], 2, "--by has the key model twice"), (["report", "--by", "team,model,team"], 2, "--by has the key team twice")):
        done = bench.run(bench.pprofctl, *words)
        expect(done.returncode == code and said in done.stderr.decode() and done.stdout == b"", f"{words}: {done}")


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
    main([living_programs_of_a_named_store, damaged_journals, spools_that_no_collector_reads, emptied_in_a_run, its_directory_went, without_a_home, the_surroundings_alone, sockets_of_the_killed, a_line_for_each_place, words_that_are_refused, taken_literally, what_cannot_be_a_store])
