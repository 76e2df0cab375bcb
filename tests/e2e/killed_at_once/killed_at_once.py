#!/usr/bin/python3
"""A program that dies within its first call, before the library's thread first ran, beside others that report: its calls cannot be known, so nobody says
that nothing was lost. Usage: killed_at_once.py recorded|collected|left|no_trace
"""
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402
from harness import BIN, Failure, expect, wait_for  # noqa: E402

CLIENT = BIN / "killed_client"
GOOD = "Nothing was lost."
UNHEARD = "before it could say what it called"
MARKS = Path(f"/dev/shm/libpprof-{os.geteuid()}")


def told(store):
    """(losses, text) of `report`."""
    as_json = subprocess.run([BIN / "pprofctl", "report", "--format", "json", store], capture_output=True, text=True, check=False)
    text = subprocess.run([BIN / "pprofctl", "report", store], capture_output=True, text=True, check=False)
    expect(as_json.returncode == 0 and text.returncode == 0, f"pprofctl report: {as_json.stderr}{text.stderr}")
    return json.loads(as_json.stdout)["lost"], text.stdout + text.stderr


def marks_of(spool):
    """Marks that belong to the collector with this spool."""
    return [mark for mark in MARKS.glob("*.mark") if os.readlink(mark).endswith(" " + str(spool))]


def good_call(server, env):
    body = '{"model":"m","messages":[{"role":"user","content":"x"}]}'
    command = ["curl", "-sS", "-f", "-H", "Content-Type: application/json", "-d", body, server.url + "/v1/chat/completions"]
    code, _, err = harness.run(command, shim=True, env=env)
    expect(code == 0, f"curl: {code}: {err.decode()}")


def until_recorded(attempt, tries=20):
    """The other program's own call may be lost where it gets no processor; then this is not the run that we want to see."""
    for _ in range(tries):
        if attempt():
            return
    raise Failure("the other program was never recorded")


def dies(server, env, how="kill"):
    code, out, err = harness.run([CLIENT, server.url + "/v1/chat/completions", how], shim=True, env=env)
    expect((code, out) == (-signal.SIGKILL, b"called\n"), f"killed_client {how}: {code}: {out} {err.decode()}")


def recorded():
    """Under record: killed, killed in a child of fork, and gone on by exec as a program that hides where it comes from."""
    with harness.Scratch() as scratch, harness.ModelServer(scratch, "0") as server:
        url = server.url + "/v1/chat/completions"
        body = '{"model":"m","messages":[{"role":"user","content":"x"}]}'
        good = f"curl -sS -f -o answer -H Content-Type:application/json -d '{body}' {url}"
        # The shell's own word that its child was killed is none of ours.
        cases = {"kill": f"({CLIENT} {url} kill) 2>/dev/null; {good}",
                 "fork": f"{CLIENT} {url} fork",
                 "exec": f"{CLIENT} {url} exec >out 2>/dev/null & echo $! >pid; while ! grep -q called out; do sleep 0.05; done; {good}",
                 "good": good}
        for name, script in cases.items():
            store = scratch / f"{name}.db"
            command = [BIN / "pprofctl", "record", "-o", store, "--", "sh", "-c", script]
            code, err, loss, text = 0, b"", {}, ""

            def run():
                nonlocal code, err, loss, text
                store.unlink(missing_ok=True)
                (scratch / "out").unlink(missing_ok=True)
                code, _, err = harness.run(command, env={"LIBPPROF_SO": harness.SHIM}, cwd=scratch)
                loss, text = told(store)
                if name == "exec":
                    os.kill(int((scratch / "pid").read_text()), signal.SIGKILL)
                print(name, code, err.decode(), loss, text, flush=True)
                expect(code == 0, f"{name}: {code} {err.decode()}")
                return len(harness.export(store)) == 1 and loss["spans"] + loss["exchanges"] == 0
            until_recorded(run)
            if name == "good":
                expect(GOOD in text and UNHEARD not in err.decode(), f"{name}: a run without a fault: {text}")
                continue
            expect(loss.get("program_unheard") == 1 and GOOD not in text, f"{name}: the report says: {loss} {text}")
            expect(loss["verdict"] == "not_known", f"{name}: {loss}")
            expect("No loss is known of" in err.decode() and "could say what it called" in err.decode(), f"{name}: record says: {err.decode()}")


