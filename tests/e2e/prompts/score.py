"""How well ids recover the templates that calls were made from.

Of a call's template and the id that it got: `whole` is the share of a template's calls that stand under its most common id (where a template's few values
may each be an id, under ids that hold at least 2 % of its calls), `pure` the share of calls whose id belongs mostly to their template, F the harmonic mean.
"""
import collections


class Score:
    def __init__(self, calls, ids):
        """`calls`: {kind, truth, split_ok} each; `ids`: what each got, in the same order."""
        assert len(calls) == len(ids), (len(calls), len(ids))
        of_template, of_id = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
        self.template, self.calls = {}, len(calls)
        for call, id in zip(calls, ids):
            of_template[call["truth"]][id] += 1
            of_id[id][call["truth"]] += 1
            self.template[call["truth"]] = (call["kind"], call["split_ok"])
        self.owner = {id: counts.most_common(1)[0][0] for id, counts in of_id.items()}
        rows = collections.defaultdict(lambda: [0, 0, 0])
        for truth, counts in of_template.items():
            kind, split_ok = self.template[truth]
            own = [n for id, n in counts.items() if self.owner[id] == truth]
            total = sum(counts.values())
            whole = sum(n for n in own if n >= max(2, .02 * total)) if split_ok else max(own, default=0)
            rows[kind] = [a + b for a, b in zip(rows[kind], (total, whole, sum(own)))]
        self.kinds = {kind: (whole / total, pure / total) for kind, (total, whole, pure) in rows.items()}
        self.whole = sum(row[1] for row in rows.values()) / self.calls
        self.pure = sum(row[2] for row in rows.values()) / self.calls
        self.f = 2 * self.whole * self.pure / (self.whole + self.pure) if self.whole + self.pure else 0

    def __str__(self):
        worst = sorted(self.kinds.items(), key=lambda row: row[1][0])[:3]
        return (f"F {self.f:.4f} (whole {self.whole:.4f}, pure {self.pure:.4f}), {len(self.owner)} ids for {len(self.template)} templates; least whole: " +
                ", ".join(f"{kind} {whole:.1%}" for kind, (whole, _) in worst))
