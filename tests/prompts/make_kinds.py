#!/usr/bin/python3
"""Requests whose instructions vary in ways that the shared workload does not hold, and the template that each came from.
Usage: make_kinds.py SEED CALLS > FILE

One JSON line a call: {kind, truth, split_ok, instructions, user, tools?, prompt?}, as prompts/make_workload.py of the shared files writes them, so that its
score.py reads both. `truth` is the template and its version, `prompt` the template where it was edited; `split_ok` where a template has few values of a slot,
each of which may be a variant of its own. What was edited follows in the order of the lines: they are the order of the calls.
Texts are made of a vocabulary of our own, with the same seed always the same.
"""
import json
import random
import sys

LATIN = "ba be bi bo bu ca ce co da de di do fa fe fi ga ge go ha he hi ka ke ko la le li lo ma me mi mo na ne ni no pa pe po ra re ri ro sa se si so ta te ti to va ve vi".split()
COMMON = "the a of to and in is that for you with as your on be it not are or if this from at by an when only do any which each must".split()
RTL = "אבגדהוזחטיכלמנסעפצקרשת"
CJK = [chr(c) for c in range(0x4E00, 0x4E00 + 900)]
FIRST = "Ann Bob Carla Dmitri Eva Farid Gina Hiro Ines Jonas Kaya Lars Mina Nils Olga Pedro Quinn Rosa Sven Tara Uma Viktor Wen Xenia Yusuf Zoe".split()
LAST = "Adler Baum Costa Dietz Ebert Fuchs Gomez Hahn Ivanov Jung Kim Lang Meyer Novak Okafor Park Quist Roth Sato Thiel Ueda Vogel Weber Xu Young Zhang".split()


