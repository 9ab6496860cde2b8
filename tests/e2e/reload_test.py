"""Reload as an operator meets it: POST, SIGHUP, files that change; what stays, what is refused and how that reads."""
import http.client
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import unittest

import driver

RULES = """metrics:
  jobs_total: {type: counter, help: Jobs, labels: [job]}
rules:
  jobs:
    match: {event: job}
    do: [{inc: jobs_total}]
"""
OTHER = """metrics:
  others_total: {type: counter, help: Others}
rules:
  others:
    match: {event: other}
    do: [{inc: others_total}]
"""
BROKEN = "metrics:\n  bad_total: {typ: counter, help: x}\n"


class Reload(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.dir = pathlib.Path(self.scratch.name)
        (self.dir / "rules.d").mkdir()
        (self.dir / "rules.d/jobs.yaml").write_text(RULES)
        (self.dir / "log").write_text('{"event":"job","job":"a"}\n{"event":"other"}\n')
        (self.dir / "logtally.yaml").write_text("packs: none\ntargets: [{name: t, path: log, from: beginning}]\n")
        self.server = driver.Server("-c", self.dir / "logtally.yaml", "--rules", self.dir / "rules.d").__enter__()
        driver.until(lambda: self.server.scrape().get("jobs_total", job="a") == 1, "the log is counted")

    def tearDown(self):
        self.server.__exit__()
        self.scratch.cleanup()

    def post(self, **headers):
        return self.server.request("POST", "/-/reload", {k.replace("_", "-"): v for k, v in headers.items()})

    def successful(self):
        return self.server.scrape().get("logtally_config_last_reload_successful")

    def test_costly_regexes_are_warned_of(self):
        (self.dir / "rules.d/slow.yaml").write_text("rules:\n  slow: {regex: '[ab]*a[ab]{200}c', do: [{inc: jobs_total, labels: {job: s}}]}\n")
        answer = self.post()
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.content.startswith(b"reloaded"), answer.content)
        self.assertIn(b"warning[W217]", answer.content)
        self.assertIn(b"slow.yaml:2:", answer.content)
        driver.until(lambda: b"warning[W217]" in self.server.stderr(), "the log says so too")

    def test_post(self):
        before = self.server.scrape().get("logtally_config_last_reload_success_timestamp_seconds")
        (self.dir / "rules.d/other.yaml").write_text(OTHER)
        answer = self.post()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.content.count(b"\n"), 1)
        self.assertIn(b"others", answer.content)
        page = self.server.scrape()
        self.assertEqual(page.get("jobs_total", job="a"), 1)
        self.assertIn("others_total", page.types)
        self.assertGreaterEqual(page.get("logtally_config_last_reload_success_timestamp_seconds"), before)
        with open(self.dir / "log", "a") as log:
            log.write('{"event":"job","job":"a"}\n{"event":"other"}\n')
        driver.until(lambda: self.server.scrape().get("others_total") == 1, "the new rule counts")
        self.assertEqual(self.server.scrape().get("jobs_total", job="a"), 2)

    def test_a_broken_file_is_answered_as_check_says_it_and_changes_nothing(self):
        (self.dir / "rules.d/bad.yaml").write_text(BROKEN)
        answer = self.post()
        self.assertEqual(answer.status, 422)
        check = subprocess.run([driver.BINARY, "check", "-c", str(self.dir / "logtally.yaml"), "--rules", str(self.dir / "rules.d")], capture_output=True, env=driver.environment())
        self.assertEqual(answer.content.decode(), check.stdout.decode())
        self.assertIn(b"rules.d/bad.yaml:2:", answer.content)
        self.assertEqual(self.successful(), 0)
        self.assertEqual(self.post().content, answer.content)
        with open(self.dir / "log", "a") as log:
            log.write('{"event":"job","job":"a"}\n')
        driver.until(lambda: self.server.scrape().get("jobs_total", job="a") == 2, "the old rules are at work")
        self.assertEqual(self.server.stderr().count(b"reload failed, the rules of before stay at work:"), 1)
        (self.dir / "rules.d/bad.yaml").unlink()
        self.assertEqual(self.post().status, 200)
        self.assertEqual(self.successful(), 1)

    def test_failing_tests_of_a_file_refuse_it(self):
        (self.dir / "rules.d/jobs.yaml").write_text(RULES + "tests:\n  - name: wrong\n    lines: '{\"event\":\"job\",\"job\":\"a\"}'\n"
                                                    "    expect: |\n      jobs_total{job=\"a\"} 7\n")
        answer = self.post()
        self.assertEqual(answer.status, 422, answer.content)
        self.assertIn(b"wrong", answer.content)

    def test_who_may_ask(self):
        self.assertEqual(self.post(Origin="http://evil.example").status, 403)
        self.assertEqual(self.post(Origin=f"http://127.0.0.1:{self.server.port}").status, 200)
        self.assertEqual(self.server.get("/-/reload").status, 405)
        self.assertEqual(self.server.get("/-/reload").getheader("Allow"), "POST")
        self.assertEqual(self.server.request("PUT", "/-/reload").status, 405)

    def test_many_at_once(self):
        statuses = []
        def ask():
            statuses.append(self.post().status)
        threads = [threading.Thread(target=ask) for _ in range(30)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(statuses, [200] * 30)
        self.assertEqual(self.server.scrape().get("jobs_total", job="a"), 1)

    def test_hangup(self):
        (self.dir / "rules.d/other.yaml").write_text(OTHER)
        self.server.process.send_signal(signal.SIGHUP)
        driver.until(lambda: "others_total" in self.server.scrape().types, "SIGHUP loads")
        self.assertEqual(self.server.stop(), 0)

    def test_files_that_change(self):
        def there():
            return "others_total" in self.server.scrape().types
        (self.dir / "rules.d/other.yaml").write_text(OTHER)
        driver.until(there, "a new file")
        (self.dir / "rules.d/other.yaml").rename(self.dir / "rules.d/renamed.yaml")
        (self.dir / "rules.d/renamed.yaml").unlink()
        driver.until(lambda: not there(), "a removed file")
        (self.dir / "tmp").write_text(RULES + "# edited\n" + OTHER.replace("metrics:\n", "").replace("rules:\n", ""))
        new = RULES.replace("rules:\n", "  others_total: {type: counter, help: Others}\nrules:\n")
        (self.dir / "tmp").write_text(new)
        os.rename(self.dir / "tmp", self.dir / "rules.d/jobs.yaml")
        driver.until(there, "a file renamed over another")
        self.assertEqual(self.server.scrape().get("jobs_total", job="a"), 1)

    def test_a_config_map(self):
        mapped = self.dir / "mapped"
        for version, text in (("..v1", RULES), ("..v2", RULES + "# two\n" ), ("..v3", OTHER)):
            (mapped / version).mkdir(parents=True)
            (mapped / version / "rules.yaml").write_text(text)
        os.symlink("..v1", mapped / "..data")
        os.symlink("..data/rules.yaml", mapped / "rules.yaml")
        with driver.Server("--pack", "none", "--rules", mapped, "--from-beginning", self.dir / "log") as s:
            driver.until(lambda: s.scrape().get("jobs_total", job="a") == 1, "counted")
            for version in ("..v2", "..v3"):
                os.symlink(version, mapped / "..data_tmp")
                os.rename(mapped / "..data_tmp", mapped / "..data")
            driver.until(lambda: "others_total" in s.scrape().types, "the swap is seen")
            self.assertNotIn("jobs_total", s.scrape().types)

    def test_what_a_reload_cannot_change_is_said(self):
        text = (self.dir / "logtally.yaml").read_text()
        (self.dir / "logtally.yaml").write_text(text + "listen: 127.0.0.1:1\nlimits: {series: 7}\n")
        answer = self.post()
        self.assertEqual(answer.status, 200)
        self.assertIn(b"not until a restart: limits", answer.content)


driver.main()
