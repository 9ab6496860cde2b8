"""Secrets planted in every sample and fixture appear in no output of any verb."""
import json
import pathlib
import re
import tempfile
import unittest

import driver

# By name: the secret that may appear nowhere, and the text that carries it.
SECRETS = {
    "key": ("sk-proj-Zq7wPlantedKeyA1b2c3d4", "Incorrect API key provided: {}"),
    "github": ("ghp_Zq7wPlantedTokenA1b2c3d4e5f6", "cloning with {} failed"),
    "slack": ("xoxb-998877665-PlantedSlackA1b2c3", "slack said no to {}"),
    "aws": ("AKIAZQ7WPLANTEDKEY99", "aws {}"),
    "bearer": ("Zq7w.PlantedBearer-A1b2", "Authorization: Bearer {}"),
    "telegram": ("AAZq7wPlantedBotTokenA1b2c3d4", "HTTP Request: POST https://api.telegram.org/bot123456789:{}/getMe"),
    "jwt": ("eyJhbGciOiJQbGFudGVk.eyJzdWIiOiJQbGFudGVk.UGxhbnRlZFNpZw", "jwt {} expired"),
    "query": ("Zq7wPlantedQuery", "GET /api/x?limit=5&access_token={} HTTP/1.1"),
    "url": ("Zq7wPlantedPassword", "cannot connect to postgresql://aria:{}@db:5432/aria"),
    "email": ("planted.person@zq7w.example", "published by {}"),
}
MARK = re.compile(r"planted|UGxhbnRlZ|UGxhbnRlZA", re.IGNORECASE)

# As the packs do: `test` knows the files that it is given, and no pack.
REDACT = "redact:\n" + "".join(f"  {shape}: {{builtin: {shape}}}\n" for shape in (
    "key", "bearer", "telegram", "jwt", "query_token", "url_password", "private_key", "email"))

SEEN = """
metrics:
  seen_lines_total: {type: counter, help: What the rules see, labels: {line: {max: 100000}, rest: {default: '', max: 100000}}, max_series: 100000}
rules:
  see_all: {do: [{inc: seen_lines_total, labels: {line: $_line, rest: $_rest}}]}
"""


def shapes(text, secret):
    """The text with a secret in it, as engines would write it; each item is one or more lines."""
    stamp = "2026-02-28 10:30:45"
    alone = secret if secret.startswith(("sk-", "gh", "xox", "AKIA", "eyJ", "planted")) else "x"  # has a shape of its own
    quoted = json.dumps(text)
    yield json.dumps({"timestamp": stamp, "level": "ERROR", "event": text, "extra": {"detail": text, alone: 1}})
    yield json.dumps({"message": text}).replace("/", "\\/").replace("&", "\\u0026").replace("=", "\\u003d")
    yield json.dumps({"message": json.dumps({"inner": text}), "args": ["x", text]})
    yield f"{stamp} [aria.engine.llm] ERROR {text}"
    yield f"{stamp} - skillmeat.api - ERROR - {text}"
    yield f"{stamp} [error    ] failed                   [aria] detail={quoted} url='{text}' bare={alone}"
    yield f"{stamp} [aria] WARNING state {{'detail': '{text}', 'n': 1}}"
    yield (f"{stamp} [aria.engine] ERROR Job failed\nTraceback (most recent call last):\n  File \"/app/x.py\", line 1, in run\n"
           f"    call('{text}')\nValueError: {text}")
    yield text
    yield json.dumps({"log": f"{stamp} [aria] ERROR {text}\n", "stream": "stderr", "time": "2026-02-28T10:30:45Z"})
    whole = f"{stamp} [aria] ERROR " + "x" * 60 + text
    cut = len(whole) - len(text) // 2
    pieces = (whole[:cut], whole[cut:] + "\n")  # docker's pieces of a long line
    yield "\n".join(json.dumps({"log": piece, "stream": "stdout", "time": "2026-02-28T10:30:45Z"}) for piece in pieces)
    yield f"2026-02-28T10:30:45.123456789Z stdout F {stamp} [aria] ERROR {text}"
    yield f"2026-02-28T10:30:45.1Z stderr P {whole[:cut]}\n2026-02-28T10:30:45.1Z stderr F {whole[cut:]}"


