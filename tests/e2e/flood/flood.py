#!/usr/bin/python3
"""More calls than the tape holds, of many threads and of a multi handle: those without a span are counted as lost, to the last one, and nobody says that
nothing was lost. Usage: flood.py

The library's thread is stopped meanwhile (flood_client.c), so the tape overflows on every machine.
"""
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402
from harness import BIN, Failure, expect  # noqa: E402

CALLS, THREADS = 8000, 8
SKIPPED = 77


def main():
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
        report = subprocess.run([BIN / "pprofctl", "report", "--format", "json", collector.store], capture_output=True, text=True, check=False)
        text = subprocess.run([BIN / "pprofctl", "report", collector.store], capture_output=True, text=True, check=False)
        expect(report.returncode == 0 and text.returncode == 0, f"pprofctl report: {report.stderr}{text.stderr}")
        loss = json.loads(report.stdout)["lost"]
        print(f"calls {calls}, spans {len(spans)}, loss {loss}", flush=True)
        expect(loss["exchanges"] > 0, "the tape held everything: this proves nothing")
        expect(len(spans) + loss["exchanges"] == calls, "spans and lost calls are all calls")
        expect(len({(s["trace_id"], s["span_id"]) for s in spans}) == len(spans), "no span is there twice")
        cancelled = [s for s in spans if s.get("pprof.completeness") == "cancelled"]
        expect(not cancelled, f"{len(cancelled)} calls that ended well are called cancelled")
        expect("Nothing was lost" not in text.stdout + text.stderr, f"the report says: {text.stdout}")
        expect(f"{loss['exchanges']:,}" in text.stdout, f"the report says how many were lost: {text.stdout}")


try:
    main()
except Failure as failure:
    print(f"FAIL {failure}")
    sys.exit(1)
