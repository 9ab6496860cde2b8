"""Resident memory is bounded whatever comes: very many lines, and one line of hundreds of megabytes.

`./dev bench --full` does the same with 10 GB and 1 GB.
"""
import os
import subprocess
import sys
import tempfile
import unittest

import driver

BAR = 32_000_000


def feed(args, chunk, total):
    """Pipes `total` bytes of repeated `chunk` into the program: (its exit code, peak RSS in bytes, stderr)."""
    with tempfile.TemporaryFile() as err:
        p = subprocess.Popen([driver.BINARY, *args], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=err, env=driver.environment())
        left = total
        try:
            while left > 0:
                part = chunk[: min(left, len(chunk))]
                p.stdin.write(part)
                left -= len(part)
            p.stdin.close()
        except BrokenPipeError:
            pass  # it has ended early; its exit code and stderr say why
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        return p.returncode, usage.ru_maxrss * 1024, err.read()


class Memory(unittest.TestCase):
    def bounded(self, rss):
        print(f"peak RSS {rss / 1e6:.1f} MB", file=sys.stderr)
        if not driver.SANITIZED:
            self.assertLessEqual(rss, BAR)

    def test_many_lines(self):
        line = b'{"event":"x"}\n'
        lines = 1_000_000 if driver.SANITIZED else 1_000_000_000 // len(line)
        code, rss, err = feed(["run", "--once"], line * 10_000, lines * len(line))
        self.assertEqual(code, 0, err[-2000:])
        self.assertEqual(driver.summary(err)["read"], lines)
        self.bounded(rss)

    def test_one_long_line(self):
        size = 30_000_000 if driver.SANITIZED else 300_000_000
        for name, chunk in (("zeros", b"0" * (1 << 20)), ("looks like JSON", b'{"event":"' * 100_000)):
            with self.subTest(name):
                code, rss, err = feed(["run", "--once"], chunk, size)
                self.assertEqual(code, 0, err[-2000:])
                s = driver.summary(err)
                self.assertEqual((s["read"], s["failed"]), (1, 1))
                self.bounded(rss)

    def test_a_long_line_takes_no_other_with_it(self):
        code, _, err = feed(["run", "--once"], b'{"event":"x"}\n' + b"y" * 1_000_000 + b'\n{"event":"x"}\n', 1_000_029)
        self.assertEqual(code, 0, err[-2000:])
        s = driver.summary(err)
        self.assertEqual((s["read"], s["parsed"], s["failed"]), (3, 2, 1))


if __name__ == "__main__":
    driver.main()
