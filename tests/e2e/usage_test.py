"""Exit codes, banner, summary, --tee: what a person and a shell script meet first."""
import json
import os
import pathlib
import re
import tempfile
import unittest

import driver

RULES = """version: 1
metrics:
  seen_total: {type: counter, help: Lines seen., labels: [event]}
rules:
  seen:
    match: {event: {exists: true}}
    do: [inc: seen_total]
"""
LINE = b'{"event":"x","level":"info"}\n'


class Usage(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.rules = self.file("rules.yaml", RULES)

    def file(self, name, text):
        path = pathlib.Path(self.dir.name, name)
        path.write_text(text)
        return path

    def test_exit_codes(self):
        broken = self.file("broken.yaml", "version: 1\nrulez: {}\n")
        unknown_key = self.file("unknown_key.yaml", "version: 1\nlisten_on: 1\n")
        log = self.file("engine.log", LINE.decode())
        missing = pathlib.Path(self.dir.name, "missing.log")
        once = ["run", "--once", "--pack", "none", "--rules", self.rules]
        for name, args, env, want, said in [
            ("a file to its end", [*once, log], {}, 0, "msg=summary"),
            ("an unknown verb", ["rnu"], {}, 2, "run"),
            ("an unknown flag", ["run", "--onec", log], {}, 2, "--once"),
            ("a flag without its value", ["run", "--rules"], {}, 2, "--rules"),
            ("a bad value of a flag", ["run", "--listen", "nonsense:port", log], {}, 2, "--listen"),
            ("a bad value of an environment variable", ["run", log], {"METRICS_PORT": "abc"}, 2, "METRICS_PORT=abc"),
            ("a port out of range", ["run", log], {"METRICS_PORT": "70000"}, 2, "METRICS_PORT=70000"),
            ("--print-metrics without --once", ["run", "--print-metrics", log], {}, 2, "--once"),
            ("nothing to read", ["run"], {}, 2, "usage"),
            ("an unknown pack", ["run", "--once", "--pack", "arai", log], {}, None, "aria"),
            ("a FILE of --once that is missing", [*once, missing], {}, 1, "missing.log"),
            ("rules that are invalid", ["run", "--once", "--rules", broken, log], {}, 78, "broken.yaml:2:1"),
            ("a configuration that is invalid", ["run", "-c", unknown_key, "--once", log], {}, 78, "unknown_key.yaml:2:1"),
            ("rules that are not there", ["run", "--once", "--rules", missing, log], {}, 78, "missing.log"),
            ("a directory of state that is a file", [*once, "--state-dir", log, log], {}, 1, "log"),
        ]:
            with self.subTest(name):
                done = driver.run(*args, env=env, cwd=self.dir.name)
                text = done.stderr.decode()
                if want is None:
                    self.assertIn(done.returncode, (2, 78), text)
                else:
                    self.assertEqual(done.returncode, want, text)
                self.assertIn(said.lower(), text.lower())
                self.assertEqual(done.stdout, b"", "stdout is for --tee and --print-metrics")

    def test_help_and_version_are_what_was_asked_for(self):
        for args in (["help"], ["--help"], ["run", "--help"]):
            with self.subTest(args):
                done = driver.run(*args)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertIn(b"--once", done.stdout)
        for args in (["version"], ["--version"]):
            with self.subTest(args):
                done = driver.run(*args)
                self.assertEqual(done.returncode, 0)
                self.assertRegex(done.stdout.decode(), r"^logtally \d+\.\d+\.\d+ ")
                for library in ("g++", "boost", "libyaml", "re2", "prometheus-cpp", "zlib"):
                    self.assertIn(library, done.stdout.decode())
        for args in (["version", "--format", "json"], ["--version", "--format=json"]):
            with self.subTest(args):
                done = driver.run(*args)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                said = json.loads(done.stdout)
                self.assertRegex(driver.run("version").stdout.decode(), rf"^logtally {re.escape(said['version'])} \({said['revision']}\)\n")
                self.assertEqual(said["packs"], ["aria", "skillmeat"])
                self.assertIn("re2", said["libraries"])

    def test_the_first_line_says_which_configuration_is_read(self):
        home = pathlib.Path(self.dir.name, "home")
        (home / ".config" / "logtally").mkdir(parents=True)
        work = pathlib.Path(self.dir.name, "work")
        work.mkdir()
        if os.path.exists("/etc/logtally/logtally.yaml"):
            self.skipTest("this machine has a configuration of its own")
        text = f"packs: none\nrules: [{self.rules}]\n"
        env = {"HOME": str(home), "XDG_CONFIG_HOME": ""}

        def first_line(*args, **more):
            done = driver.run("run", "--once", *args, "-", stdin=LINE, cwd=work, env={**env, **more})
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stderr.decode().split("\n")[0]

        def origin(*args, **more):
            done = driver.run("--print-config", *args, cwd=work, env={**env, **more})
            return done.stdout.decode().split("\n")[0]

        self.assertIn("(no logtally.yaml found)", first_line())
        self.assertRegex(origin(), r"^config: none +# default$")
        at_home = home / ".config" / "logtally" / "logtally.yaml"
        at_home.write_text(text)
        self.assertIn(f"(configuration {at_home})", first_line())
        (work / "logtally.yaml").write_text(text)
        self.assertIn("(configuration logtally.yaml)", first_line())
        named = self.file("named.yaml", text)
        self.assertIn(f"(configuration {named})", first_line(LOGTALLY_CONFIG=str(named)))
        self.assertRegex(origin(LOGTALLY_CONFIG=str(named)), r"# environment LOGTALLY_CONFIG$")
        flag = self.file("flag.yaml", text)
        self.assertIn(f"(configuration {flag})", first_line("-c", flag, LOGTALLY_CONFIG=str(named)))
        self.assertRegex(origin("-c", flag, LOGTALLY_CONFIG=str(named)), r"# flag --config$")

    def test_rules_named_in_the_configuration_are_loaded(self):
        self.file("logtally.yaml", "packs: none\nrules: [rules.yaml]\n")
        done = driver.run("run", "--once", "--print-metrics", "-", stdin=LINE, cwd=self.dir.name)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(driver.Exposition(done.stdout.decode()).get("seen_total", event="x"), 1)

    def test_colours_are_where_they_are_wanted(self):
        bad = self.file("bad.yaml", "version: 1\nrulez: {}\n")
        for args, env, want in [([], {}, False), ([], {"FORCE_COLOR": "1"}, True), ([], {"CLICOLOR_FORCE": "1"}, True), ([], {"FORCE_COLOR": "0"}, False),
                                ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False), (["--color", "always"], {"NO_COLOR": "1"}, True),
                                (["--color", "never"], {"FORCE_COLOR": "1"}, False), ([], {"FORCE_COLOR": "1", "TERM": "dumb"}, True)]:
            with self.subTest((args, env)):
                done = driver.run("run", "--once", *args, "--rules", bad, "-", stdin=b"", env={"NO_COLOR": "", "FORCE_COLOR": "", "CLICOLOR_FORCE": "", **env})
                self.assertEqual(done.returncode, 78)
                self.assertEqual(b"\x1b[" in done.stderr, want, done.stderr)

    def test_banner_and_summary_are_on_stderr(self):
        done = driver.run("run", "--listen", f"127.0.0.1:{driver.free_port()}", "--pack", "none", "--rules", self.rules, stdin=LINE * 3)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, 0, text)
        self.assertEqual(done.stdout, b"")
        self.assertRegex(text, r"^logtally \d+\.\d+\.\d+: reading stdin")
        self.assertIn("/metrics", text)
        self.assertEqual(driver.summary(done.stderr),
                         {"read": 3, "parsed": 3, "joined": 0, "bare": 0, "failed": 0, "matched": 3, "unmatched": 0, "lost": 0})

    def test_every_line_has_one_outcome(self):
        lines = b'{"event":"x"}\n{"other":1}\nplain words\n{"event":\nnul \0 byte\n{"event":"last"}'
        done = driver.run("run", "--once", "--print-metrics", "--pack", "none", "--rules", self.rules, "-", stdin=lines)
        self.assertEqual(done.returncode, 0, done.stderr)
        s = driver.summary(done.stderr)
        self.assertTrue(driver.adds_up(s), s)
        self.assertEqual((s["read"], s["parsed"], s["bare"], s["failed"], s["matched"]), (6, 3, 1, 2, 2))
        metrics = driver.Exposition(done.stdout.decode())
        self.assertEqual(metrics.of("seen_total"), {(("event", "x"),): 1, (("event", "last"),): 1})

    def test_print_metrics_declares_all_and_makes_nothing_up(self):
        done = driver.run("run", "--once", "--print-metrics", "--pack", "none", "--rules", self.rules, "-", stdin=b"\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.decode(), "# HELP seen_total Lines seen.\n# TYPE seen_total counter\n")

    def test_tee_copies_every_byte(self):
        data = b'{"event":"x"}\r\n\xff\xfe not utf-8 \0\n\n' + os.urandom(100_000) + b"no end"
        done = driver.run("run", "--once", "--tee", "--pack", "none", "--rules", self.rules, "-", stdin=data)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        self.assertEqual(done.stdout, data)

    def test_once_opens_no_port(self):
        with driver.Server("--pack", "none", "--rules", self.rules, self.file("engine.log", "")) as other:
            done = driver.run("run", "--once", "--pack", "none", "--rules", self.rules, self.file("more.log", LINE.decode()),
                              env={"METRICS_PORT": str(other.port)})
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_port_in_use_is_explained(self):
        with driver.Server("--pack", "none", "--rules", self.rules, self.file("engine.log", "")) as other:
            done = driver.run("run", "--listen", f"127.0.0.1:{other.port}", "--pack", "none", "--rules", self.rules, stdin=LINE)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, 1, text)
        self.assertIn(f"error: cannot listen on 127.0.0.1:{other.port}: address already in use", text)
        self.assertIn("METRICS_PORT", text)
        self.assertNotIn("msg=summary", text)

    def test_all_errors_of_a_rule_file_are_told_at_once(self):
        bad = self.file("bad.yaml", "version: 1\nmetrics:\n  a_total: {typo: counter, help: A.}\nrules:\n  one:\n    mach: {a: 1}\n    do: [inc: b_total]\n")
        done = driver.run("run", "--once", "--pack", "none", "--rules", bad, "-", stdin=b"")
        text = done.stderr.decode()
        self.assertEqual(done.returncode, 78, text)
        self.assertIn("bad.yaml:3:13", text)
        self.assertIn("bad.yaml:6:5", text)
        self.assertIn("`match`", text)
        self.assertIn("^", text)


if __name__ == "__main__":
    driver.main()
