"""Editing rules as a newcomer does: what the program says when text fits no format, names clash, a file is emptied, a unit is wrong."""
import pathlib
import signal
import tempfile
import unittest
import xml.etree.ElementTree

import driver

TEXT = """2026-01-05 10:00:00,123 [engine] INFO Skill browser executed in 1200ms
2026-01-05 10:00:01,123 [engine] INFO Skill email executed in 300ms
2026-01-05 10:00:02,123 [engine] INFO user ann@example.com logged in
"""
RULES = """metrics:
  skills_total: {type: counter, help: Skills, labels: [skill]}
  skill_seconds: {type: histogram, help: Time, buckets: [0.1, 1, 10]}
  logins_total: {type: counter, help: Logins, labels: {user: {max: 50}}}
rules:
  skill: {pattern: 'Skill <skill> executed in <took>ms', do: [inc: skills_total, {observe: skill_seconds, value: $took}]}
  login: {pattern: 'user <user> logged in', do: [inc: logins_total]}
tests:
  - name: a skill counts
    lines: '2026-01-05 10:00:00,123 [engine] INFO Skill browser executed in 1200ms'
    expect: skills_total{skill="browser"} 1
"""
FORMAT = "formats: {mine: {pattern: '<time> [<logger>] <level> <message>'}}\n"
SMALL = "metrics: {a_total: {type: counter, help: h}}\nrules: {r: {match: {a: 1}, do: [inc: a_total]}}\n"


