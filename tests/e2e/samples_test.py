"""The captured logs of both engines: exit 0 with every line accounted for, and the totals that were computed independently."""
import datetime
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

    def histograms(self, metrics, name, label, want):
        self.assertEqual({dict(k)[label] for k, v in metrics.of(name + "_count").items() if v}, set(want), name)
        for value, h in want.items():
            self.assertEqual(metrics.get(name + "_count", **{label: value}), h["count"], (name, value))
            close(self, metrics.get(name + "_sum", **{label: value}), h["sum"], (name, value))

    def by_label(self, metrics, name, label):
        """Sums by one label; unknown and zero values are left out."""
        sums = {}
        for labels, value in metrics.of(name).items():
            key = dict(labels)[label]
            sums[key] = sums.get(key, 0) + value
        return {key: value for key, value in sums.items() if value and key != "unknown"}

    def sums(self, metrics, name, label, want):
        got = self.by_label(metrics, name, label)
        self.assertEqual(set(got), {key for key, value in want.items() if value}, name)
        for key, value in got.items():
            close(self, value, want[key], (name, key))

    def test_aria_engine_process(self):
        metrics, s, want = self.totals("aria", "aria_engine_process.stderr.log")
        got = {f"{d['job_id']}|{d['status']}": v for d, v in ((dict(k), v) for k, v in metrics.of("aria_scheduler_executions_total").items())}
        self.assertEqual(got, want["scheduler_executions"])
        self.histograms(metrics, "aria_scheduler_execution_duration_seconds", "job_id", want["scheduler_duration_seconds"])
        for job, time in want["scheduler_last_success_line_time"].items():
            at = datetime.datetime.fromisoformat(time + "+00:00").timestamp()
            self.assertEqual(metrics.get("aria_scheduler_last_run_timestamp", job_id=job), at, job)
        self.sums(metrics, "aria_scheduler_job_tokens_total", "model", want["job_tokens_by_model"])
        self.sums(metrics, "aria_scheduler_job_cost_usd_total", "model", want["job_cost_by_model"])
        self.assertEqual(s["parsed"], want["records"])
        self.assertEqual(s["read"] - s["parsed"], s["joined"])

    def test_aria_api_roothandler(self):
        metrics, _, want = self.totals("aria", "aria_api_roothandler.stderr.log")
        self.assertEqual(metrics.sum("aria_sessions_created_total"), want["sessions_created"])
        self.assertEqual(metrics.get("aria_sessions_active"), want["sessions_created"] - want["sessions_ended"])
        turns = {dict(k)["model"]: v for k, v in metrics.of("aria_llm_requests_total").items() if dict(k)["status"] == "success" and v}
        self.assertEqual(turns, want["messages_by_model_joined_via_session"])
        self.sums(metrics, "aria_llm_tokens_input_total", "model", want["tokens_in"])
        self.sums(metrics, "aria_llm_tokens_output_total", "model", want["tokens_out"])
        self.sums(metrics, "aria_llm_token_cost_estimate_total", "model", want["cost"])
        self.histograms(metrics, "aria_llm_request_duration_seconds", "model", want["latency_seconds"])
        self.assertEqual(metrics.sum("aria_llm_requests_total", status="error"), sum(want["llm_errors"].values()))
        for kind, n in want["llm_errors"].items():
            self.assertEqual(metrics.sum("aria_errors_total", component="llm", error_type=kind), n, kind)
        got = {f"{dict(k)['method']}|{dict(k)['status']}": v for k, v in metrics.of("aria_requests_total").items() if v}
        self.assertEqual({k: v for k, v in got.items() if not k.endswith("|500")}, want["slow_requests"])

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
