#!/usr/bin/python3
"""Stores with names and collectors of their own: what is said of loss while programs live, and what is said of a file that cannot be a store."""
import os
import signal
import subprocess
import sys

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


if __name__ == "__main__":
    if "PPROF_OWN_MEMORY" not in os.environ and subprocess.run([*OWN, "true"], capture_output=True).returncode == 0:
        os.execvpe(OWN[0], [*OWN, sys.executable, *sys.argv], {**os.environ, "PPROF_OWN_MEMORY": "1"})
    main([living_programs_of_a_named_store])
