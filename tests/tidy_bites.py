#!/usr/bin/python3
"""Breaks each rule of scripts/tidy in a copy of the tree, all at once, then alone what was not named, and wants it named. Usage: tidy_bites.py"""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def append(path, text):
    return lambda tree: (tree / path).write_text((tree / path).read_text() + text)


def make(path, text):
    return lambda tree: (tree / path).write_text(text)


def replace(path, old, new):
    def change(tree):
        text = (tree / path).read_text()
        assert old in text, f"{path} has no {old!r}"
        (tree / path).write_text(text.replace(old, new, 1))
    return change


def crowd(tree):
    for i in range(50):
        (tree / f"span/crowd_{i}.c").write_text("/* One of many. */\n")


# name: what is done, what tidy must say
BREAKS = {
    "a file without a comment": (make("span/bare.c", "int x;\n"), r"span/bare\.c:1: begins without a comment"),
    "a long file": (make("span/long.c", "/* Long. */\n" + "int x;\n" * 600), r"span/long\.c: 601 lines"),
    "a long function": (make("span/far.c", "/* Far. */\nvoid far(void)\n{\n" + "    ;\n" * 70 + "}\n"), r"span/far\.c:\d+: function far has 72 lines"),
    "the format prints": (append("span/varint.h", 'static inline void say(void) { printf("x"); }\n'), r"span/varint\.h:\d+: printf\("),
    "the shim ends the host": (append("shim/taps.c", "void end(void) { exit(1); }\n"), r"shim/taps\.c:\d+: exit\("),
    "unbounded copies": (append("collector/base/places.c", "void copy(char *a, char *b) { strcpy(a, b); }\n"), r"collector/base/places\.c:\d+: strcpy\("),
    "the environment is read elsewhere": (append("shim/taps.c", 'char *said(void) { return getenv("X"); }\n'), r"shim/taps\.c: reads the environment"),
    "libcurl outside of its tap": (append("shim/scribe/flights.c", "void *make(void) { return curl_easy_init(); }\n"), r"shim/scribe/flights\.c:\d+: curl_easy_init"),
    "the shim includes the collector": (append("shim/taps.c", '#include "collector/store/store.h"\n'), r"shim/taps\.c:\d+: shim/ may not include collector/"),
    "a dialect includes the tape": (append("shim/llm/dialects/ollama.c", '#include "shim/tape/tape.h"\n'),
                                    r"ollama\.c:\d+: shim/llm/dialects/ may not include shim/tape/"),
    "the tape includes the scribe": (append("shim/tape/tape.h", '#include "shim/scribe/flights.h"\n'), r"shim/tape/ may not include shim/scribe/"),
    "the store includes what listens": (append("collector/store/store_loss.c", '#include "../listen/waiting.h"\n'),
                                        r"store_loss\.c:\d+: collector/store/ may not include collector/listen/"),
    "a query knows the terminal": (append("collector/query/group.c", '#include "../cli/terminal.h"\n'), r"group\.c:\d+: collector/query/ may not include collector/cli/"),
    "what all share includes a verb": (append("collector/cli/table.c", '#include "../commands/command.h"\n'),
                                       r"table\.c:\d+: collector/cli/ may not include collector/commands/"),
    "two modules include each other": (append("shim/llm/json/json_table.h", '#include "json_scan.h"\n'), r"json_scan <-> .*: modules include each other"),
    "rules packed": (append("shim/llm/dialects/ollama.c", 'static const struct json_rule more[] = {\n    RULE("a", 1, 0), RULE("b", 2, 0),\n};\n'),
                     r"ollama\.c:\d+: rules stand one a line"),
    "rules without their word": (append("shim/llm/dialects/ollama.c", 'static const struct json_rule more[] = {\n    {"a", 1, 0},\n};\n'),
                                 r"ollama\.c:\d+: rules are written as RULE"),
    "a room that no table names": (lambda tree: ((tree / "shim/attic").mkdir(), (tree / "shim/attic/old.c").write_text("/* Old. */\n")),
                                   r"shim/attic: is in no table of rooms"),
    "a folder that nobody can read": (crowd, r"span: \d+ sources, at most"),
    "a file that is not there": (append("shim/taps.c", "/* See nowhere_at_all.c. */\n"), r"shim/taps\.c:\d+: there is no nowhere_at_all\.c"),
    "a document that names what is gone": (append("README.md", "\nSee `shim/gone.c`.\n"), r"README\.md:\d+: there is no shim/gone\.c"),
    "a wide comment": (append("shim/taps.c", "/* " + "wide " * 21 + "*/\n"), r"shim/taps\.c:\d+: a comment of 110 columns"),
    "sizeof alone": (append("shim/taps.c", "static const unsigned long bytes = sizeof int_of_ours;\n"), r"shim/taps\.c:\d+: sizeof is written"),
    "an open matter": (append("shim/taps.c", "/* TO" + "DO: later */\n"), r"shim/taps\.c:\d+: open matter without a decision"),
    "a table that allows more": (replace("ARCHITECTURE.md", "| `shim/tape/` | the application's threads, and the scribe's |", "| `shim/ribbon/` | the application's threads, and the scribe's |"),
                                 r"shim/tape: is in no table of rooms"),
}


def copy_tree(to):
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in names:
        if name and not name.startswith(("tests/fixtures/", "tests/golden/")) and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=to, check=True)


def tidy(tree):
    done = subprocess.run([tree / "scripts/tidy"], capture_output=True, text=True)
    return done.returncode, done.stdout


def as_it_was(tree):
    subprocess.run(["git", "checkout", "-q", "."], cwd=tree, check=True)
    subprocess.run(["git", "clean", "-fdq"], cwd=tree, check=True)


def main():
    problems = 0
    with tempfile.TemporaryDirectory(prefix="pprof-tidy-") as scratch:
        tree = Path(scratch)
        copy_tree(tree)
        code, said = tidy(tree)
        if code:
            sys.exit(f"the copy as it is: {said}")
        for change, _ in BREAKS.values():
            change(tree)
        _, together = tidy(tree)
        for name, (change, wanted) in BREAKS.items():
            good = re.search(wanted, together)
            if not good:  # another of them may stand in its way
                as_it_was(tree)
                change(tree)
                code, said = tidy(tree)
                good = code != 0 and re.search(wanted, said)
                print("" if good else said, end="")
            print("ok  " if good else "FAIL", name)
            problems += not good
    sys.exit(problems > 0)


main()
