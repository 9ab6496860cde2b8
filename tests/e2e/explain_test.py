"""`logtally explain`: what people and programs read, where lines come from, and that it agrees with `run`."""
import collections
import json
import tempfile
import unittest
from decimal import Decimal
from pathlib import Path

from driver import SHARED, SOURCE, Exposition, run

LINE = ('{"skill":"browser","operation":"navigate","success":false,"latency_ms":30012.7,"error_type":"TimeoutError",'
        '"event":"skill_execution","level":"warning","timestamp":"2026-02-25T14:32:01.5Z"}')
TEXT = "2026-02-25 14:32:01 [aria.engine.scheduler] INFO Job work_cycle completed in 932ms"


def explained(*args, stdin=None, code=0):
    done = run("explain", "--format", "json", *args, stdin=stdin)
    assert done.returncode == code, (done.returncode, done.stderr.decode())
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


class Human(unittest.TestCase):
    def test_one_line_from_the_argument(self):
        done = run("explain", LINE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, b"")
        text = done.stdout.decode()
        for part in ("line       json, 8 fields, ", "2026-02-25T14:32:01.500Z   from `timestamp` (RFC 3339)",
                     'warning                    from `level` = "warning"', "rule skill_execution", "MATCH",
                     'aria_skill_executions_total{skill_name="browser",status="error"}  +1',
                     '{skill_name="browser"}  30012.7 ms → 30.0127 s  le="+Inf"', "! above the last bucket (30)",
                     'store    skill_invocation  skill_name="browser"', "(--all shows them)", "in all     1 rule matches: 7 changes of series"):
            self.assertIn(part, text)
        self.assertNotIn("\x1b", text)

    def test_all_shows_every_rule_and_colour_on_demand(self):
        done = run("explain", "--all", "--color", "always", LINE)
        self.assertIn(b"\x1b[", done.stdout)
        self.assertNotIn(b"--all", done.stdout)
        self.assertGreater(done.stdout.count(b"rule "), 50)

    def test_no_match_names_the_nearest(self):
        done = run("explain", TEXT.replace("completed", "complete"))
        self.assertEqual(done.returncode, 0)
        last = done.stdout.decode().rstrip("\n").rsplit("\n", 1)[-1]
        self.assertTrue(last.startswith("no rule matched: the nearest is job_completed (pack aria:"), last)
        self.assertIn("`completed in ` is wanted, not `complete in 932ms`", last)

    def test_what_is_no_record_is_said(self):
        done = run("explain", '{"event":')
        self.assertEqual(done.returncode, 0)
        self.assertIn(b'logtally_lines_failed_total{reason="json"}', done.stdout)


