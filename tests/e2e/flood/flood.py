#!/usr/bin/python3
"""More calls than the tape holds, of many threads and of a multi handle: those without a span are counted as lost, to the last one, and nobody says that
nothing was lost. Usage: flood.py tape_overflows|no_processor

The library's thread is stopped meanwhile (flood_client.c), so the tape overflows on every machine; or it never runs at all, and the program ends.
"""
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402
from harness import BIN, Failure, expect  # noqa: E402

CALLS, THREADS, FEW = 8000, 8, 37
SKIPPED = 77


def told(collector):
    """(what the report counts as lost, its text)"""
    report = subprocess.run([BIN / "pprofctl", "report", "--format", "json", collector.store], capture_output=True, text=True, check=False)
    text = subprocess.run([BIN / "pprofctl", "report", collector.store], capture_output=True, text=True, check=False)
    expect(report.returncode == 0 and text.returncode == 0, f"pprofctl report: {report.stderr}{text.stderr}")
    return json.loads(report.stdout)["lost"], text.stdout + text.stderr


def tape_overflows():
    with harness.Scratch() as scratch, harness.ModelServer(scratch, "0") as server, harness.Collector(scratch) as collector:
        command = [BIN / "flood_client", server.url + "/v1/chat/completions", CALLS, THREADS]
        code, out, err = harness.run(command, shim=True, env=collector.environment(), seconds=250)
        if code == SKIPPED:
            print("skipped: this system lets no program trace another")
            sys.exit(SKIPPED)
        expect(code == 0, f"flood_client: exit code {code}: {err.decode()}")
        calls = int(out)
        collector.stop()
        spans = harness.export(collector.store)
        loss, text = told(collector)
        print(f"calls {calls}, spans {len(spans)}, loss {loss}", flush=True)
        expect(loss["exchanges"] > 0, "the tape held everything: this proves nothing")
        expect(len(spans) + loss["exchanges"] == calls, "spans and lost calls are all calls")
        expect(len({(s["trace_id"], s["span_id"]) for s in spans}) == len(spans), "no span is there twice")
        cancelled = [s for s in spans if s.get("pprof.completeness") == "cancelled"]
        expect(not cancelled, f"{len(cancelled)} calls that ended well are called cancelled")
        expect("Nothing was lost" not in text, f"the report says: {text}")
        expect(f"{loss['exchanges']:,}" in text, f"the report says how many were lost: {text}")


def no_processor():
    """The program ends before the library's thread came to its turn: the calls are gone, and that is said."""
    with harness.Scratch() as scratch, harness.ModelServer(scratch, "0") as server, harness.Collector(scratch) as collector:
        for _ in range(2):
            command = [BIN / "flood_client", server.url + "/v1/chat/completions", FEW, "never"]
            code, out, err = harness.run(command, shim=True, env=collector.environment())
            expect(code == 0 and int(out) == FEW, f"flood_client: exit code {code}: {out} {err.decode()}")
        marks = [entry.name for entry in collector.spool.glob("*.unread")]
        harness.wait_for(lambda: not list(collector.spool.glob("*.unread")), 60, f"pprofd to take in {marks}")
        loss, text = told(collector)
        expect(not collector.export(), "its thread did run")
        print(f"calls {2 * FEW}, loss {loss}", flush=True)
        expect(loss["spans"] == 2 * FEW and loss["program_unread"] == 2, f"the report says: {loss} {text}")
        expect("spool_refused" not in loss and "program_unheard" not in loss, f"and for one reason: {loss}")
        expect("Nothing was lost" not in text and f"{2 * FEW}" in text, f"the report says: {text}")

try:
    {"tape_overflows": tape_overflows, "no_processor": no_processor}[sys.argv[1]]()
except Failure as failure:
    print(f"FAIL {failure}")
    sys.exit(1)
