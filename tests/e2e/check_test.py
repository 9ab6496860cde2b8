#!/usr/bin/env python3
"""`logtally check` as people and pipelines use it: golden texts, exit codes, formats, and some hundred broken files."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import driver

GOLDEN = driver.SOURCE / "fixtures" / "diagnostics"


def check(*args, cwd=None, env=None):
    return driver.run("check", "--color", "never", *args, cwd=cwd, env={"HOME": "/nonexistent", "XDG_CONFIG_HOME": "", **(env or {})})


class Golden(unittest.TestCase):
    """A folder each: the files as somebody wrote them, and expected.txt. APPROVE=1 writes it anew."""

    def test_texts(self):
        folders = sorted(p for p in GOLDEN.iterdir() if p.is_dir())
        self.assertGreaterEqual(len(folders), 12)
        for folder in folders:
            with self.subTest(folder.name):
                files = sorted(p.name for p in folder.glob("*.yaml"))
                sample = ["--sample", "sample.log"] if (folder / "sample.log").exists() else []
                done = check(*files, *sample, cwd=folder)
                self.assertEqual(done.stderr, b"")
                expected = folder / "expected.txt"
                if os.environ.get("APPROVE"):
                    expected.write_bytes(done.stdout)
                self.assertEqual(done.stdout.decode(), expected.read_text())
                errors = b"error[" in done.stdout or b"\nerror:" in b"\n" + done.stdout
                self.assertEqual(done.returncode, 1 if errors else 0)

    def test_the_formats_tell_the_same(self):
        for folder in sorted(p for p in GOLDEN.iterdir() if p.is_dir()):
            with self.subTest(folder.name):
                files = sorted(p.name for p in folder.glob("*.yaml"))
                human = check("-v", *files, cwd=folder).stdout.decode()
                found = [json.loads(line) for line in check("--format", "json", *files, cwd=folder).stdout.splitlines()]
                github = check("--format", "github", *files, cwd=folder).stdout.decode().splitlines()
                self.assertEqual(len(found), len(github))
                self.assertGreater(len(found) if not folder.name.startswith("sample") else 1, 0)
                for finding, command in zip(found, github):
                    self.assertIn(f"{finding['severity']}[{finding['code']}]: {finding['message']}", human)
                    self.assertTrue(command.startswith(f"::{finding['severity']} "))
                    if finding["file"] is not None:
                        self.assertIn(f"--> {finding['file']}:{finding['line']}:{finding['column']}\n", human)
                        self.assertIn(f"file={finding['file']},line={finding['line']},col={finding['column']},", command)
                        self.assertGreaterEqual((finding["end_line"], finding["end_column"]), (finding["line"], finding["column"]))


CLEAN = """metrics: {a_total: {type: counter, help: h}}
rules: {r: {match: {a: 1}, do: [inc: a_total]}}
"""
WARNED = CLEAN.replace("a_total", "a")


class Use(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return name

    def check(self, *args, **more):
        return check(*args, cwd=self.path, **more)

    def test_exit_codes_and_quiet(self):
        self.write("clean.yaml", CLEAN)
        self.write("warned.yaml", WARNED)
        self.write("wrong.yaml", CLEAN.replace("inc", "icn"))
        for args, code in [(["clean.yaml"], 0), (["--strict", "clean.yaml"], 0), (["warned.yaml"], 0), (["--strict", "warned.yaml"], 3),
                           (["wrong.yaml"], 1), (["--strict", "wrong.yaml"], 1), (["missing.yaml"], 1), (["--format", "xml"], 2)]:
            self.assertEqual(self.check(*args).returncode, code, args)
        self.assertEqual(self.check("clean.yaml").stdout.decode(), "clean.yaml: 1 file, 1 rule, 1 metric: 0 errors, 0 warnings\n")
        self.assertEqual(self.check("-q", "clean.yaml", "warned.yaml").stdout, self.check("-q", "clean.yaml", "warned.yaml").stdout)
        self.assertEqual(self.check("-q", "warned.yaml").stdout, b"")
        self.assertEqual(self.check("-q", "--strict", "warned.yaml").returncode, 3)
        self.assertIn(b"error[E012]", self.check("-q", "wrong.yaml").stdout)

    def test_all_problems_of_all_files_in_order(self):
        self.write("rules.d/b.yaml", "rules:\n  x: {pattern: '<a><b>', do: [inc: nothing]}\n")
        self.write("rules.d/a.yaml", "metrics:\n  m: {type: countr, help: h}\n  n: {tpye: counter, help: h}\nmaps: [\n")
        self.write("rules.d/c.yaml", "metrics:\n  m: {type: countr, help: h}\n  n: {hlep: h, type: counter}\n")
        done = self.check("rules.d", "--format", "json")
        places = [(f["file"], f["line"], f["code"]) for f in map(json.loads, done.stdout.splitlines()) if f["severity"] == "error"]
        self.assertEqual(places, sorted(places, key=lambda p: p[:2]))
        self.assertLessEqual({("rules.d/b.yaml", 2, "E040"), ("rules.d/b.yaml", 2, "E030"),
                              ("rules.d/c.yaml", 2, "E013"), ("rules.d/c.yaml", 3, "E012")}, set(places))
        self.assertIn("rules.d/a.yaml", {p[0] for p in places})

    def test_what_run_would_load(self):
        self.assertIn(b"no logtally.yaml: 0 files, 2 packs", self.check().stdout)
        self.write("logtally.yaml", "packs: none\nrules: [rules.d]\ntargets: [{name: x, path: logs/*.log}]\n")
        self.write("rules.d/a.yaml", CLEAN)
        done = self.check()
        self.assertIn(b"warning[W216]", done.stdout)
        self.assertTrue(done.stdout.endswith(b"logtally.yaml: 2 files, 1 rule, 1 metric: 0 errors, 1 warning\n"), done.stdout)
        self.write("logs/a.log", "{}\n")
        for args in ([], ["logtally.yaml"], ["."], ["-c", "logtally.yaml"], ["logtally.yaml", "rules.d"]):
            done = self.check(*args)
            self.assertTrue(done.stdout.endswith(b": 2 files, 1 rule, 1 metric: 0 errors, 0 warnings\n"), (args, done.stdout))

    def test_packs_are_clean(self):
        self.assertEqual(self.check("--strict").returncode, 0, self.check().stdout.decode())
        for pack in sorted((driver.SOURCE / "config" / "packs").glob("*.yaml")):
            done = self.check("--strict", pack)
            self.assertEqual(done.returncode, 0, done.stdout.decode())

    def test_a_name_of_a_pack_is_no_riddle(self):
        self.write("a.yaml", "rules:\n  mine: {match: {a: 1}, do: [inc: aria_errors_total]}\n")
        done = self.check("a.yaml")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"pack aria declares it", done.stdout)
        self.assertEqual(self.check("a.yaml", "--pack", "aria").returncode, 0)

    def test_allowed_in_place_by_check_and_by_run(self):
        text = "metrics:\n  a_seconds: {type: histogram, help: h}%s\nrules: {r: {match: {a: 1}, do: [{observe: a_seconds, value: $v}]}}\n"
        self.write("a.yaml", text % "")
        self.write("b.yaml", text % "  # logtally: allow W203")
        self.write("empty.log", "")
        self.assertIn(b"W203", self.check("a.yaml").stdout)
        self.assertNotIn(b"W203", self.check("b.yaml").stdout)
        for name, there in (("a.yaml", True), ("b.yaml", False)):
            done = driver.run("run", "--once", "--rules", name, "--pack", "none", "empty.log", cwd=self.path)
            self.assertEqual(b"W203" in done.stderr, there, done.stderr)

    def test_expensive_regexes(self):
        text = "metrics: {a_total: {type: counter, help: h}}\nrules:\n  r:\n    regex: '%s'\n    do: [inc: a_total]\n"
        for regex in (r"^Job (?P<job>\w+) done in (?P<ms>\d+)ms$", r"\b(\w+(?:Error|Exception))\b", r"(?i)/[0-9a-f]{6,}"):
            self.write("a.yaml", text % regex)
            self.assertEqual(self.check("--strict", "a.yaml").returncode, 0, self.check("a.yaml").stdout.decode())
        self.write("empty.log", "")
        # Each costs several times what is refused, so that a busy machine changes nothing.
        for regex in (r"[ab]*a[ab]{200}c", r".{0,300}error.{0,300}timeout"):
            self.write("a.yaml", text % regex)
            done = self.check("a.yaml")
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(b"error[E043]", done.stdout)
            self.assertIn(b"--> a.yaml:4:13\n", done.stdout)
            done = driver.run("run", "--once", "--rules", "a.yaml", "--pack", "none", "empty.log", cwd=self.path)
            self.assertEqual(done.returncode, 0)
            self.assertIn(b"warning[W217]", done.stderr)


# ---------------------------------------------------------------- one fault each

BASE = """version: 1
lift: [extra]
normalise: {level: [lvl]}
formats:
  plain: {pattern: '<time> [<logger>] <level> <message>'}
