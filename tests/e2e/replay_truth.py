"""What the `truth` of an exchange (fixture or recorded) means for an exported span; used by tests/e2e/replay.

The same rules as tests/unit/corpus_truth.c (there for spans in process), stated in the corpus' README and in interface terms: input includes cached
tokens, output includes reasoning. tests/corpus_wrong_truths.txt is the one list of truths that are wrong.
"""
from pathlib import Path

ABSENT = "absent"
WRONG_TRUTHS = {tuple(line.split(None, 2)[:2])
                for line in (Path(__file__).resolve().parents[1] / "corpus_wrong_truths.txt").read_text(encoding="utf-8").splitlines()
                if line and not line.startswith("#")}

TEXTS = {"model_requested": "gen_ai.request.model", "model_returned": "gen_ai.response.model", "response_id": "gen_ai.response.id"}
TOKENS = {"input_tokens": "gen_ai.usage.input_tokens", "output_tokens": "gen_ai.usage.output_tokens",
          "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
          "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
          "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens"}


def expected_tokens(record):
    truth, api, provider = record["truth"], record["api"], record["provider"]
    tokens = {name: truth[name] for name in TOKENS}
    cached = (truth["cache_read_tokens"] or 0) + (truth["cache_write_tokens"] or 0)
    excludes_cached = api in ("messages", "converse") or (api == "invoke" and truth["cache_read_tokens"] is not None)
    chat, reasoning, output = api == "chat-completions", truth["reasoning_tokens"] or 0, truth["output_tokens"] or 0
    # Nothing holds more than itself; OpenRouter alone counts reasoning with a tokenizer of its own.
    excludes_reasoning = (provider == "xai" and chat) or api in ("generateContent", "interactions") or (reasoning > output and provider != "openrouter")
    if tokens["input_tokens"] is not None and excludes_cached:
        tokens["input_tokens"] += cached
    if reasoning and excludes_reasoning:
        tokens["output_tokens"] = output + reasoning
    total = truth["total_tokens"] or 0
    if provider == "google" and chat and not reasoning and total > (tokens["input_tokens"] or 0) + output:
        tokens["output_tokens"] = total - (tokens["input_tokens"] or 0)  # its compatible endpoint names thinking nowhere but in the total
    if tokens["input_tokens"] is not None:
        tokens["input_tokens"] += (truth.get("usage_raw") or {}).get("toolUsePromptTokenCount", 0)  # what Gemini's own tools added, stated beside
    return tokens


def expected_finish(truth):
    reasons = truth["finish_reasons"] or []
    return [reason or "" for reason in reasons] if any(reasons) else None


def expected_error(record):
    """(known, expected): an error of which the corpus has the message alone is not compared."""
    truth, status = record["truth"], record["response"]["status"]
    if isinstance(truth["error_type"], str):
        return True, truth["error_type"]
    code = truth["error_code"]
    if isinstance(code, (str, int, float)) and code != "":
        return True, code if isinstance(code, str) else f"{code:.0f}"
    if status >= 400:
        return True, str(status)
    return truth["error_message"] is None, None


def facts(record, span):
    """Name, expected and seen value of every fact that can be compared."""
    truth = record["truth"]
    for name, key in TEXTS.items():
        yield name, truth[name] or None, span.get(key)
    yield "api", record["api"], span.get("pprof.api")
    for name, value in expected_tokens(record).items():
        yield name, value, span.get(TOKENS[name])
    yield "finish_reasons", expected_finish(truth), span.get("gen_ai.response.finish_reasons")
    known, error = expected_error(record)
    if known:
        yield "error_type", error, span.get("error.type")
    if truth["framing"]:
        for name, key in (("n_stream_events", "pprof.stream.events"), ("n_content_events", "pprof.stream.content_chunks")):
            yield name, truth[name] or 0, span.get(key, 0)
        yield "n_stream_events known", True, span.get("pprof.response.stream")
    asked = truth["stream_requested"]
    if "request_not_recorded" not in record["flags"] and (asked or (asked is False and "gen_ai.request.stream" in span)):
        yield "stream_requested", asked, span.get("gen_ai.request.stream")
    for name in ("tool_calls", "server_tool_calls"):
        yield name, truth[name] or 0, span.get("pprof." + name, 0)


def compare(record, span):
    """(number of facts compared, list of what disagrees)"""
    compared, wrong = 0, []
    for name, expected, seen in facts(record, span):
        compared += 1
        if expected != seen and (record["id"], name) not in WRONG_TRUTHS:
            shown = [ABSENT if value is None else repr(value) for value in (expected, seen)]
            wrong.append(f"{record['id']}: {name}: expected {shown[0]}, got {shown[1]}")
    return compared, wrong
