"""/metrics and its neighbours by curl, promtool's opinion of the page, and a clean end by signal."""
import gzip
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

import driver

DEMO = driver.SOURCE / "fixtures" / "demo" / "engine.jsonl"


def curl(server, path, *flags):
    return subprocess.run(["curl", "-sS", "-i", "--max-time", "60", *flags, f"http://127.0.0.1:{server.port}{path}"],
                          capture_output=True, check=True).stdout


def status(answer):
    return int(answer.split(b" ", 2)[1])


class Serve(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = driver.Server("--from-beginning", DEMO).__enter__()
        lines = DEMO.read_bytes().count(b"\n")
        driver.until(lambda: cls.server.scrape().sum("logtally_lines_read_total") == lines, "the demo log is read")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def test_routes(self):
        for path in ("/metrics", "/-/healthy", "/-/ready", "/health", "/metrics?x=1"):
            with self.subTest(path):
                self.assertEqual(status(curl(self.server, path)), 200)
        for path in ("/metric", "/metrics/", "/..%2fmetrics", "/%00"):
            with self.subTest(path):
                self.assertEqual(status(curl(self.server, path)), 404)
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            with self.subTest(method):
                answer = self.server.request(method, "/metrics")
                self.assertEqual(answer.status, 405)
                self.assertIn("GET", answer.getheader("Allow", ""))

    def test_head_is_get_without_the_body(self):
        head, get = self.server.request("HEAD", "/metrics"), self.server.get("/metrics")
        self.assertEqual((head.status, head.content), (200, b""))
        self.assertEqual(head.getheader("Content-Type"), get.getheader("Content-Type"))
        self.assertIn("text/plain; version=0.0.4", get.getheader("Content-Type"))
        self.assertEqual(status(curl(self.server, "/metrics", "-I")), 200)

    def test_gzip_only_for_those_who_take_it(self):
        packed = self.server.get("/metrics", {"Accept-Encoding": "gzip"})
        self.assertEqual(packed.getheader("Content-Encoding"), "gzip")
        plain = self.server.get("/metrics")
        self.assertIsNone(plain.getheader("Content-Encoding"))
        unpacked = driver.Exposition(gzip.decompress(packed.content).decode())
        self.assertEqual(set(unpacked.samples), set(driver.Exposition(plain.content.decode()).samples))
        refused = self.server.get("/metrics", {"Accept-Encoding": "gzip;q=0, identity"})
        self.assertIsNone(refused.getheader("Content-Encoding"))
        self.assertIn(b"# TYPE aria_requests_total counter", curl(self.server, "/metrics", "--compressed"))

    def test_the_demo_log_is_on_the_page(self):
        metrics = self.server.scrape()
        self.assertGreater(metrics.sum("aria_skill_executions_total", status="success"), 0)
        self.assertGreater(metrics.sum("aria_skill_executions_total", status="error"), 0)
        self.assertGreater(metrics.sum("skillmeat_api_requests_total"), 0)
        self.assertEqual(metrics.sum("logtally_lines_total", outcome="failed"), 0)

    def test_own_metrics_are_there_from_the_first_scrape(self):
        with tempfile.TemporaryDirectory() as d:
            empty = pathlib.Path(d, "engine.log")
            empty.touch()
            with driver.Server("--pack", "none", empty) as s:
                metrics = s.scrape()
        for outcome in ("parsed", "joined", "bare", "failed"):
            self.assertEqual(metrics.sum("logtally_lines_total", outcome=outcome), 0)
            self.assertTrue([k for k in metrics.of("logtally_lines_total") if ("outcome", outcome) in k])
        for reason in ("json", "too_long", "nul"):
            self.assertTrue([k for k in metrics.of("logtally_lines_failed_total") if ("reason", reason) in k])
        self.assertEqual(list(metrics.of("logtally_build_info").values()), [1])
        self.assertTrue(metrics.of("process_resident_memory_bytes"))

    def test_promtool_only_knows_the_gauges_that_the_contract_names(self):
        tool = shutil.which("promtool")
        if not tool:
            self.skipTest("promtool is not installed")
        page = self.server.get("/metrics").content
        done = subprocess.run([tool, "check", "metrics"], input=page, capture_output=True)
        known = driver.SHARED / "engines" / "contract.json"
        allowed = json.loads(known.read_text())["gauges_ending_in_total"] if known.exists() else [
            name for name, kind in driver.Exposition(page.decode()).types.items() if kind == "gauge" and name.endswith("_total")]
        complaints = [c for c in (done.stdout + done.stderr).decode().splitlines() if c.strip()]
        unexpected = [c for c in complaints if not any(c.startswith(name + " ") and "_total" in c for name in allowed)]
        self.assertEqual(unexpected, [])


class End(unittest.TestCase):
    def test_a_signal_is_a_clean_end(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(how), driver.Server("--from-beginning", DEMO) as s:
                lines = DEMO.read_bytes().count(b"\n")
                driver.until(lambda: s.scrape().sum("logtally_lines_read_total") == lines, "the log is read")
                self.assertEqual(s.stop(how), 0, s.stderr()[-2000:])
                found = driver.summary(s.stderr())
                self.assertTrue(driver.adds_up(found), found)
                self.assertEqual((found["read"], found["lost"]), (lines, 0))
                self.assertEqual(s.stdout(), b"")

    def test_the_end_of_stdin_ends_it(self):
        with driver.Server("--stdin", stdin=subprocess.PIPE) as s:
            s.process.stdin.write(DEMO.read_bytes())
            s.process.stdin.flush()
            driver.until(lambda: s.scrape().sum("aria_skill_executions_total") > 0, "stdin is counted while it is open")
            s.process.stdin.close()
            self.assertEqual(s.process.wait(driver.DEADLINE), 0)
            self.assertEqual(driver.summary(s.stderr())["read"], DEMO.read_bytes().count(b"\n"))

    def test_a_scrape_is_a_consistent_cut(self):
        rules = driver.SOURCE / "tests" / "bench" / "rules.yaml"
        line = b'{"extra":{"event":"db_query","operation":"select","duration_ms":1.5}}\n'
        with driver.Server("--stdin", "--pack", "none", "--rules", rules, stdin=subprocess.PIPE) as s:
            total = 0
            for _ in range(50):
                s.process.stdin.write(line * 500)
                s.process.stdin.flush()
                total += 500
                m = s.scrape()
                self.assertEqual(m.sum("db_queries_total"), m.sum("db_duration_ms_count"))
            driver.until(lambda: s.scrape().sum("db_queries_total") == total, "all are counted")
            s.process.stdin.close()
            self.assertEqual(s.process.wait(driver.DEADLINE), 0)


if __name__ == "__main__":
    driver.main()
