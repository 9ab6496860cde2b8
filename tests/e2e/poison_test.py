"""Lines that end the process, or hang it: skipped after a few deaths, kept in quarantine; all others are counted once. The deaths are
real ones: a library in front of RE2 dies of texts with certain words in them."""
import contextlib
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

import driver

# RE2::Match(text, from, to, anchor, groups, count) const, as it is called through the library.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
struct text { const char* data; size_t size; };
typedef bool match(const void*, const struct text*, size_t, size_t, int, void*, int);
bool _ZNK3re23RE25MatchERKNS_11StringPieceEmmNS0_6AnchorEPS1_i(const void* self, const struct text* text, size_t from, size_t to,
                                                              int anchor, void* groups, int count) {
  static match* real;
  if (!real) real = (match*)dlsym(RTLD_NEXT, "_ZNK3re23RE25MatchERKNS_11StringPieceEmmNS0_6AnchorEPS1_i");
  if (memmem(text->data, text->size, "DEADLY", 6)) raise(SIGSEGV);
  if (memmem(text->data, text->size, "HANGING", 7)) for (;;) pause();
  return real(self, text, from, to, anchor, groups, count);
}
"""

RULES = """
version: 1
formats:
  python: {pattern: '<time> [<logger>] <level> <message>', continuation: join}
metrics:
  lines_total: {type: counter, help: h, labels: [kind]}
  odd_total: {type: counter, help: h}
rules:
  json: {match: {m: {exists: true}}, do: [{inc: lines_total, labels: {kind: $m}}]}
  text: {pattern: 'Failed: <_>', let: {kind: text}, do: [inc: lines_total]}
  odd: {if: '$message =~ "q+[xyz]?u"', do: [{inc: odd_total}]}
