#!/usr/bin/python3
"""What varies in a prompt that was learned, through the whole product: slots with their kinds and lengths, sizes, variants, versions, previews without values;
and that no name that stood in a slot, nor its hash, is in the store or in anything that is shown.

Usage: slots.py [TEST...]. Instructions are made here, with stated seeds; a real client under the shim sends them.
"""
import json
import random
import re
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
import harness  # noqa: E402
from harness import BIN, expect  # noqa: E402

FIRST = "Ann Bob Carla Dmitri Eva Farid Gina Hiro Ines Jonas Kaya Lars Mina Nils Olga Pedro Quinn Rosa Sven Tara Uma Viktor Wen Xenia Yusuf Zoe".split()
LAST = "Adler Baum Costa Dietz Ebert Fuchs Gomez Hahn Ivanov Jung Kimura Lang Meyer Novak Okafor Park Quist Roth Sato Thiel Ueda Vogel Weber Xu Young Zhang".split()
RULES = ("Answer in the language of the question and keep to what the handbook of the house says. Never promise a date that nobody has confirmed, and never name a "
         "price that is not in the list. Where two rules disagree the older one counts, unless the manager on duty has said otherwise in writing. ")


def body_of(instructions, user="Hello"):
    return json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "system", "content": instructions}, {"role": "user", "content": user}]}).encode()


def write_list(path, calls):
    """As replay_client reads it."""
    with open(path, "wb") as file:
        for number, instructions in enumerate(calls):
            body = body_of(instructions)
            file.write(b"%d\tPOST\t1\t%d\nhttp://127.0.0.1/v1/chat/completions\nContent-Type: application/json\n" % (number, len(body)) + body + b"\n")


class Seen:
    """What is shown of a store after these calls, and its bytes."""

    def __init__(self, calls, preview="200"):
        with harness.Scratch() as scratch, harness.ModelServer(scratch, "0") as server:
            write_list(scratch / "list", calls)
            with harness.Collector(scratch) as collector:
                environment = {**collector.environment(), "LIBPPROF_PREVIEW": preview}
                code, _, errors = harness.run([BIN / "replay_client", scratch / "list", server.url.rsplit(":", 1)[1]], shim=True, env=environment)
                expect(code == 0, f"the client ends with {code}: {errors.decode()[-500:]}")
                collector.wait_until_stored(len(calls), 120)
                collector.stop(seconds=120)
            store = scratch / "store.db"
            self.spans = sorted(harness.export(store), key=lambda span: span["start_time_unix_nano"])
            self.rows = json.loads(self.say("prompts", "--format", "json", store))["rows"]
            self.lines = self.say("prompts", store)
            self.report = self.say("report", store)
            self.details = {}
            for form in ("text", "md", "csv", "json"):
                self.details[form] = self.say("prompts", "--prompt", self.rows[0]["prompt"], "--format", form, store)
            self.bytes = b"".join(path.read_bytes() for path in Path(scratch).glob("store.db*"))
        expect(len(self.spans) == len(calls), f"{len(self.spans)} spans of {len(calls)} calls")

    @staticmethod
    def say(*arguments):
        return subprocess.run([BIN / "pprofctl", *map(str, arguments)], capture_output=True, text=True, check=True).stdout

    def shown(self):
        return "\n".join([json.dumps(self.spans), json.dumps(self.rows), self.lines, self.report, *self.details.values()])


def near(value, wanted, share):
    expect(abs(value - wanted) <= wanted * share + 8, f"{value} is not near {wanted}")


