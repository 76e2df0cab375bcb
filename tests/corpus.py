"""Reads exchanges kept as JSON lines: our own fixtures and the recorded corpus. The same for C: tests/unit/corpus.c.

The format is that of tests/fixtures/README.md. A record is given to the caller with `body` as bytes in its request and response, whichever way it is
written, and with every fact of `truth` that the file leaves out as None. Negatives have no `truth`. Standard library only.
"""
import base64
import json
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "tests/fixtures/exchanges"
FACTS = ("model_requested", "model_returned", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens",
         "total_tokens", "finish_reasons", "stream_requested", "framing", "n_stream_events", "n_content_events", "n_text_events",
         "n_reasoning_events", "n_tool_events", "first_content_event_index", "done_sentinel", "tool_calls", "server_tool_calls", "error_type",
         "error_code", "error_message", "response_id", "usage_raw", "notes")


def recorded():
    """Where the recorded corpus lies on this machine, whether or not it is there."""
    return Path(os.environ.get("LIBPPROF_CORPUS") or ROOT.parent / "shared/corpus").resolve()


def body_of(part):
    if "body_lines" in part:
        return "\n".join(part["body_lines"]).encode()
    if "body" in part:
        return part["body"].encode()
    return base64.b64decode(part.get("body_b64") or "")


def records(directory):
    """All exchanges of a directory; none if it is not there."""
    for path in sorted(Path(directory).glob("*.jsonl")):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                for part in (record["request"], record["response"]):
                    part["body"] = body_of(part)
                if record.get("truth"):
                    unknown = set(record["truth"]) - set(FACTS)
                    if unknown:
                        raise ValueError(f"{path}: {record['id']}: no such fact: {', '.join(sorted(unknown))}")
                    record["truth"] = {**dict.fromkeys(FACTS), **record["truth"]}
                yield record
