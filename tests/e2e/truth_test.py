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

LOGS = sorted(p for p in SAMPLES.glob("*") if p.suffix != ".json")


def engine_of(log):
    return "skillmeat" if log.name.startswith("skillmeat") else "aria"


def merged(*all_totals):
    """Of both engines at once; they share no family."""
    whole = derive.Totals()
    for totals in all_totals:
        whole.values.update(totals.values)
        whole.observations.update(totals.observations)
    return whole


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
    def check(self, chosen, log, want):
        done = driver.run("run", "--once", "--print-metrics", "--pack", chosen, log)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        got = counted(driver.Exposition(done.stdout.decode()), ("aria_", "skillmeat_"))

        self.assertEqual(set(got), {k for k, v in want.values.items() if v} | set(want.observations))
        for key, value in want.values.items():
            if value:
                if value == value.to_integral_value():
                    self.assertEqual(Decimal(got[key][""]), value, key)
                else:  # the program keeps fewer digits of 6.826400000000001e-05
                    self.assertAlmostEqual(Decimal(got[key][""]), value, delta=Decimal("1e-9"), msg=key)
        for key, seen in want.observations.items():
            parts = got[key]
            self.assertEqual(int(parts["count"]), len(seen), key)
            self.assertAlmostEqual(Decimal(parts["sum"]), sum(seen), delta=Decimal("1e-9"), msg=key)
            bounds = [b for b in parts if b not in ("sum", "count", "+Inf")]
            if key[0] in CONTRACT:
                self.assertEqual([Decimal(b) for b in bounds], [Decimal(str(b)) for b in CONTRACT[key[0]]["buckets"]], key)
            for bound in bounds:
                self.assertEqual(int(parts[bound]), sum(v <= Decimal(bound) for v in seen), (key, bound))
            self.assertEqual(int(parts["+Inf"]), len(seen), key)

    def test_the_pack_alone(self):
        for log in LOGS:
            with self.subTest(log.name):
                self.check(engine_of(log), log, derive.DERIVE[engine_of(log)](log))

    def test_both_packs_together_do_not_count_for_each_other(self):
        for log in LOGS:
            with self.subTest(log.name):
                wanted = [engine_of(log)] if log.name != "edge_cases.log" else ["aria", "skillmeat"]
                self.check("auto", log, merged(*(derive.DERIVE[engine](log) for engine in wanted)))

    def test_the_lines_of_the_fixtures(self):
        for log in sorted((driver.SOURCE / "fixtures" / "packs").glob("*/input.log")):
            with self.subTest(log.parent.name):
                self.check("auto", log, derive.DERIVE[log.parent.name.split("_")[0]](log))

    def test_most_logs_count_something(self):
        empty = [log.name for log in LOGS if not derive.DERIVE[engine_of(log)](log).families()]
        self.assertEqual(empty, ["aria_run_skill_cli.stdout.jsonl", "skillmeat_deployed.stderr.log", "skillmeat_structured.uvicorn.stderr.log"])


if __name__ == "__main__":
    driver.main()