class Scratch(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = pathlib.Path(scratch.name)

    def write(self, name, text):
        (self.dir / name).write_text(text)
        return name

    def run_it(self, *args, stdin=None):
        return driver.run(*args, cwd=self.dir, stdin=stdin, env={"HOME": "/nonexistent", "XDG_CONFIG_HOME": "", "NO_COLOR": "1"})

    def said(self, *args):
        done = self.run_it(*args)
        return (done.stdout + done.stderr).decode()


class NoFormat(Scratch):
    def setUp(self):
        super().setUp()
        self.write("rules.yaml", RULES)
        self.write("engine.log", TEXT)

    def test_every_verb_says_so_and_names_a_pack(self):
        for args in (["check", "rules.yaml", "--sample", "engine.log"],
                     ["explain", "--pack", "none", "--rules", "rules.yaml", "--file", "engine.log"],
                     ["run", "--once", "--pack", "none", "--rules", "rules.yaml", "engine.log"],
                     ["test", "rules.yaml"]):
            with self.subTest(args[0]):
                said = self.said(*args)
                self.assertIn("no format is declared", said)
                self.assertEqual(said.count("--pack aria has a format for them"), 1, said)
        self.assertIn("warning[W406]: 3 of 3 records", self.said("check", "rules.yaml", "--sample", "engine.log"))

    def test_a_pattern_is_named_where_no_pack_fits(self):
        lines = "".join(f"[2026-01-05T10:00:0{i}Z] WARN: disk {i}\n" for i in range(3))
        self.write("other.log", lines)
        self.write("mine.yaml", SMALL + "formats: {x: {pattern: 'X <message>'}}\n")
        said = self.said("check", "mine.yaml", "--sample", "other.log")
        self.assertIn("formats: {mine: {pattern: '[<time>] <level>: <message>'}}  (it fits all of 3 lines)", said)
        self.assertIn("lines of text that no format fits are bare messages", said)

    def test_nothing_is_said_where_formats_fit_or_rules_take_bare_lines(self):
        self.write("mine.yaml", FORMAT)
        for args in (["check", "mine.yaml", "rules.yaml", "--sample", "engine.log"],
                     ["run", "--once", "--pack", "none", "--rules", "mine.yaml", "--rules", "rules.yaml", "engine.log"]):
            said = self.said(*args)
            self.assertNotIn("= help: --pack", said)
            self.assertNotIn("fit no format", said)
        self.write("bare.yaml", SMALL.replace("match: {a: 1}", "pattern: '<_...>'"))
        self.assertNotIn("fit no format", self.said("run", "--once", "--pack", "none", "--rules", "bare.yaml", "engine.log"))

    def test_a_failing_test_says_why_no_rule_matched(self):
        said = self.said("test", "rules.yaml")
        self.assertIn("no rule matched:\n        rules.yaml:10: no format fits it\n", said)
        self.assertTrue(said.endswith("0 passed, 1 failed\n"), said)
        self.write("near.yaml", FORMAT + RULES.replace("executed in <took>", "run in <took>"))
        self.assertIn("near.yaml:11: the nearest is rule skill (near.yaml:7), pattern", self.said("test", "near.yaml"))


class Sample(Scratch):
    def check(self, rules, log=TEXT):
        self.write("rules.yaml", FORMAT + rules)
        self.write("engine.log", log)
        return self.said("check", "rules.yaml", "--sample", "engine.log")

    def test_units_and_buckets(self):
        said = self.check(RULES)
        self.assertIn("warning[W218]: the pattern has `ms` behind `<took>`", said)
        self.assertIn("warning[W407]: all 2 values of `skill_seconds` are above its last bucket (10)", said)
        self.assertNotIn("W407", self.check(RULES.replace("value: $took", "value: $took, unit: ms")))

    def test_secrets_in_labels(self):
        self.assertIn("warning[W408]: values of label `user` look like what `builtin: email` redacts", self.check(RULES))
        redacted = RULES + "redact: {mail: {builtin: email, with: hash}, idle: {regex: 'tok-[0-9]{9}'}}\n"
        said = self.check(redacted)
        self.assertNotIn("W408", said)
        self.assertIn("note: redaction `idle` found nothing in the sample\n", said)
        self.assertNotIn("ann@example.com", said)

    def test_what_is_missing_is_named(self):
        said = self.check(RULES.replace("inc: logins_total", "{add: logins_total, value: $users}"))
        self.assertIn("`$users` is missing", said)
        self.assertIn("= help: did you mean `$user`?", said)

    def test_where_a_pattern_parts(self):
        self.assertIn("`run in ` is wanted, not `executed in", self.check(RULES.replace("executed in <took>", "run in <took>")))

    def test_overflow_is_called_by_its_name(self):
        said = self.check(RULES.replace("{max: 50}", "{max: 1, overflow: rest}"), TEXT + TEXT.replace("ann", "bob"))
        self.assertIn("`rest` stands for 1 of them", said)

    def test_skips_are_told_at_the_end(self):
        self.write("rules.yaml", FORMAT + RULES.replace("value: $took", "value: $nothing"))
        self.write("engine.log", TEXT)
        done = self.run_it("run", "--once", "--pack", "none", "--rules", "rules.yaml", "engine.log")
        lines = done.stderr.decode().splitlines()
        self.assertEqual(lines[-2], 'msg=skipped rule=skill times=2 actions="observe skill_seconds (missing_field 2)"')
        self.assertEqual(driver.summary(done.stderr)["matched"], 3)
        quiet = self.run_it("run", "-q", "--once", "--pack", "none", "--rules", "rules.yaml", "engine.log")
        self.assertNotIn(b"msg=skipped", quiet.stderr)


class Names(Scratch):
    def test_a_clash_with_a_pack_is_noted(self):
        self.write("mine.yaml", SMALL.replace("{r: ", "{errors: ").replace("a_total", "aria_errors_total"))
        done = self.run_it("check", "mine.yaml")
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"note: built-in packs have these names, too: rule `errors` (pack aria), metric `aria_errors_total` (pack aria)", done.stdout)
        said = self.said("check", "--pack", "auto", "mine.yaml")
        self.assertEqual(said.count("error[E031]"), 2)
        self.assertIn("or give it another name", said)
        self.assertIn("give this rule another name", said)
        self.write("other.yaml", SMALL)
        self.assertNotIn("note:", self.said("check", "other.yaml"))
        printed = self.run_it("help", "pack", "aria").stdout.decode()
        self.assertNotIn("note:", self.said("check", self.write("copy.yaml", printed)))

    def test_booleans_and_other_words(self):
        self.write("a.yaml", SMALL.replace("do:", "enabled: no, do:"))
        self.assertIn("`enabled` is true or false", self.said("check", "a.yaml"))
        self.assertIn("write `false`, without quotes", self.said("check", "a.yaml"))
        self.write("b.yaml", "rules: {errors: off}\n")
        self.assertIn("write `false`, without quotes", self.said("check", "--pack", "aria", "b.yaml"))
        self.write("c.yaml", SMALL.replace("inc: a", "increment: a"))
        self.assertIn("did you mean `inc`?", self.said("check", "c.yaml"))

    def test_switched_off_rules_are_counted_alike(self):
        self.write("a.yaml", SMALL)
        self.write("b.yaml", "rules: {r: false}\n")
        self.assertIn("2 files, 1 rule, 1 of them switched off, 1 metric", self.said("check", "a.yaml", "b.yaml"))