class Sources(unittest.TestCase):
    def test_argument_file_and_pipe_say_the_same(self):
        with tempfile.TemporaryDirectory() as d:
            path = Path(d) / "x.log"
            path.write_text(TEXT)  # without a newline at its end
            answers = [explained(TEXT), explained("--file", path), explained(stdin=(TEXT + "\n").encode()),
                       explained("-", stdin=TEXT.encode()), explained("--file", "-", stdin=TEXT.encode())]
        for answer in answers:
            self.assertEqual(answer, answers[0])
        self.assertEqual([r["name"] for r in answers[0][0]["rules"] if r["match"]], ["job_completed"])

    def test_a_traceback_joins_its_header(self):
        lines = (TEXT.replace("INFO", "ERROR") + "\nTraceback (most recent call last):\n  File \"a.py\", line 1, in x\n    y()\n"
                 "app.errors.Wrapped: no\n" + TEXT + "\n")
        first, second = explained(stdin=lines.encode())
        self.assertEqual((first["lines"], first["exception"]), (5, "Wrapped"))
        self.assertEqual(second["lines"], 1)

    def test_wrappers_come_off_and_are_told(self):
        docker = json.dumps({"log": LINE + "\n", "stream": "stderr", "time": "2026-02-28T14:00:00.5Z"}, separators=(",", ":"))
        cri = "2026-02-28T14:00:00.5Z stdout P hel\n2026-02-28T14:00:01Z stdout F lo"
        one, two = explained(stdin=(docker + "\n" + cri + "\n").encode())
        self.assertEqual((one["wrapper"], one["stream"], one["line"]), ("docker", "stderr", LINE))
        self.assertEqual((two["wrapper"], two["stream"], two["line"]), ("cri", "stdout", "hello"))
        self.assertEqual(two["time"]["value"], "2026-02-28T14:00:00.500Z")
        self.assertEqual(two["time"]["note"], "from the wrapper")

    def test_faults(self):
        for args, stdin, code, words in ((["--file", "/no/such/file"], None, 1, b"No such file"),
                                         (["--file", "/"], None, 1, b"is a directory"),
                                         ([], b"", 1, b"no line to explain"),
                                         ([LINE, "--file", "x"], None, 2, b"one of them"),
                                         (["--format", "xml", LINE], None, 2, b"xml"),
                                         (["--rules", "/no/such.yaml", LINE], None, 1, b"/no/such.yaml")):
            done = run("explain", *args, stdin=stdin)
            self.assertEqual(done.returncode, code, (args, done.stderr))
            self.assertIn(words, done.stderr)
            self.assertEqual(done.stdout, b"")


class Json(unittest.TestCase):
    def test_odd_bytes_stay_valid(self):
        line = b'2026-02-25 14:32:01 [a] INFO \xff\xfe "quoted" \\ \x1b[31mred\x1b[0m \x7f tab\there'
        answer, = explained(stdin=line + b"\n")
        self.assertIn('"quoted" \\ red', answer["message"]["value"])

    def test_all_has_every_rule_and_else_they_are_summed_up(self):
        short, = explained(LINE)
        long, = explained("--all", LINE)
        self.assertEqual(long["more_rules"], [])
        told = {r["name"] for r in short["rules"]} | {n for m in short["more_rules"] for n in m["rules"]}
        self.assertEqual(told, {r["name"] for r in long["rules"]})

    def sums(self, records):
        sums = collections.defaultdict(Decimal)
        for record in records:
            for rule in record["rules"]:
                for action in rule.get("actions", []):
                    if action["outcome"] == "done" and action["action"] in ("inc", "add", "observe"):
                        sums[action["series"]] += Decimal(str(action["value"]))
        return sums

    def test_adds_up_to_what_run_counts(self):
        logs = [p for p in sorted((SOURCE / "fixtures").rglob("*")) if p.suffix in (".jsonl", ".log") and "scenarios" not in p.parts]
        if (SHARED / "samples").is_dir():
            logs += [p for p in sorted((SHARED / "samples").iterdir()) if p.suffix in (".jsonl", ".log") and p.stat().st_size < 100_000]
        compared = 0
        for log in logs:
            page = Exposition(run("run", "--once", "--print-metrics", log).stdout.decode())
            sums = self.sums(explained("--file", log))
            for (name, labels), text in page.samples.items():
                family = name.removesuffix("_sum")
                kind = page.types.get(family if name.endswith("_sum") and page.types.get(family) == "histogram" else name)
                if kind not in ("counter", "histogram") or (kind == "histogram" and name == family):
                    continue
                found = [v for series, v in sums.items() if self.same(series, family if kind == "histogram" else name, labels)]
                if not found and Decimal(text) == 0:
                    continue
                self.assertEqual([float(v) for v in found], [float(text)], (log, name, labels))
                compared += 1
        self.assertGreater(compared, 100)

    @staticmethod
    def same(series, name, labels):
        head, _, rest = series.partition("{")
        written = dict(part.split("=", 1) for part in rest.rstrip("}").split('",')) if rest else {}
        return head == name and {k: v.strip('"') for k, v in written.items()} == dict(labels)


if __name__ == "__main__":
    unittest.main()
