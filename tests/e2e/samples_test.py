"""The captured logs of both engines: exit 0 with every line accounted for, and the totals that were computed independently."""
import json
import unittest

import driver

SAMPLES = driver.shared("samples")
EXPECTED = json.loads((SAMPLES / "EXPECTED.json").read_text())


def close(test, got, want, where):
    test.assertIsNotNone(got, where)
    test.assertLessEqual(abs(got - want), 1e-9 * max(1, abs(want)), where)


class Samples(unittest.TestCase):
    def test_every_line_of_every_sample_has_one_outcome(self):
        for path in sorted(SAMPLES.glob("*")):
            if path.suffix == ".json":
                continue
            data = path.read_bytes()
            physical = data.count(b"\n") + (not data.endswith(b"\n"))
            for how in ("file", "pipe"):
                with self.subTest(path.name, how=how):
                    done = driver.run("run", "--once", path) if how == "file" else driver.run("run", "--once", "-", stdin=data)
                    self.assertEqual(done.returncode, 0, done.stderr[-2000:])
                    s = driver.summary(done.stderr)
                    self.assertTrue(driver.adds_up(s), s)
                    self.assertEqual((s["read"], s["lost"]), (physical, 0))

    def totals(self, pack, name):
        done = driver.run("run", "--once", "--print-metrics", "--pack", pack, SAMPLES / name)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        return driver.Exposition(done.stdout.decode()), driver.summary(done.stderr), EXPECTED[name]

    def test_aria_skill_execution(self):
        metrics, _, want = self.totals("aria", "aria_skill_execution.stdout.jsonl")
        for names in (("aria_skill_executions_total", "skill_name"), ("aria_skill_invocations_total", "skill")):
            got = {f"{dict(k)[names[1]]}|{dict(k)['status']}": v for k, v in metrics.of(names[0]).items() if v}
            self.assertEqual(got, want["executions"], names[0])
        for metric, label in (("aria_skill_execution_duration_seconds", "skill_name"), ("aria_skill_duration_seconds", "skill")):
            self.assertEqual({dict(k)[label] for k in metrics.of(metric + "_count")}, set(want["duration"]))
            for skill, h in want["duration"].items():
                self.assertEqual(metrics.get(metric + "_count", **{label: skill}), h["count"], (metric, skill))
                close(self, metrics.get(metric + "_sum", **{label: skill}), h["sum"], (metric, skill))
        for kind, n in want["error_type"].items():
            self.assertEqual(metrics.sum("aria_skill_errors_total", error_type=kind), n, kind)
        self.assertEqual(metrics.sum("aria_skill_errors_total"), sum(want["error_type"].values()))

    def test_skillmeat_structured(self):
        metrics, s, want = self.totals("skillmeat", "skillmeat_structured.stdout.log")
        got = {f"{d['method']}|{d['endpoint']}|{d['status']}": v
               for d, v in ((dict(k), v) for k, v in metrics.of("skillmeat_api_requests_total").items()) if v}
        self.assertEqual(got, want["requests"])
        name = "skillmeat_api_request_duration_seconds"
        got = {f"{dict(k)['method']}|{dict(k)['endpoint']}" for k in metrics.of(name + "_count")}
        self.assertEqual(got, set(want["request_duration"]))
        for key, h in want["request_duration"].items():
            method, endpoint = key.split("|")
            self.assertEqual(metrics.get(name + "_count", method=method, endpoint=endpoint), h["count"], key)
            close(self, metrics.get(name + "_sum", method=method, endpoint=endpoint), h["sum"], key)
        memory = sum(n for k, n in want["spans"].items() if k.startswith("memory."))
        self.assertEqual(metrics.sum("skillmeat_memory_operations_total"), memory)
        self.assertEqual(s["read"], want["non_json_lines"] + sum(want["records_by_level"].values()))

    def test_the_contract_is_declared(self):
        contract = json.loads(driver.shared("engines", "contract.json").read_text())
        for pack in ("aria", "skillmeat"):
            done = driver.run("run", "--once", "--print-metrics", "--pack", pack, "-", stdin=b"")
            self.assertEqual(done.returncode, 0, done.stderr[-2000:])
            metrics = driver.Exposition(done.stdout.decode())
            for family in contract[pack]:
                with self.subTest(family["name"]):
                    self.assertEqual(metrics.types.get(family["name"]), family["type"])
                    self.assertTrue(metrics.helps.get(family["name"]))
                    if family["help"] is not None:
                        self.assertEqual(metrics.helps[family["name"]], family["help"])


if __name__ == "__main__":
    driver.main()