def collected():
    """While pprofd runs."""
    with harness.Scratch() as scratch, harness.ModelServer(scratch, "0") as server, harness.Collector(scratch) as collector:
        env = collector.environment()

        def good():
            good_call(server, env)
            return not marks_of(collector.spool) and len(collector.export()) > 0
        until_recorded(good)
        expect("program_unheard" not in told(collector.store)[0], "nobody was killed yet")
        dies(server, env)  # its mark may be taken at once
        wait_for(lambda: told(collector.store)[0].get("program_unheard") == 1, 60, "pprofd to find its mark, and the store to know")
        expect(not marks_of(collector.spool), "a mark that was counted is gone")
        expect(GOOD not in told(collector.store)[1], "the report says that nothing was lost")
        good_call(server, env)
        collector.stop()
        loss, text = told(collector.store)
        expect(loss["program_unheard"] == 1 and GOOD not in text, f"{loss} {text}")


def left():
    """Before pprofd runs, in the places of this user: `report` knows of it, and the next pprofd takes it in, once."""
    with harness.Scratch() as scratch, harness.ModelServer(scratch, "0") as server:
        spool, store = scratch / "state/libpprof/spool", scratch / "state/libpprof/pprof.db"
        tools = {**os.environ, "XDG_STATE_HOME": str(scratch / "state"), "XDG_RUNTIME_DIR": ""}
        # Named, so that no other test's collector takes it; it is the default one all the same.
        env = {"LIBPPROF_SOCKET": str(scratch / "none"), "LIBPPROF_SPOOL": str(spool)}

        def once():
            done = subprocess.run([BIN / "pprofd", "--once"], env=tools, capture_output=True, text=True, check=False)
            expect(done.returncode == 0, f"pprofd --once: {done.stderr}")

        def report():
            done = subprocess.run([BIN / "pprofctl", "report"], env=tools, capture_output=True, text=True, check=False)
            expect(done.returncode == 0, done.stderr)
            return done.stdout + done.stderr
        def good():
            good_call(server, env)
            once()
            return len(harness.export(store)) > 0
        until_recorded(good)
        dies(server, env)
        expect(len(marks_of(spool)) == 1, "it left a mark")
        before = report()
        expect(GOOD not in before and "a program waits for pprofd" in before.replace("files of programs wait", "file of a program waits"), f"the report before says: {before}")
        once()
        once()
        expect(not marks_of(spool), "the mark was taken in")
        loss, text = told(store)
        print(loss, text, flush=True)
        expect(GOOD not in text and loss.get("program_unheard", 0) >= 1, f"{loss} {text}")


def no_trace():
    """Where a program can leave no mark, nobody could know of one that died there: those that live say so."""
    with harness.Scratch() as scratch, harness.ModelServer(scratch, "0") as server, harness.Collector(scratch) as collector:
        def lives():
            code, _, err = harness.run([CLIENT, server.url + "/v1/chat/completions", "denied"], shim=True, env=collector.environment())
            expect(code == 0 and not err, f"killed_client denied: {code}: {err.decode()}")
            return len(collector.export()) > 0
        until_recorded(lives)
        wait_for(lambda: told(collector.store)[0]["journals"] > 0, 60, "the counter")
        expect(GOOD not in told(collector.store)[1], "the report says that nothing was lost")


try:
    {"recorded": recorded, "collected": collected, "left": left, "no_trace": no_trace}[sys.argv[1]]()
except Failure as failure:
    print(f"FAIL {failure}")
    sys.exit(1)