def test_slots():
    """A date, a name, a number and an id in one prompt: each is told with its kind and its length, and previews show none of them."""
    r = random.Random(3)
    calls = []
    for i in range(60):
        name = f"{r.choice(FIRST)} {r.choice(LAST)}"
        calls.append(f"You are the clerk of the front desk, and today is 2026-{1 + i % 12:02d}-{1 + i % 28:02d} in our house. The guest who asks is {name}, "
                     f"who has stayed here {10 + i} times before and whose file is called {r.getrandbits(32):08x}-{r.getrandbits(16):04x} in the cabinet. {RULES}")
    seen = Seen(calls)
    expect(len(seen.rows) == 1, f"{len(seen.rows)} rows: {seen.lines}")
    row = seen.rows[0]
    expect([slot["kind"] for slot in row["slots"]] == ["date", "name", "number", "id"], f"{row['slots']}")
    near(row["bytes_about"], sum(map(len, calls)) / len(calls), .01)
    near(row["constant_beginning_bytes_about"], calls[0].index("2026"), .05)
    near(row["constant_bytes_about"], row["bytes_about"] - 10 - 12 - 2 - 13, .03)
    expect(row["slots"][0]["least_bytes"] in range(9, 13) and row["slots"][3]["least_bytes"] in range(12, 20), f"{row['slots']}")
    expect(row["preview"].startswith("You are the clerk of the front desk, and today is … in our house. The guest who asks is …"), row["preview"])
    expect(all(span.get("pprof.prompt.preview", row["preview"]) == row["preview"] for span in seen.spans), "a call has another preview")
    expect(row["preview"][:20] in seen.report and row["preview"][:20] in seen.lines, f"{seen.report}{seen.lines}")
    for form in ("text", "md", "csv", "json"):
        for kind in ("date", "name", "number", "id"):
            expect(re.search(rf"\b{kind}\b", seen.details[form]), f"{kind} is not in {form}: {seen.details[form]}")
    expect(json.loads(seen.details["json"])[0]["slots"] == row["slots"], seen.details["json"])


def test_without_previews():
    """Nobody asked for previews: all but these is told."""
    calls = [f"You help {FIRST[i % 26]} {LAST[(i * 7) % 26]} of our house with what they ask. {RULES}" for i in range(40)]
    seen = Seen(calls, preview="0")
    expect(len(seen.rows) == 1 and "preview" not in seen.rows[0], f"{seen.rows}")
    expect([slot["kind"] for slot in seen.rows[0]["slots"]] == ["name"], f"{seen.rows[0]['slots']}")


def test_private():
    """Names that were common enough to be shown by themselves, planted in slots: none is in anything that is shown once the prompt is known, nor in the store
    after that. Names that no three texts share are never there at all."""
    r = random.Random(9)
    common, rare = ["Kunigunde", "Ottokar", "Adelheid"], [f"Zyx{chr(97 + i // 26)}{chr(97 + i % 26)}qua" for i in range(80)]
    calls = [f"You help {r.choice(common)} {rare[i]} of our house with what they ask. {RULES}" for i in range(80)]
    seen = Seen(calls)
    expect(len(seen.rows) == 1, seen.lines)
    for name in [*common, *rare]:
        expect(name not in seen.shown(), f"{name} is shown: {seen.rows} {seen.report}")
    for name in rare:
        expect(name.encode() not in seen.bytes, f"{name} is in the store")
    expect(seen.rows[0]["preview"].startswith("You help … of our house with what they ask."), seen.rows[0]["preview"])


def test_variants():
    """A language of three: each is a variant with its calls, and the preview shows none of them."""
    calls = [f"You translate for the front desk and answer in {('German', 'French', 'Dutch')[i % 3]} alone, whatever they ask. {RULES}" for i in range(45)]
    seen = Seen(calls)
    variants = json.loads(seen.details["json"])[0]["variants"]
    expect(len(seen.rows) == 1 and sorted(variant["calls"] for variant in variants) == [15, 15, 15], f"{variants} {seen.lines}")
    expect("German" not in seen.shown() and "French" not in seen.shown(), seen.shown()[:2000])
    expect("answer in …" in seen.rows[0]["preview"], seen.rows[0]["preview"])


harness.main({"slots": test_slots, "without-previews": test_without_previews, "private": test_private, "variants": test_variants})