metrics:
  c_total: {type: counter, help: h, labels: [method, status]}
  g: {type: gauge, help: h, min: 0}
  d_seconds: {type: histogram, help: h, buckets: [0.1, 1, 10]}
  s_bytes: {type: counter, help: h}
maps:
  outcome: {true: success, false: error}
  fold:
    rewrite: [['/\\d+', '/{id}']]
tables:
  t: {key: $id, columns: [x], ttl: 10m}
rules:
  r:
    match: {event: e, level: {not: debug}}
    pattern: 'Job <id> done in <ms>ms'
    if: $ms > 1 and $id != ""
    let: {method: lower($id), status: outcome($ok)}
    do:
      - inc: c_total
      - {observe: d_seconds, value: $ms, unit: ms}
      - {set: g, value: $n, for: 30s, then: 0}
      - {add: s_bytes, value: $size, unit: KiB}
      - remember: t
  q:
    match: {event: f}
    regex: '^(?P<id>\\w+)'
    do:
      - take: t
      - {dec: g, if: $x}
"""
SETTINGS = """version: 1
listen: 127.0.0.1:8081
packs: [aria]
rules: [rules.d]
targets:
  - name: a
    path: /var/log/a/*.log
    wrapper: auto
    from: end
limits:
  line_bytes: 256KiB
  series: 1000
state:
  dir: none
"""


def rule_faults():
    """(name, text, line of the fault)"""
    lines = BASE.split("\n")

    def swap(number, old, new, name=None):
        line = lines[number - 1]
        assert old in line, (number, old, line)
        return (name or f"{number}: {old} -> {new}", "\n".join(lines[:number - 1] + [line.replace(old, new, 1)] + lines[number:]), number)

    def add(after, text, name=None):
        return (name or f"{after}: + {text}", "\n".join(lines[:after] + [text] + lines[after:]), after + 1)

    yield swap(1, "1", "2")
    yield swap(1, "1", "one")
    for top in ("lift", "normalise", "formats", "metrics", "maps", "tables", "rules"):
        yield add(len(lines) - 1, f"{top}s2: {{}}")
    for word in ("metric", "rule", "Rules", "include", "extends", "name", "target"):
        yield add(len(lines) - 1, f"{word}: 1")
    yield swap(2, "[extra]", "{a: b}")
    yield swap(3, "{level: [lvl]}", "[level]")
    yield swap(3, "[lvl]", "[a..b]")
    yield swap(3, "[lvl]", "{a: b}")
    for bad in ("<time><level> <message>", "<message...> <message>", "<a", "", "<1a>", "<time> <time>", "<a b>", "<a><b...>", "<>", "<...>"):
        yield swap(5, "<time> [<logger>] <level> <message>", bad)
    yield swap(5, "}", ", continuation: glue}")
    yield swap(5, "}", ", time: {layout: '%Q'}}")
    yield swap(5, "}", ", time: {layout: '%Y', zone: Mars/Base}}")
    yield swap(5, "}", ", time: 5}")
    yield swap(5, "pattern", "patern")
    yield swap(5, "plain: {", "plain: [")
    # metrics
    for word in ("count", "Counter", "summary", "", "[counter]", "gauge2"):
        yield swap(7, "counter", word)
    for name in ("c-total", "1c", "c.total", "c total", "'c{}'", "cé", "'c\"'"):
        yield swap(7, "c_total", name)
    for label in ("a-b", "1a", "__a", "le", "quantile", "method", "'a b'", "é", "{a: b}"):
        yield swap(7, "status", label)
    yield swap(7, "[method, status]", "method")
    yield swap(7, "[method, status]", "{method: 5, status: {}}")
    yield swap(7, "[method, status]", "{method: {max: 0}, status: {}}")
    yield swap(7, "[method, status]", "{method: {max: many}, status: {}}")
    yield swap(7, "[method, status]", "{method: {max: -1}, status: {}}")
    yield swap(7, "[method, status]", "{method: {max: 1.5}, status: {}}")
    yield swap(7, "[method, status]", "{method: {values: GET}, status: {}}")
    yield swap(7, "[method, status]", "{method: {values: []}, status: {}}")
    yield swap(7, "[method, status]", "{method: {defualt: x}, status: {}}")
    yield swap(7, "[method, status]", "[" + ", ".join(f"l{i}" for i in range(17)) + "]")
    yield swap(7, "help: h", "hlep: h")
    yield swap(7, "help: h, ", "")
    yield swap(7, "type: counter, ", "")
    yield swap(7, "help: h", "help: [h]")
    yield swap(7, "help: h", "help: h, buckets: [1]")
    yield swap(7, "help: h", "help: h, unit: parsecs")
    yield swap(7, "help: h", "help: h, min: 1")
    yield swap(7, "help: h", "help: h, aliases: ['a-b']")
    yield swap(7, "help: h", "help: h, aliases: [g]")
    yield swap(7, "help: h", "help: h, aliases: {a: b}")
    yield swap(8, "min: 0", "min: none")
    yield swap(8, "min: 0", "min: '0'")
    yield swap(8, "min: 0", "min: .nan")
    yield swap(8, "min: 0", "min: 1e400")
    yield swap(8, "g: {", "g: [")
    yield swap(8, "g:", "c_total:")
    for bad in ("[]", "1", "{a: 1}", "[a]", "[1, 1]", "[1, 0.5]", "['1']", "[.inf, 1]", "[.nan]", "exp(1)", "linear(1,2)", "[1, null]", "[[1]]", "exp(0,2,5)",
                "[" + ", ".join(map(str, range(1, 300))) + "]"):
        yield swap(9, "[0.1, 1, 10]", bad)
    yield swap(9, "help: h", "help: h, unit: bytes")
    yield swap(9, "d_seconds", "g")
    # maps and tables
    yield swap(12, "{true: success, false: error}", "[a, b]")
    yield swap(12, "success", "[a]")
    yield swap(12, "success", "{a: {b: c}}")
    yield swap(12, "true: success", "success: ")
    yield swap(12, "outcome", "out-come")
    yield swap(13, "fold", "outcome")
    for bad in ("(", "[", "*a", "a{2,1}", "(?<n>a)", "(?=a)", "\\1", "a**", "[z-a]", "\\q", "(?z)", "x" * 1100, "a{1001}"):
        yield swap(14, "/\\d+", bad, f"rewrite: {bad[:20]}")
    yield swap(14, "'/{id}'", "'/\\1'")
    yield swap(14, "'/{id}'", "[a]")
    yield swap(14, ", '/{id}'", "")
    yield swap(14, "]]", "], [a]]")
    for bad in ("ttl: ten minutes", "ttl: 0s", "ttl: -5m", "ttl: [1]", "max: 0", "max: lots", "queue: maybe", "open: g2", "open: c_total", "kye: $a",
                "ttl: 1m, open: d_seconds"):
        yield swap(16, "ttl: 10m", bad)
    yield swap(16, "key: $id, ", "")
    yield swap(16, "[x]", "['a-b']")
    yield swap(16, "[x]", "{x: y}")
    yield swap(16, "  t:", "  t-2:")
    yield swap(16, "  t:", "  outcome:")
    # rules
    for word in ("mtach", "when", "patterns", "Match", "actions", "metrics", "name"):
        yield add(28, f"    {word}: 1")
    for bad in ("[event]", "event", "{event: []}", "{event: {}}", "{event: {prefx: a}}", "{event: {exists: maybe}}", "{event: {re: '('}}", "{event: {re: [a]}}",
                "{event: {prefix: [a]}}", "{a..b: 1}", "{'': 1}", "{event: e, event: f}", "{event: {not: {foo: 1}}}", "{event: [{re: '*'}]}", "{.a: 1}"):
        yield swap(19, "{event: e, level: {not: debug}}", bad)
    for bad in ("'Job <id><ms>'", "'Job <id'", "'Job <>'", "[]", "{a: b}", "''", "'<id> <id>'", "'<a-b>'", "['ok', 'x <a><b>']", "'<...>'",
                "'" + " ".join(f"<a{i}>" for i in range(70)) + "'"):
        yield swap(20, "'Job <id> done in <ms>ms'", bad)
    for bad in ("$ms >", "$", "$ms > (1", "foo > $a", "$a = 1", "$a == \"x", "nomap($a)", "outcome()", "outcome($a, $b)", "$a =~ \"(\"", "len()", "$a and", "not $",
                "$a ++ $b", "$'odd", "[$a]", "$a =~ $b", "max($a)", "$a == == 1", "($a", "$a )", "replace($a)", "t($a).nocolumn", "t($a, $b).x", "$a..b == 1", "{x: $a}"):
        yield swap(21, '$ms > 1 and $id != ""', f"'{bad}'" if bad[0] not in "[{" else bad)
    for bad in ("[a]", "{a-b: 1}", "{m: [1]}", "{m: '$a +'}", "{m: low($a)}", "{m: lower($a, $b)}", "{m: 'lower($a'}", "{1a: 2}", "{m: {a: b}}", "abc"):
        yield swap(22, "{method: lower($id), status: outcome($ok)}", bad)
    for number, old, news in (
            (24, "inc: c_total", ["inc: c_totl", "inc: d_seconds", "icn: c_total", "inc: [c_total]", "inc: ''", "{inc: c_total, value: 1}", "{inc: c_total, dec: g}",
                                  "dec: c_total", "{inc: c_total, labels: [a]}", "{inc: c_total, labels: {mthod: a}}", "{inc: c_total, labels: {a: $}}",
                                  "{inc: c_total, if: $}", "{inc: c_total, unit: ms}", "{inc: c_total, for: 5s}", "{if: $a}", "inc", "[inc: c_total]",
                                  "{delete: nothing}", "{delete: c_total, labels: {zzz: a}}", "{inc: c_total, lable: {}}", "{observe: c_total, value: 1}",
                                  "{inc: c_total, labels: {method: [a]}}", "{inc: c_total, labels: {method: '$a +'}}", "{set: c_total}", "store: nothing",
                                  "{store: skill_invocation, value: 1}", "{}", "null", "{add: g}", "{set: d_seconds, value: 1}"]),
            (25, "unit: ms", ["unit: mss", "unit: KiB", "unit: [ms]", "unit: usd", "unti: ms", "unit: ''", "labels: {x: y}", "then: 0", "for: 3s"]),
            (25, "value: $ms", ["value: ms", "vlaue: $ms", "value: [1]", "value: $", "value: '$ms *'", "value: $ms / ", "value: outcom($ms)", "value: twelve"]),
            (26, "for: 30s", ["for: soon", "for: -1s", "fro: 30s", "for: [1]", "for: '$x +'"]),
            (26, "value: $n, for: 30s", ["value: $n"]),
            (27, "unit: KiB", ["unit: s", "unit: KiBs", "unit: %"]),
            (28, "remember: t", ["remember: tt", "remember: [t]", "{remember: t, value: 1}", "remembr: t", "{remember: t, if: $}", "remember: c_total"]),
            (31, "'^(?P<id>\\w+)'", ["'('", "'(?P<id'", "'(?P<id>a)(?P<id>b)'", "'[a'", "'a(?!b)'", "'(?<=a)b'", "[a]", "'\\k<a>'", "'" + "(a)" * 17 + "'", "'*'", "'+a'",
                                     "'a{3,2}'", "'[[:foo:]]'", "'\\p{Nope}'", "'(?P<1>a)'", "'" + "a" * 1025 + "'", "'(a{500}){500}'"]),
            (33, "take: t", ["take: u", "take: [t]", "{take: t, value: 1}", "tkae: t"]),
            (34, "{dec: g, if: $x}", ["{dec: g, if: '$x ='}", "{dec: g, fi: $x}", "{dec: d_seconds}", "{dec: gg}", "{dec: g, if: [a]}", "{decr: g}"])):
        for new in news:
            yield swap(number, old, new)
    yield add(31, "    pattern: 'a <b>'", "pattern and regex")
    yield add(17, "  u: true", "a switch for nothing")
    yield add(17, "  u: {}", "a rule that does nothing")
    yield add(17, "  u: [a]", "a rule that is a list")
    yield add(17, "  u: 5", "a rule that is a number")
    yield add(17, "  u: {do: []}", "no actions")
    yield add(17, "  u: {do: {inc: c_total}}", "an action without a list")
    yield add(17, "  u: {enabled: maybe, do: [inc: g]}", "enabled: maybe")
    # form
    for number in (2, 5, 7, 12, 19, 22, 25, 34):
        yield add(number - 1, "\tx: 1", f"a tab before line {number}")
    yield swap(20, "'Job <id> done in <ms>ms'", "\"Job <id> done in <ms>ms")
    yield swap(20, "'Job <id> done in <ms>ms'", "'Job <id> done in <ms>ms")
    yield swap(21, '""', '"')
    yield swap(7, "[method, status]", "[method, status")
    yield swap(7, "status]}", "status]")
    yield swap(7, "status]}", "status]}}")
    yield swap(7, "status]", "status]]")
    yield swap(5, "'<time>", "'a' '<time>")
    yield swap(7, "type: counter", "type: &x counter")
    yield swap(7, "type: counter", "type: *x")
    yield swap(7, "type: counter", "type: !!str counter")
    yield swap(7, "type: counter", "<<: {type: counter}")
    yield swap(7, "help: h", "help: %h")
    yield swap(7, "help: h", "help: @h")
    yield swap(7, "help: h", "help: `h`")
    yield swap(7, "help: h", "help: a: b")
    yield swap(7, "type: counter", "type: counter, type: counter")
    yield swap(7, "type: counter,", "type counter,")
    yield swap(8, "  g:", " g:")
    yield swap(8, "  g:", "   g:")
    yield swap(8, "  g:", "  g")
    yield swap(24, "- inc", "-inc")
    yield swap(24, "      - inc", "     - inc")
    yield swap(20, "pattern:", "pattern")
    yield swap(20, "pattern: ", "pattern:")
    yield swap(20, "'Job", "'Job\0")
    yield swap(20, "'Job", "'Job\x07")
    yield add(10, "---", "two documents")
    yield add(10, "...", "the end in the middle")
    yield add(0, "%YAML 1.2", "a directive")
    yield add(10, "? [a]\n: b", "a complex key")
    yield add(10, "- a", "a list in a map")
    yield add(10, "word", "a word in a map")
    yield add(10, "  lost", "a lost line")
    yield add(10, '  "x\\q": {}', "a bad escape")
    yield add(10, '  x_total: {type: counter, help: "\\u12"}', "a short escape")


def bomb_faults():
    """(name, bytes, lines that are right)"""
    yield "lol", b"a: &a [x,x]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (98 + i, 98 + i, 97 + i, 97 + i) for i in range(20)), {1}
    yield "self", b"a: &a [*a]\n", {1}
    yield "depth of brackets", b"a: " + b"[" * 100000 + b"\n", {1}
    yield "closed depth", b"a: " + b"[" * 5000 + b"]" * 5000 + b"\n", {1}
    yield "depth of braces", b"a: " + b"{a: " * 40 + b"1" + b"}" * 40 + b"\n", {1}
    yield "depth of lines", b"".join(b" " * i + b"a:\n" for i in range(100)), set(range(30, 36))
    yield "depth of dashes", b"a: 1\nb:\n  " + b"- " * 2000 + b"x\n", {3}
    yield "size", b"a: '" + b"x" * (256 * 1024) + b"'\n", {1}
    yield "size of many lines", b"# comment\n" * 40000, {1, 26214, 26215, 40000}
    yield "many values", b"a: [" + b"1," * 60000 + b"1]\n", {1}
    yield "many keys", b"".join(b"k%d: 1\n" % i for i in range(26000)), set(range(1, 26001))
    yield "no UTF-8", b"a: 1\nb: \xff\xfe\n", {2}
    yield "UTF-16", "a: 1\n".encode("utf-16"), {1}
    yield "half a character", b"a: 1\nb: \xe2\x82\n", {2}
    yield "a surrogate", b"a: 1\nb: \xed\xa0\x80\n", {2}
    yield "NUL", b"a: 1\n\0\n", {2}
    yield "gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\3" * 50, {1}
    yield "binary", bytes(range(256)) * 200, set(range(1, 4))
    yield "one long line", b"rules: " + b"a" * 200000 + b"\n", {1}
    yield "long key", b"k" * 100000 + b": 1\n", {1}
    yield "a list", b"- a\n- b\n", {1}
    yield "a text", b"hello\n", {1}
    yield "a number", b"42\n", {1}
    yield "JSON, unclosed", b'{"metrics": {"a": {"type": "counter", "help": "h"}\n', {1, 2}
    yield "a quote to the end", b"a: 1\nb: '" + b"line\n" * 5000, {2}
    yield "a block to the end", b"a: 1\nhelp: |\n" + b"  line\n" * 5000, {1, 2}
    yield "many faults", b"rules:\n" + b"".join(b"  r%d: {do: [inc: m]}\n" % i for i in range(5000)), set(range(2, 5002))
    yield "many captures", b"rules:\n  r: {pattern: '" + b"<a> " * 20000 + b"', do: []}\n", {2}
    yield "deep expression", b"rules:\n  r:\n    if: '" + b"(" * 20000 + b"$a'\n    do: [store: skill_invocation]\n", {3}
    yield "deep nots", b"rules:\n  r:\n    if: '" + b"not " * 20000 + b"$'\n    do: [store: skill_invocation]\n", {3}
    yield "deep regex", b"rules:\n  r:\n    regex: '" + b"(" * 900 + b"'\n    do: [store: skill_invocation]\n", {3}
    yield "a regex that grows", b"rules:\n  r:\n    regex: '((a{100}){100}){100}'\n    do: [store: skill_invocation]\n", {3}
    yield "a regex that crawls", b"rules:\n  r:\n    regex: '[ab]*a[ab]{200}c'\n    do: [store: skill_invocation]\n", {3}
    yield "many regexes that crawl", (b"rules:\n" + b"".join(b"  r%d: {regex: '[ab]*a[ab]{%d}c', do: [store: skill_invocation]}\n" % (i, 200 + i)
                                                             for i in range(100))), set(range(2, 102))
    yield "hundreds of expensive regexes", (b"rules:\n" + b"".join(
        b"  r%d: {regex: '%s', do: [store: skill_invocation]}\n" % (i, (b"[ab]*a[ab]{%d}c", b".{0,%d}error.{0,300}timeout", rb"(\w+[ .]?){%d}:$")[i % 3] % (9 + i))
        for i in range(600))), set(range(2, 602))


def settings_faults():
    lines = SETTINGS.split("\n")

    def swap(number, old, new):
        assert old in lines[number - 1]
        return (f"settings {number}: {old} -> {new}", "\n".join(lines[:number - 1] + [lines[number - 1].replace(old, new, 1)] + lines[number:]), number)
    yield swap(1, "1", "3")
    for bad in ("localhost", ":0", ":99999", "a:b:c", "[::1:80", "8081", "", "[a]", ":http"):
        yield swap(2, "127.0.0.1:8081", bad)
    for bad in ("[ari]", "arias", "{a: b}", "[auto, 5]", "[[aria]]"):
        yield swap(3, "[aria]", bad)
    for bad in ("[[a]]", "[{a: b}]", "[null]"):
        yield swap(4, "[rules.d]", bad)
    for bad in ("lisen: :80", "target: []", "limit: {}", "METRICS_PORT: 1"):
        yield swap(4, "rules: [rules.d]", bad)
    yield swap(6, "name: a", "nmae: a")
    yield swap(6, "name: a", "name: [a]")
    yield swap(7, "path", "paths")
    yield swap(7, "/var/log/a/*.log", "")
    yield swap(7, "/var/log/a/*.log", "{a: b}")
    yield swap(8, "auto", "podman")
    yield swap(8, "wrapper", "wraper")
    yield swap(9, "end", "start")
    yield swap(9, "from", "form")
    for bad in ("256XB", "-1", "lots", "1e9", "99999999999999999999", "1", "0"):
        yield swap(11, "256KiB", bad)
    for bad in ("-5", "many", "1.5", "0"):
        yield swap(12, "1000", bad)
    yield swap(12, "series", "serise")
    yield swap(14, "dir", "dri")


# Seconds of CPU time that a check may take. A build without a sanitizer holds it, optimised or not; what RE2 costs under one is many times that.
MOST_SECONDS = 15.0 if driver.SANITIZED else 1.0


class Broken(unittest.TestCase):
    def measure(self, args, cwd):
        """Findings, exit code, CPU seconds and the most memory (MB) of one run."""
        environment = driver.environment(HOME="/nonexistent", XDG_CONFIG_HOME="")
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen([driver.BINARY, "check", "--format", "json", *args], stdout=out, stderr=subprocess.DEVNULL, cwd=cwd, env=environment)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            findings = [json.loads(line) for line in out.read().splitlines()]
        return findings, process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

    def test_each_names_its_line(self):
        with tempfile.TemporaryDirectory() as folder:
            base = pathlib.Path(folder)
            (base / "base.yaml").write_text(BASE)
            self.assertEqual([f for f in self.measure(["base.yaml"], folder)[0] if f["severity"] == "error"], [])
            (base / "rules.d").mkdir()
            (base / "logtally.yaml").write_text(SETTINGS)
            self.assertEqual([f for f in self.measure(["logtally.yaml"], folder)[0] if f["severity"] == "error"], [])
            cases = [(name, "rules.yaml", text.encode(), {line}) for name, text, line in rule_faults()]
            cases += [(name, "logtally.yaml", text.encode(), {line}) for name, text, line in settings_faults()]
            cases += [(name, "rules.yaml", text, lines) for name, text, lines in bomb_faults()]
            self.assertGreaterEqual(len(cases), 300)
            wrong = []
            slowest = most = 0.0
            for name, file, text, lines in cases:
                (base / file).write_bytes(text)
                findings, code, seconds, megabytes = self.measure([file], folder)
                errors = [f for f in findings if f["severity"] == "error"]
                most = max(most, megabytes)
                if code != 1:
                    wrong.append(f"{name}: exit {code}")
                elif not any(f["line"] in lines for f in errors):
                    wrong.append(f"{name}: says {[(f['line'], f['code'], f['message']) for f in errors][:3]}, the fault is in {sorted(lines)[:3]}")
                elif errors[0]["line"] not in lines:
                    wrong.append(f"{name}: first says {(errors[0]['line'], errors[0]['code'], errors[0]['message'])}")
                elif file == "logtally.yaml" or isinstance(name, str) and ": " in name:
                    if len(errors) > 1 and any(f["code"] == "E012" for f in errors):
                        wrong.append(f"{name}: a slip is told twice: {[(f['line'], f['code'], f['message']) for f in errors][:3]}")
                for _ in range(2):  # a busy machine makes CPU time dear, not every time
                    if seconds > MOST_SECONDS:
                        seconds = min(seconds, self.measure([file], folder)[2])
                slowest = max(slowest, seconds)
                if seconds > MOST_SECONDS or (megabytes > 64 and not driver.SANITIZED):
                    wrong.append(f"{name}: {seconds:.2f} s, {megabytes:.0f} MB")
            print(f"{len(cases)} broken files: {len(cases) - len(wrong)} as they should be; at most {slowest:.2f} s of CPU time, {most:.0f} MB", file=sys.stderr)
            self.assertEqual(wrong, [], "\n".join(wrong))


if __name__ == "__main__":
    unittest.main()