"""


class Poison(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.shim = pathlib.Path(folder.name, "shim.so")
        source = pathlib.Path(folder.name, "shim.c")
        source.write_text(SHIM)
        subprocess.run([shutil.which("cc") or "gcc", "-shared", "-fPIC", "-O1", "-o", cls.shim, source, "-ldl"], check=True)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.rules = self.dir / "rules.yaml"
        self.rules.write_text(RULES)
        self.log = self.dir / "engine.log"
        self.log.write_bytes(b"")
        self.state = self.dir / "state"
        self.said = b""

    def arguments(self):
        return ("--pack", "none", "--rules", self.rules, "--state-dir", self.state)

    def start(self, port):
        """As a supervisor would, again and again: a process that may die at any moment."""
        self.errors = open(self.dir / "stderr", "ab")
        self.addCleanup(self.errors.close)
        return subprocess.Popen([driver.BINARY, "run", *map(str, self.arguments()), "--listen", f"127.0.0.1:{port}", "--from-beginning",
                                 str(self.log)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors,
                                env=driver.environment(LD_PRELOAD=str(self.shim)))

    def lives(self, process, port, good):
        """Whether a page comes to be as `good` wants it before the process dies."""
        end = time.monotonic() + driver.DEADLINE
        while process.poll() is None:
            try:
                page = self.page(port)
                if good(page):
                    return page
            except (OSError, driver.http.client.HTTPException):
                pass
            self.assertLess(time.monotonic(), end, "neither dead nor as it should be: " + self.words())
            time.sleep(0.02)
        return None

    @staticmethod
    def page(port):
        connection = driver.http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/metrics")
            return driver.Exposition(connection.getresponse().read().decode())
        finally:
            connection.close()

    def words(self):
        return (self.dir / "stderr").read_text(errors="replace")[-3000:]

    def until_it_lives(self, good, most=12):
        """How often it died before a page was good, and that page; it is stopped in order then."""
        for deaths in range(most):
            port = driver.free_port()
            process = self.start(port)
            self.addCleanup(process.kill)
            page = self.lives(process, port, good)
            if page is not None:
                process.terminate()
                self.assertEqual(process.wait(driver.DEADLINE), 0)
                return deaths, page
            self.assertLess(process.returncode, 0, self.words())
        self.fail(f"still dying after {most} starts: {self.words()}")

    def quarantine(self):
        with contextlib.closing(sqlite3.connect(self.state / "state.db")) as db:
            return db.execute("SELECT offset, length, CAST(bytes AS TEXT) FROM quarantine ORDER BY offset").fetchall()

    @staticmethod
    def good(count):
        return lambda page: page.sum("lines_total") == count and page.get("logtally_quarantined_lines_total") is not None

    def test_a_line_costs_four_deaths_and_then_itself(self):
        before = b"".join(b'{"m":"a","message":"quiet %d"}\n' % i for i in range(5000))
        deadly = b'{"m":"a","message":"DEADLY qu"}\n'
        after = b"".join(b'{"m":"b","message":"quiet %d"}\n' % i for i in range(5000))
        self.log.write_bytes(before + deadly + after)
        deaths, page = self.until_it_lives(self.good(10000))
        self.assertEqual(page.get("logtally_quarantined_lines_total"), 1)
        self.assertLessEqual(deaths, 5)  # four, and one more where a group ended before the line
        self.assertEqual(self.quarantine(), [(len(before), len(deadly), deadly.decode()[:-1])])
        self.assertIn(f"ended 2 times while it counted the line at byte {len(before)} of {self.log}", self.words())
        deaths, page = self.until_it_lives(self.good(10000))  # and stays out
        self.assertEqual((deaths, page.get("logtally_quarantined_lines_total")), (0, 0))

    def test_two_of_them_and_a_record_that_is_open(self):
        bad = b'{"m":"x","message":"DEADLY"}\n'
        text = b"2026-02-28 14:00:00 [a] ERROR Failed: %s\nTraceback (most recent call last):\nValueError: y\n"
        self.log.write_bytes(b'{"m":"a"}\n' + bad + text % b"quiet" + text % b"DEADLY" + b'{"m":"a"}\n' * 3 + bad + text % b"quiet")
        deaths, page = self.until_it_lives(self.good(6))
        self.assertEqual(page.get("lines_total", kind="text"), 2)
        self.assertEqual([row[2] for row in self.quarantine()], [bad.decode()[:-1], (text % b"DEADLY").decode()[:-1], bad.decode()[:-1]])
        self.assertLessEqual(deaths, 15)

    def test_kills_from_outside_quarantine_nothing(self):
        for i in range(12):
            with open(self.log, "ab") as out:
                out.write(b'{"m":"a","message":"quiet"}\n' * 20000)
            port = driver.free_port()
            process = self.start(port)
            self.addCleanup(process.kill)
            if i % 3:
                time.sleep(0.03 * i)
            else:
                self.lives(process, port, lambda page: True)
            process.kill()
            process.wait()
        deaths, page = self.until_it_lives(self.good(240000))
        self.assertEqual((deaths, page.get("logtally_quarantined_lines_total"), self.quarantine()), (0, 0, []))

    def test_the_supervisor_goes_on_behind_it_on_standard_input(self):
        code = ("import sys,time\n"
                "for i in range(3000): print('{\"m\":\"a\",\"message\":\"quiet\"}')\n"
                "print('{\"m\":\"a\",\"message\":\"DEADLY\"}')\n"
                "for i in range(3000): print('{\"m\":\"a\",\"message\":\"quiet\"}')\n"
                "sys.stdout.flush()\n"
                "sys.stdin.read()\n")
        port = driver.free_port()
        with open(self.dir / "stderr", "ab") as errors:
            process = subprocess.Popen([driver.BINARY, "exec", *map(str, self.arguments()), "--listen", f"127.0.0.1:{port}", "--",
                                        sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors,
                                       env=driver.environment(LD_PRELOAD=str(self.shim)))
        self.addCleanup(process.kill)
        page = self.lives(process, port, self.good(6000))
        self.assertIsNotNone(page, self.words())
        self.assertEqual(page.get("logtally_quarantined_lines_total"), 1)
        self.assertGreaterEqual(page.get("logtally_worker_restarts_total"), 4)
        process.stdin.close()
        self.assertEqual(process.wait(driver.DEADLINE), 0)

    def test_a_line_that_hangs_ends_the_process_and_says_where(self):
        self.log.write_bytes(b'{"m":"a","message":"HANGING"}\n')
        process = self.start(driver.free_port())
        self.addCleanup(process.kill)
        self.assertEqual(process.wait(2 * driver.DEADLINE), -6)
        self.assertIn(f"counting hangs at the lines from byte 0 of {self.log} on", self.words())


if __name__ == "__main__":
    if driver.SANITIZED:
        driver.skip("a library in front of another one, under a sanitizer")
    driver.main()
