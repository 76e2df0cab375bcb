#!/usr/bin/python3
"""Which prompt was it? Requests whose instructions vary, sent by a real client under the shim; the ids that `pprofctl export` gives are compared with the
templates that they were made from.

Usage: prompts.py [TEST...]. `kinds`: our own workload (tests/prompts/make_kinds.py). `shared`: the one of $LIBPPROF_PROMPTS, else ../shared/prompts, where
that is; it says so where it is not. Both with stated seeds.
"""
import collections
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
import harness  # noqa: E402
from harness import BIN, SOURCE, expect  # noqa: E402
from score import Score  # noqa: E402

SHARED = Path(os.environ.get("LIBPPROF_PROMPTS", SOURCE.parent / "shared/prompts"))
CALLS = 2500
KEY = os.environ.get("LIBPPROF_HASH_KEY", "5" * 64)  # the same each time, as hashes decide where texts are nearly as like
F_MIN, PURE_MIN, KIND_MIN = .985, .995, .95


def workload(command):
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def body_of(call):
    messages = [{"role": "system", "content": call["instructions"]}] if call["instructions"] else []
    request = {"model": "gpt-4o-mini", "messages": [*messages, {"role": "user", "content": call["user"]}]}
    return json.dumps({**request, **{key: call[key] for key in ("tools",) if key in call}}).encode()


def write_list(path, calls):
    """As replay_client reads it."""
    with open(path, "wb") as file:
        for number, call in enumerate(calls):
            body = body_of(call)
            file.write(b"%d\tPOST\t1\t%d\nhttp://127.0.0.1/v1/chat/completions\nContent-Type: application/json\n" % (number, len(body)) + body + b"\n")


def learned(calls, parts=1):
    """The spans of these calls in their order, and the report, once the collector has ended. In several parts each is a process of its own, and the collector
    is killed after each but the last, so that the next one has to go on from its store."""
    size = -(-len(calls) // parts)
    with harness.Scratch() as scratch, harness.ModelServer(scratch, "0") as server:
        port = server.url.rsplit(":", 1)[1]
        for part in range(parts):
            write_list(scratch / "list", calls[part * size:(part + 1) * size])
            with harness.Collector(scratch) as collector:
                code, _, errors = harness.run([BIN / "replay_client", scratch / "list", port], shim=True, env={**collector.environment(), "LIBPPROF_HASH_KEY": KEY})
                expect(code == 0, f"the client ends with {code}: {errors.decode()[-500:]}")
                collector.wait_until_stored(min(len(calls), (part + 1) * size), 120)
                collector.stop(signal.SIGTERM if part == parts - 1 else signal.SIGKILL, seconds=120)
            collector.socket.unlink(missing_ok=True)
        spans = sorted(harness.export(scratch / "store.db"), key=lambda span: span["start_time_unix_nano"])
        report = subprocess.run([BIN / "pprofctl", "report", scratch / "store.db"], capture_output=True, text=True, check=True).stdout
    expect(len(spans) == len(calls), f"{len(spans)} spans of {len(calls)} calls")
    return spans, report


def shown(span):
    return f"{span.get('pprof.prompt.id')}@{span.get('pprof.prompt.version')}"


def expect_score(calls, parts=1):
    spans, report = learned(calls, parts)
    score = Score(calls, [shown(span) for span in spans])
    print(f"     {score}", flush=True)
    expect(score.f >= F_MIN and score.pure >= PURE_MIN, str(score))
    for kind, (whole, _) in score.kinds.items():
        expect(whole >= KIND_MIN, f"{kind} is {whole:.1%} whole: {score}")
    expect("learned" in report, f"the report does not say how many calls stand under learned templates:\n{report}")
    return spans


def test_kinds():
    calls = workload([SOURCE / "tests/prompts/make_kinds.py", 1, CALLS])
    spans = expect_score(calls)
    edited = collections.defaultdict(collections.Counter)
    for call, span in zip(calls, spans):
        if "prompt" in call:
            edited[call["prompt"], call["kind"]][span.get("pprof.prompt.id")] += 1
    apart = [kind for (_, kind), ids in edited.items() if max(ids.values()) < .95 * sum(ids.values())]
    expect(10 * len(apart) <= len(edited), f"edits that are another prompt: {apart}")


def test_killed():
    """The same in any order, but that an edit follows what it edits, from eight processes, with a collector that was killed seven times."""
    calls = workload([SOURCE / "tests/prompts/make_kinds.py", 1, CALLS])
    places = [i for i, call in enumerate(calls) if "prompt" not in call]
    shuffled = random.Random(5).sample(places, len(places))
    order = dict(zip(places, shuffled))
    expect_score([calls[order.get(i, i)] for i in range(len(calls))], parts=8)


def test_shared():
    if not (SHARED / "make_workload.py").exists():
        print(f"\n*** THE SHARED WORKLOAD IS NOT THERE ({SHARED}): not tried. Set LIBPPROF_PROMPTS to its directory.\n")
        return
    expect_score(workload([SHARED / "make_workload.py", 1, CALLS]))


harness.main({"kinds": test_kinds, "killed": test_killed, "shared": test_shared})