def planted():
    lines = []
    for secret, text in SECRETS.values():
        lines += shapes(text.format(secret), secret)
    return lines


class Redaction(unittest.TestCase):
    def no_secret(self, what, *texts):
        for text in texts:
            text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
            found = MARK.search(text)
            if found:
                at = found.start()
                self.fail(f"{what} shows a secret: …{text[max(0, at - 200):at + 80]}…")

    def files(self):
        fixtures = sorted((driver.SOURCE / "fixtures").rglob("*.log"))
        shared = sorted(p for p in (driver.SHARED / "samples").glob("*.log*") if p.is_file())
        if not shared:
            print("SKIPPED: the samples are not here; fixtures alone")
        return fixtures + shared

    def test_no_output_of_any_verb(self):
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            rules = directory / "seen.yaml"
            rules.write_text("version: 1\n" + SEEN)
            lines = planted()
            for path in self.files():
                sample = path.read_bytes().decode("utf-8", "replace").splitlines()[:400]
                for i, text in enumerate(lines):  # spread over the sample
                    sample.insert((i * 7) % (len(sample) + 1), text)
                mixed = directory / "mixed.log"
                mixed.write_text("\n".join(sample) + "\n")
                ran = driver.run("run", "--once", "--print-metrics", "--rules", rules, mixed)
                self.assertEqual(ran.returncode, 0, ran.stderr)
                self.no_secret(f"run {path.name}", ran.stdout, ran.stderr)
                self.assertIn(b"seen_lines_total", ran.stdout)

    def test_explain_check_and_test(self):
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            rules = directory / "seen.yaml"
            rules.write_text("version: 1\n" + SEEN)
            log = directory / "mixed.log"
            log.write_text("\n".join(planted()) + "\n")
            for args in (("explain", "--rules", rules, "--file", log),
                         ("explain", "--rules", rules, "--format", "json", "--file", log),
                         ("check", "--sample", log, rules)):
                with open(log, "rb") as feed:
                    ran = driver.run(*args, stdin=feed)
                self.assertNotEqual(ran.returncode, 2, ran.stderr[-300:])
                self.no_secret(" ".join(map(str, args)), ran.stdout, ran.stderr)
            for text in planted():
                if "\n" in text:
                    continue
                ran = driver.run("explain", "--rules", rules, text)
                self.no_secret("explain LINE", ran.stdout, ran.stderr)

    def test_a_served_page(self):
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            rules = directory / "seen.yaml"
            rules.write_text("version: 1\n" + SEEN)
            log = directory / "mixed.log"
            lines = "\n".join(planted()) + "\n"
            log.write_text(lines)
            with driver.Server("--from-beginning", "--rules", rules, log) as server:
                driver.until(lambda: server.scrape().sum("logtally_lines_read_total") == lines.count("\n"), "the log is read")
                for path in ("/metrics", "/health", "/-/ready", "/nothing?token=x"):
                    self.no_secret(path, server.get(path).content)
                page = server.scrape()
                found = sum(int(value) for (sample, _), value in page.samples.items() if sample == "logtally_redactions_total")
                self.assertGreater(found, len(SECRETS))
                self.assertGreater(page.sum("seen_lines_total"), len(SECRETS))
            self.no_secret("stderr", server.stderr())

    def test_a_failing_test(self):
        with tempfile.TemporaryDirectory() as name:
            rules = pathlib.Path(name) / "seen.yaml"
            lines = "".join(f"      {line}\n" for text in planted() for line in text.split("\n"))
            rules.write_text("version: 1\n" + REDACT + SEEN + f"tests:\n  - name: fails\n    lines: |\n{lines}    expect: |\n"
                             "      seen_lines_total{line=\"x\",rest=\"\"} 1\n")
            for form in ("human", "junit", "tap"):
                ran = driver.run("test", "--format", form, rules)
                self.assertEqual(ran.returncode, 1, ran.stderr[-300:])
                self.assertIn(b"seen_lines_total", ran.stdout + ran.stderr)
                self.no_secret(f"test --format {form}", ran.stdout, ran.stderr)


if __name__ == "__main__":
    driver.main()