class Texts:
    """Sentences of one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        pick = self.random.choice
        self.vocabulary = ["".join(pick(LATIN) for _ in range(self.random.randint(2, 4))) for _ in range(3000)]

    def word(self):
        r = self.random
        return r.choice(COMMON) if r.random() < .4 else self.vocabulary[int(len(self.vocabulary) * r.random() ** 2)]

    def sentence(self, least=6, most=18):
        words = [self.word() for _ in range(self.random.randint(least, most))]
        return " ".join(words).capitalize() + "."

    def text(self, words):
        out, have = [], 0
        while have < words:
            out.append(self.sentence())
            have += len(out[-1].split())
        return " ".join(out)

    def script(self, letters, sentences, between, end):
        r = self.random
        def one():
            return between.join("".join(r.choice(letters) for _ in range(r.randint(2, 7))) for _ in range(r.randint(3, 8))) + end
        return "".join(one() for _ in range(sentences))

    def name(self):
        return self.random.choice(FIRST) + " " + self.random.choice(LAST)

    def id(self):
        return "%08x-%04x-4%03x" % (self.random.getrandbits(32), self.random.getrandbits(16), self.random.getrandbits(12))


def another_word(t, text, at=None):
    """The text with another word at a place of its first three quarters, but not among the first three words."""
    words = text.split(" ")
    at = at or t.random.randrange(3, max(4, len(words) * 3 // 4))
    new = t.vocabulary[t.random.randrange(1500, 3000)]
    return " ".join(words[:at] + [new + ("." if words[at].endswith(".") else "")] + words[at + 1:])


def edits(t, rows):
    """Templates that were edited while they were called, a little, and what must not be taken for an edit. `since` and `until` say when each version is
    called, from 0 to 1."""
    r = t.random

    def add(kind, makes, since=(0,), until=(1,), split_ok=False):
        prompt = len(rows)
        weight = 1 if "trial" in kind else .5
        for make, a, b in zip(makes, since, until):
            rows.append((kind, split_ok, make, lambda now, a=a, b=b: weight if a <= now < b else 0, prompt))

    def cut():
        at = r.uniform(.35, .65)
        return {"since": (0, at), "until": (at, 1)}

    def trial():
        at = r.uniform(.3, .5)
        return {"since": (0, at), "until": (1, 1)}

    def both(old, new, dress=lambda text: text):
        return [lambda: dress(old), lambda: dress(new)]

    def named(text):
        return "You help %s. %s" % (t.name(), text)

    def ends_named(text):
        return "%s\nThe user is called %s." % (text, t.name())

    for _ in range(2):
        p = t.text(80)
        add("word", both(p, another_word(t, p)), **cut())
        p = t.text(80)
        add("word-name", both(p, another_word(t, p), named), **cut())
        p = t.text(300)
        add("word-late", both(p, another_word(t, p, 140), ends_named), **cut())
        p = t.text(80)
        add("word-trial", both(p, another_word(t, p)), **trial())
        p = t.text(80)
        add("word-trial-name", both(p, another_word(t, p), named), **trial())
        p = t.sentence(13, 16)
        add("line-word", both(p, another_word(t, p)), **cut())
        p = t.sentence(14, 18)
        add("line-word-name", both(p, another_word(t, p), ends_named), **cut())
        p = t.sentence(12, 16)
        add("line-more", both(p, p + " " + t.sentence(5, 7)), **cut())
        p = [t.sentence(9, 12), t.sentence(9, 12)]
        add("lines-more-name", both("\n".join(p), "\n".join([p[0], t.sentence(5, 7), p[1]]), named), **cut())
        p = [t.sentence(9, 12), t.sentence(9, 12)]
        add("lines-word", both("\n".join(p), "\n".join([another_word(t, p[0]), p[1]])), **cut())
        p, month = t.text(70), ["Januar", "Februar", "Marsch", "Aprilis", "Mayo", "Junio"]
        add("month", [lambda p=p: named("It is %s. %s" % (month[int(6 * t.now)], p))])
        p, sprint = t.text(70), [t.word() + "ex" for _ in range(9)]
        add("sprint", [lambda p=p, s=sprint: "%s\nOur sprint is called %s." % (p, s[int(9 * t.now)])], split_ok=True)
        p = t.text(70)
        add("tier", [lambda p=p: named("This is a %s customer. %s" % (r.choice(["free", "paying"]), p))], split_ok=True)


def brief(t, add):
    """One sentence of few constant words, with slots at the front, in the middle, at the end; and sentences that begin alike, each a prompt of its own."""
    def spread(words, names):
        """Names between equal parts of the words."""
        parts = len(names) - 1
        cuts = [len(words) * i // parts for i in range(parts + 1)]
        out = []
        for i, name in enumerate(names):
            out += [t.name()] * name + (words[cuts[i]:cuts[i + 1]] if i < parts else [])
        return " ".join(out) + "."

    for length in 10, 14, 18:
        for place, names in {"front": [1, 0], "middle": [0, 1, 0], "end": [0, 1], "two": [0, 1, 1, 0], "ends": [1, 0, 1]}.items():
            add("brief-" + place, lambda w=t.sentence(length, length)[:-1].split(" "), n=names: spread(w, n))
    for begin in "You are a helpful assistant.", "You are a helpful assistant for the %s team." % t.word(), t.sentence(12, 14):
        for _ in range(4):
            add("brief-family", lambda p=begin + " " + t.sentence(3, 7): p)


def templates(t):
    """(kind, split_ok, function -> (instructions, more fields), how often it is called at a time, prompt) of every template; a version of a template is a
    row of its own."""
    r, rows = t.random, []

    def add(kind, make, split_ok=False):
        weight = 1 / (len(rows) % 7 + 2)
        rows.append((kind, split_ok, make, lambda now: weight, None))

    documents = [t.text(r.randint(30, 140)) for _ in range(1500)]

    def found(most=3):
        return "\n\n".join(r.choice(documents) for _ in range(r.randint(1, most)))

    for _ in range(6):
        add("front", lambda p=t.text(90): found() + "\n---\n" + p)
    for _ in range(6):
        add("front-long", lambda p=t.text(300): found(4) + "\n\n" + p)
    for _ in range(6):
        add("cjk", lambda p=t.script(CJK, 12, "", "。"): "用户" + r.choice(CJK) + r.choice(CJK) + "。" + p + "\n" + t.script(CJK, 3, "", "。"))
    for _ in range(6):
        add("rtl", lambda p=t.script(RTL, 14, " ", ". "): p + "\n" + t.name() + "\n" + t.script(RTL, 3, " ", ". "))
    for _ in range(6):
        add("markdown", lambda h=[t.sentence(2, 4)[:-1] for _ in range(4)], b=[t.text(35) for _ in range(4)]:
            "\n\n".join("## %s\n\n- %s" % (h[i], b[i].replace(". ", ".\n- ")) for i in range(4)) + "\n\n## Data\n\n| a | b |\n|---|---|\n" +
            "\n".join("| %s | %d |" % (t.word(), r.randint(1, 99)) for _ in range(r.randint(1, 20))))
    for _ in range(6):
        add("xml", lambda a=t.text(60), b=t.text(30), n=t.word():
            "<%s_rules>\n%s\n</%s_rules>\n<user>%s</user>\n<documents>\n%s\n</documents>\n<task>\n%s\n</task>" % (n, a, n, t.name(), found(), b))
    for _ in range(6):
        add("agent", lambda a=t.text(120), b=t.text(40):
            a + "\n\n<env>\nWorking directory: /home/%s/%s\nIs directory a git repo: %s\nPlatform: %s\nOS Version: Linux %d.%d\nToday's date: 2026-%02d-%02d\n</env>\n\n" %
            (t.word(), t.word(), r.choice(["Yes", "No"]), r.choice(["linux", "darwin"]), r.randint(4, 6), r.randint(0, 19), r.randint(1, 12), r.randint(1, 28)) +
            b + "\n\ngitStatus: " + "\n".join("M src/%s.c" % t.word() for _ in range(r.randint(0, 12))))
    for _ in range(6):
        add("few-shot", lambda p=t.text(45), e=["Q: %s\nA: %s" % (t.sentence(), t.sentence(3, 8)) for _ in range(14)]:
            p + "\n\n" + "\n\n".join(r.sample(e, 3)) + "\n\nNow answer as in the examples.")
    for _ in range(6):
        add("short", lambda a=t.text(12), w=t.word(): "%s You speak to %s. Be %s." % (a, t.name(), w))
    long_ones = [t.text(20000) for _ in range(2)]
    for p in long_ones:
        add("long", lambda p=p: p + "\nThe user is called " + t.name() + ".")
    for _ in range(6):
        add("tenant", lambda p=t.text(80): "You work for %s, which sells %s and %s.\nTheir rule: %s\n\n%s" % (t.tenant[0], t.tenant[1], t.tenant[2], t.tenant[3], p))
    for _ in range(6):
        add("json", lambda a=t.text(50), k=[t.word() for _ in range(6)]:
            json.dumps({"rules": a, k[0]: {k[1]: t.name(), k[2]: r.randint(1, 900)}, k[3]: [t.word() for _ in range(r.randint(1, 9))], k[4]: k[5]}))
    for _ in range(6):
        add("three-slots", lambda a=t.text(25), b=t.text(25), c=t.text(25), d=t.text(20):
            "%s %s %s %s %s %s %s" % (a, t.name(), b, t.sentence(), c, t.id(), d))
    for _ in range(6):
        add("tools", lambda p=t.text(60), n=[t.word() + "_" + t.word() for _ in range(9)]: (p + " Today is 2026-%02d-%02d." % (r.randint(1, 12), r.randint(1, 28)),
            {"tools": [{"type": "function", "function": {"name": x, "description": x, "parameters": {"type": "object"}}} for x in r.sample(n, r.randint(3, 9))]}))
    for _ in range(6):
        add("enum-many", lambda p=t.text(60): "Always answer for the city of %s. %s" % (t.vocabulary[r.randint(0, 60)], p))
    for _ in range(6):
        p = t.text(70).split(". ")
        cut = r.randrange(1, len(p))
        new = p[:cut] + [t.sentence(5, 9)[:-1]] + p[cut:]
        add("edited-name", lambda p=". ".join(p): "You help %s. %s" % (t.name(), p))
        add("edited-name", lambda p=". ".join(new): "You help %s. %s" % (t.name(), p))
    for _ in range(4):
        head, middle, tail = t.text(110), [t.sentence() for _ in range(30)], t.text(40)
        other = middle[:15] + [t.sentence()] + middle[16:]
        add("edited-late", lambda m=middle, a=head, b=tail: a + "\n" + "\n".join(m) + "\n" + b + "\nUser: " + t.name())
        add("edited-late", lambda m=other, a=head, b=tail: a + "\n" + "\n".join(m) + "\n" + b + "\nUser: " + t.name())
    edits(t, rows)
    brief(t, add)
    return rows


def main():
    seed, calls = int(sys.argv[1]), int(sys.argv[2])
    t = Texts(seed)
    tenants = [(t.word().capitalize(), t.word(), t.word(), t.sentence()) for _ in range(120)]
    rows = templates(t)
    for number in range(calls):
        t.now = number / calls
        truth = t.random.choices(range(len(rows)), [row[3](t.now) for row in rows])[0]
        kind, split_ok, make, _, prompt = rows[truth]
        t.tenant = t.random.choice(tenants)
        made = make()
        text, more = made if isinstance(made, tuple) else (made, {})
        if prompt is not None:
            more["prompt"] = prompt
        print(json.dumps({"kind": kind, "truth": truth, "split_ok": split_ok, "instructions": text, "user": t.sentence(), **more}))


if __name__ == "__main__":
    main()