class Reports(Scratch):
    def test_reports_are_valid_though_nothing_can_be_run(self):
        self.write("broken.yaml", "rules: [\n")
        self.write("none.yaml", SMALL)
        for name, text in (("broken.yaml", "invalid: E0"), ("none.yaml", "there are no tests")):
            done = self.run_it("test", "--format", "junit", name)
            self.assertEqual(done.returncode, 1)
            error = xml.etree.ElementTree.fromstring(done.stdout).find("testsuite/testcase/error")
            self.assertIn(text, error.get("message"))
            done = self.run_it("test", "--format", "tap", name)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout.decode(), r"^TAP version 13\nBail out! .*" + text)

    def test_coverage_of_ones_own(self):
        self.write("a.yaml", FORMAT + RULES)
        said = self.said("test", "--coverage", "--pack", "aria", "a.yaml")
        self.assertIn("of these, without the packs: 50 % of 2 rules, 66 % of 3 actions, 33 % of 3 metrics\n", said)
        self.assertNotIn("without the packs", self.said("test", "--coverage", "a.yaml"))
        many = SMALL.replace("rules: {r:", "rules: {z: {match: {b: 1}, do: [inc: a_total]}, y: {match: {c: 1}, do: [inc: a_total]}, r:")
        self.write("b.yaml", many.replace("}, y", "},\n  y") + "tests: [{name: t, lines: '{\"a\":1}', expect: a_total 1}]\n")
        said = self.said("test", "--coverage", "b.yaml")
        self.assertLess(said.index("rule z"), said.index("rule y"))


class Reload(Scratch):
    def setUp(self):
        super().setUp()
        self.write("log", '{"a":1}\n')
        self.write("rules.yaml", SMALL)
        self.write("logtally.yaml", "packs: none\nrules: rules.yaml\ntargets: [{name: t, path: log, from: beginning}]\n")
        self.server = driver.Server("-c", self.dir / "logtally.yaml").__enter__()
        self.addCleanup(self.server.__exit__)
        driver.until(lambda: self.server.scrape().get("a_total") == 1, "the log is counted")

    def post(self):
        answer = self.server.request("POST", "/-/reload")
        return answer.status, answer.content.decode()

    def test_an_emptied_file_changes_nothing(self):
        for text in ("", " \n\n"):
            self.write("rules.yaml", text)
            status, said = self.post()
            self.assertEqual(status, 422)
            self.assertIn("error[E072]: the file is empty now", said)
            self.assertEqual(self.server.scrape().get("a_total"), 1)
        self.write("rules.yaml", "# nothing any more\n")
        self.assertEqual(self.post(), (200, "reloaded: 0 rules, 0 metrics; gone rule r; gone metric a_total and its values\n"))

    def test_what_changed_is_named(self):
        self.write("rules.yaml", "# a comment\n" + SMALL)
        self.assertEqual(self.post()[1], "reloaded: 1 rule, 1 metric; nothing changed\n")
        self.write("rules.yaml", SMALL.replace("a: 1", "a: 2").replace("help: h", "help: other") + "redact: {x: {field: y}}\n")
        self.assertEqual(self.post()[1], "reloaded: 1 rule, 1 metric; changed rule r; changed metric a_total; new redaction x\n")
        self.write("rules.yaml", SMALL.replace("match: {a: 1}", "match: {a: 2}, enabled: false").replace("help: h", "help: other") + "redact: {x: {field: z}}\n")
        self.assertEqual(self.post()[1].split("; "), ["reloaded: 1 rule, 1 of them switched off, 1 metric", "switched off: rule r", "changed rule r", "changed redaction x\n"])
        self.assertEqual(self.server.scrape().get("a_total"), 1)

    def test_who_asks_again_hears_that_it_still_fails(self):
        self.write("rules.yaml", SMALL + "metrix: {}\n")
        driver.until(lambda: b"reload failed" in self.server.stderr(), "the change is seen")
        self.assertEqual(self.post()[0], 422)
        driver.until(lambda: b"still failing: E012 " in self.server.stderr(), "the answer is logged in short")
        self.server.process.send_signal(signal.SIGHUP)
        driver.until(lambda: self.server.stderr().count(b"still failing: E012 ") == 2, "SIGHUP, too")
        self.assertIn(b"rules.yaml:3", self.server.stderr().split(b"still failing: E012 ")[1].split(b"\n")[0])
        self.assertEqual(self.server.stderr().count(b"error[E012]"), 1)


if __name__ == "__main__":
    driver.main()
