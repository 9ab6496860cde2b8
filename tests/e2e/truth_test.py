"""Every metric that the packs fill from the captured JSON logs, against totals that tests/truth derives by another way."""
import json
import sys
import unittest
from decimal import Decimal

import driver

sys.path.insert(0, str(driver.SOURCE / "tests" / "truth"))
import derive  # noqa: E402

SAMPLES = driver.shared("samples")
CONTRACT = {m["name"]: m for family in json.loads((driver.SOURCE / "fixtures" / "contract.json").read_text()).values()
            if isinstance(family, list) for m in family if isinstance(m, dict)}

LOGS = [("aria", "aria_skill_execution.stdout.jsonl"),
        ("skillmeat", "skillmeat_structured.stdout.log"),
        ("skillmeat", "skillmeat_templates.structured.jsonl"),
        ("skillmeat", "skillmeat_templates.deployed.jsonl")]


def counted(page, prefixes):
    """{(family, labels): {suffix or '' or bound: value}} of the packs' families; series that are still zero are left out."""
    series = {}
    for (name, labels), text in page.samples.items():
        if not name.startswith(prefixes):
            continue
        labels, part = dict(labels), ""
        if page.types.get(name) is None:
            name, _, part = name.rpartition("_")
            if part == "bucket":
                part = labels.pop("le")
        series.setdefault((name, tuple(sorted(labels.items()))), {})[part] = text
    return {key: parts for key, parts in series.items() if any(Decimal(v) for v in parts.values())}


class Truth(unittest.TestCase):
    def check(self, pack, chosen, log):
        done = driver.run("run", "--once", "--print-metrics", "--pack", chosen, SAMPLES / log)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        got = counted(driver.Exposition(done.stdout.decode()), ("aria_", "skillmeat_"))
        want = derive.DERIVE[pack](SAMPLES / log)

        self.assertTrue(want.families())
        self.assertEqual(set(got), {k for k, v in want.values.items() if v} | set(want.observations))
        for key, value in want.values.items():
            self.assertEqual(Decimal(got[key][""]), value, key)
        for key, seen in want.observations.items():
            parts = got[key]
            self.assertEqual(int(parts["count"]), len(seen), key)
            self.assertEqual(float(parts["sum"]), float(sum(seen)), key)
            bounds = [b for b in parts if b not in ("sum", "count", "+Inf")]
            if key[0] in CONTRACT:
                self.assertEqual([Decimal(b) for b in bounds], [Decimal(str(b)) for b in CONTRACT[key[0]]["buckets"]], key)
            for bound in bounds:
                self.assertEqual(int(parts[bound]), sum(v <= Decimal(bound) for v in seen), (key, bound))
            self.assertEqual(int(parts["+Inf"]), len(seen), key)

    def test_the_pack_alone(self):
        for pack, log in LOGS:
            with self.subTest(log):
                self.check(pack, pack, log)

    def test_both_packs_together_do_not_count_for_each_other(self):
        for pack, log in LOGS:
            with self.subTest(log):
                self.check(pack, "auto", log)


if __name__ == "__main__":
    driver.main()
