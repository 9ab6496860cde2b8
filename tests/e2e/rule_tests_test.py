"""`logtally test`: as an operator runs it over his files, and as CI reads it."""
import pathlib
import re
import tempfile
import unittest
import xml.etree.ElementTree

import driver

RULES = """version: 1
metrics:
  calls_total: {type: counter, help: Calls., labels: [status]}
  call_seconds: {type: histogram, help: Their duration., buckets: [1, 10]}
rules:
  call:
    match: {event: call}
    do:
      - inc: calls_total
      - {observe: call_seconds, value: $ms, unit: ms}
  never:
    match: {event: never}
    do: [{inc: calls_total, labels: {status: never}}]
tests:
  - name: in the rule file itself
    lines: '{"event":"call","status":"ok","ms":1500}'
    expect: |
      calls_total{status="ok"} 1
      call_seconds_sum 1.5
"""
WRONG = """# what operators wrote stays
version: 1
tests:
  - name: a failed call # is an error
    lines:
      - '{"event":"call","status":"failed","ms":20}'
      - '{"event":"call","status":"failed","ms":20}'
    expect: |
      # by status
      calls_total{status="error"} 1   # one
      call_seconds_count 1
  - name: nothing
    lines: plain text
    expect:
"""


class RuleTests(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.rules = self.file("calls.yaml", RULES)

    def file(self, name, text):
        path = pathlib.Path(self.dir.name, name)
        path.write_text(text)
        return path

    def run_tests(self, *args, cwd=None):
        done = driver.run("test", *args, cwd=cwd or self.dir.name)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_a_file_that_passes(self):
        code, out, err = self.run_tests("calls.yaml")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, "ok    calls.yaml:15: in the rule file itself\n1 passed, 0 failed\n")

    def test_a_difference_names_the_rule_and_the_line(self):
        self.file("calls_test.yaml", WRONG)
        for argument in (".", "calls.yaml", "calls_test.yaml"):
            with self.subTest(argument):
                code, out, err = self.run_tests(argument)
                self.assertEqual((code, err), (1, ""))
                where = "./" if argument == "." else ""
                rules = "./calls.yaml" if argument != "calls.yaml" else "calls.yaml"
                tests = where + "calls_test.yaml"
                self.assertIn(f"""FAIL  {tests}:4: a failed call
      metrics:
        - calls_total{{status="error"}} 1
        + calls_total{{status="failed"}} 2
          ^ made by {rules}:9 (rule call) from {tests}:6, {tests}:7
        - call_seconds_count 1
        + call_seconds_count 2
          ^ made by {rules}:10 (rule call) from {tests}:6, {tests}:7
""", out)
                self.assertIn("ok    " + tests + ":12: nothing\n", out)
                self.assertTrue(out.endswith("2 passed, 1 failed\n"), out)

    def test_update_changes_the_expectations_and_nothing_else(self):
        path = self.file("calls_test.yaml", WRONG)
        code, out, err = self.run_tests("calls.yaml", "--update")
        self.assertEqual((code, err), (0, ""), out)
        after = WRONG.replace('      calls_total{status="error"} 1   # one\n      call_seconds_count 1',
                              '      calls_total{status="failed"} 2\n      call_seconds_count 2')
        self.assertEqual(path.read_text(), after)
        self.assertEqual(self.rules.read_text(), RULES)
        self.assertIn('-      calls_total{status="error"} 1   # one\n', out)
        self.assertIn('+      calls_total{status="failed"} 2\n', out)
        self.assertEqual(self.run_tests("calls.yaml")[0], 0)

    def test_update_fills_in_what_was_left_empty(self):
        path = self.file("calls_test.yaml", """tests:
  - name: to be written
    lines: '{"event":"call","status":"ok","ms":500}'
    expect:  # here
    stored: [{skill_name: none}]
""")
        code, out, err = self.run_tests("calls_test.yaml", "--update")
        self.assertEqual((code, err), (0, ""), out)
        self.assertEqual(path.read_text(), """tests:
  - name: to be written
    lines: '{"event":"call","status":"ok","ms":500}'
    expect: |  # here
      call_seconds_bucket{le="1"} 1
      call_seconds_bucket{le="10"} 1
      call_seconds_bucket{le="+Inf"} 1
      call_seconds_sum 0.5
      call_seconds_count 1
      calls_total{status="ok"} 1
    stored: []
""")

    def test_junit_and_tap(self):
        self.file("calls_test.yaml", WRONG)
        code, out, _ = self.run_tests(".", "--format", "junit")
        self.assertEqual(code, 1)
        root = xml.etree.ElementTree.fromstring(out)
        self.assertEqual((root.tag, root.get("tests"), root.get("failures")), ("testsuites", "3", "1"))
        failed = [case for case in root.iter("testcase") if case.find("failure") is not None]
        self.assertEqual([(case.get("name"), case.get("line")) for case in failed], [("a failed call", "4")])
        self.assertIn('calls_total{status="failed"} 2', failed[0].find("failure").text)

        code, out, _ = self.run_tests(".", "--format", "tap")
        self.assertEqual(code, 1)
        lines = out.splitlines()
        self.assertEqual(lines[:2], ["TAP version 13", "1..3"])
        self.assertEqual([re.match(r"(ok|not ok) (\d+) - ", line).group(1, 2) for line in lines if "ok " in line[:7]],
                         [("ok", "1"), ("not ok", "2"), ("ok", "3")])

    def test_coverage(self):
        code, out, _ = self.run_tests("calls.yaml", "--coverage")
        self.assertEqual(code, 0)
        self.assertIn("  calls.yaml:11: rule never\n", out)
        self.assertIn("coverage: 50 % of 2 rules, 66 % of 3 actions, 100 % of 2 metrics\n", out)
        self.assertEqual(self.run_tests("calls.yaml", "--coverage", "--strict")[0], 1)

    def test_faults_are_told_with_their_place(self):
        self.file("calls_test.yaml", """version: 1
tests:
  - name: a
    lines: x
    expect: |
      call_total 1
  - name: b
    lines: [{event: call}]
    expect: 'calls_total{state="ok"} one'
  - name: c
    lines: [{at: 90s}, x]
    expect: 'calls_total{state="ok"} 1'
    forwarded: []
""")
        code, out, err = self.run_tests("calls_test.yaml")
        self.assertEqual((code, out), (1, ""))
        for place, said in [("6:7", "did you mean `calls_total`?"), ("8:13", "a line is a text"),
                            ("9:38", "this is no number"), ("11:18", "at: +90s"), ("12:26", "no label `state`"),
                            ("13:5", "not in this version yet")]:
            with self.subTest(said):
                self.assertIn("calls_test.yaml:" + place, err)
                self.assertIn(said, err)

    def test_nothing_to_test(self):
        self.file("calls.yaml", RULES[:RULES.index("tests:")])
        code, out, err = self.run_tests("calls.yaml")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("there are no tests", err)

    def test_the_packs_pass_and_nothing_of_them_is_left_out(self):
        code, out, err = self.run_tests("--coverage", "--strict")
        self.assertEqual((code, err), (0, ""), out)
        self.assertIn("coverage: 100 % of ", out)
        self.assertEqual(out.count("100 %"), 3, out)


if __name__ == "__main__":
    driver.main()
