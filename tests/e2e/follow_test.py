"""A file is followed through what log rotation does to it; no line is lost, none counted twice."""
import os
import pathlib
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


def line(event):
    return f'{{"event":"{event}"}}\n'


class Follow(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.rules = self.path("rules.yaml")
        self.rules.write_text(RULES)
        self.log = self.path("engine.log")

    def path(self, name):
        return pathlib.Path(self.dir.name, name)

    def append(self, text, path=None):
        with open(path or self.log, "a") as f:
            f.write(text)

    def serve(self, *args):
        return driver.Server("--pack", "none", "--rules", self.rules, *args)

    def wait(self, server, event, n):
        driver.until(lambda: server.scrape().get("seen_total", event=event) == n, f"{event} is {n}")

    def check_once(self, server, **want):
        """Nothing more than what was waited for has come: asked after a later line has been seen."""
        self.assertEqual({dict(k)["event"]: v for k, v in server.scrape().of("seen_total").items()}, want)

    def test_lines_of_before_are_read_only_when_asked(self):
        self.append(line("old"))
        with self.serve(self.log) as s:
            self.append(line("new"))
            self.wait(s, "new", 1)
            self.check_once(s, new=1)
        with self.serve("--from-beginning", self.log) as s:
            self.append(line("newer"))
            self.wait(s, "newer", 1)
            self.check_once(s, old=1, new=1, newer=1)

    def test_a_partial_line_waits_for_its_end(self):
        self.append("")
        with self.serve("--from-beginning", self.log) as s:
            self.append(line("a") + '{"event":')
            self.wait(s, "a", 1)
            self.append('"late"}')
            self.assertEqual(s.scrape().sum("logtally_lines_total", outcome="failed"), 0)
            self.append("\n" + line("b"))
            self.wait(s, "b", 1)
            self.check_once(s, a=1, late=1, b=1)

    def test_renamed_and_made_anew(self):
        self.append(line("first"))
        with self.serve("--from-beginning", self.log) as s:
            self.wait(s, "first", 1)
            for turn in range(1, 4):
                old = self.path(f"engine.log.{turn}")
                os.rename(self.log, old)
                self.append(line("late"), old)      # the engine still writes to the old one
                self.append(line("fresh"))
                self.wait(s, "fresh", turn)
                self.wait(s, "late", turn)
            self.check_once(s, first=1, late=3, fresh=3)
            self.assertGreater(s.scrape().sum("logtally_rotations_total"), 0)

    def test_copied_and_truncated(self):
        self.append(line("first") * 100)
        with self.serve("--from-beginning", self.log) as s:
            self.wait(s, "first", 100)
            os.truncate(self.log, 0)
            self.append(line("second"))
            self.wait(s, "second", 1)
            self.append(line("third"))
            self.wait(s, "third", 1)
            self.check_once(s, first=100, second=1, third=1)

    def test_removed_and_back(self):
        self.append(line("first"))
        with self.serve("--from-beginning", self.log) as s:
            self.wait(s, "first", 1)
            os.unlink(self.log)
            self.append(line("back"))
            self.wait(s, "back", 1)
            self.check_once(s, first=1, back=1)

    def test_files_that_appear_later_are_read_from_their_beginning(self):
        with self.serve(self.path("*.log")) as s:
            self.append(line("a") * 3, self.path("one.log"))
            self.wait(s, "a", 3)
            self.append(line("b") * 2, self.path("two.log"))
            self.wait(s, "b", 2)
            self.append(line("a"), self.path("one.log"))
            self.wait(s, "a", 4)
            self.check_once(s, a=4, b=2)


if __name__ == "__main__":
    driver.main()
