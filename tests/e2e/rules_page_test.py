"""docs/rules.md: its tables are the program's, and every example in it is a file that is sound, passes its tests and needs no packs.

After a change of config/rule_words.cc:  LOGTALLY_UPDATE=1 python3 tests/e2e/rules_page_test.py  writes the tables anew.
"""
import os
import pathlib
import re
import tempfile
import unittest

import driver

PAGE = driver.SOURCE / "docs" / "rules.md"
TOPICS = ["patterns", "fields", "functions", "units", "redaction"]


class RulesPage(unittest.TestCase):
    def test_tables_are_the_programs(self):
        text = PAGE.read_text()
        for topic in TOPICS:
            with self.subTest(topic):
                made = driver.run("__reference", topic)
                self.assertEqual((made.returncode, made.stderr), (0, b""))
                begin, end = f"<!-- {topic} -->\n", "<!-- end -->"
                self.assertEqual(text.count(begin), 1)
                before, behind = text.split(begin)
                if os.environ.get("LOGTALLY_UPDATE"):
                    text = before + begin + made.stdout.decode() + behind[behind.index(end):]
                    PAGE.write_text(text)
                else:
                    self.assertEqual(behind[:behind.index(end)], made.stdout.decode(), "LOGTALLY_UPDATE=1 python3 tests/e2e/rules_page_test.py")

    def test_examples(self):
        blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S)
        self.assertGreaterEqual(len(blocks), 10)
        for number, block in enumerate(blocks):
            with self.subTest(number), tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder) / "rules.yaml"
                file.write_text(block)
                packs = re.findall(r"^# with --pack (\w+)$", block, re.M)
                flags = [f"--pack={pack}" for pack in packs]
                done = driver.run("check", "--strict", "--color=never", *flags, file)
                self.assertEqual(done.returncode, 0, done.stdout.decode() + block)
                if packs:
                    continue
                self.assertIn("tests:", block)
                done = driver.run("test", "--color=never", file)
                self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())

    def test_help_points_to_it(self):
        for args in (["help", "rules"], ["help", "units"]):
            self.assertIn(b"docs/rules.md", driver.run(*args).stdout)

    def test_packs_are_printed_as_they_are(self):
        for pack in ("aria", "skillmeat"):
            printed = driver.run("help", "pack", pack)
            self.assertEqual(printed.stdout, (driver.SOURCE / "config" / "packs" / f"{pack}.yaml").read_bytes())
            self.assertIn(pack.encode(), driver.run("help", "packs").stdout)
        wrong = driver.run("help", "pack", "ari")
        self.assertEqual((wrong.returncode, wrong.stderr), (2, b"error: there is no pack `ari`; did you mean `aria`?\n"))


if __name__ == "__main__":
    driver.main()
