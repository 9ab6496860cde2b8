"""Distinct values without end into a label with a `max`: the total is exact, memory is bounded, the log says it once.

By hand: `cardinality_test.py --full` does it with ten million values.
"""
import os
import subprocess
import sys
import tempfile
import time
import unittest

import driver

FULL = "--full" in sys.argv
BAR = 64_000_000
VALUES = 10_000_000 if FULL else 100_000 if driver.SANITIZED else 300_000

RULES = b"""
metrics:
  requests_total: {type: counter, help: h, labels: {path: {max: 200}, status: {}}}
  bytes_total: {type: counter, help: h, labels: [path]}
  seconds: {type: histogram, help: h, labels: {path: {max: 50, overflow: rest}}, buckets: [1, 10], max_series: 20}
rules:
  request:
    match: {event: request}
    do: [inc: requests_total, {add: bytes_total, value: $bytes}, {observe: seconds, value: $took}]
"""


class Pieces:
    """The lines of so many values, in pieces."""

    PER_PIECE = 10_000

    def __init__(self, values):
        self.values = values

    def __iter__(self):
        for first in range(0, self.values, self.PER_PIECE):
            yield b"".join(b'{"event":"request","path":"/item/%d","status":"%d","bytes":3,"took":2}\n' % (i, 200 + i % 3)
                           for i in range(first, min(first + self.PER_PIECE, self.values)))


class Cardinality(unittest.TestCase):
    def test_many_values(self):
        with tempfile.TemporaryDirectory() as directory:
            rules = f"{directory}/rules.yaml"
            with open(rules, "wb") as f:
                f.write(RULES)
            begin = time.monotonic()
            code, rss, out, err = run(["run", "--once", "--print-metrics", "--pack", "none", "--rules", rules], Pieces(VALUES))
            took = time.monotonic() - begin
        self.assertEqual(code, 0, err[-2000:])
        print(f"{VALUES} values: peak RSS {rss / 1e6:.1f} MB, {took:.1f} s", file=sys.stderr)
        s = driver.summary(err)
        self.assertEqual((s["read"], s["matched"], s["failed"]), (VALUES, VALUES, 0))
        page = driver.Exposition(out.decode())

        requests = page.of("requests_total")
        self.assertEqual(page.sum("requests_total"), VALUES)
        self.assertEqual({dict(labels)["path"] for labels in requests}, {f"/item/{i}" for i in range(200)} | {"other"})
        self.assertEqual(len(requests), 200 + 3)
        self.assertEqual(page.sum("bytes_total"), 3 * VALUES)
        self.assertEqual(len(page.of("bytes_total")), 2000 + 1)
        self.assertEqual({dict(labels)["path"] for labels in page.of("seconds_count")}, {f"/item/{i}" for i in range(20)} | {"other"})
        self.assertEqual((page.sum("seconds_count"), page.sum("seconds_sum")), (VALUES, 2 * VALUES))
        self.assertEqual(page.sum("seconds_bucket", le="10"), VALUES)

        text = err.decode()
        for told in ("label path of requests_total has its 200 values (max): further ones become `other`",
                     "metric bytes_total has its 2000 series (limits.series_per_metric): further ones are counted under `other`",
                     "metric seconds has its 20 series (its max_series): further ones are counted under `other`",
                     "label path of seconds has its 50 values (max): further ones become `rest`"):
            self.assertEqual(text.count(told), 1, (told, text[-3000:]))
        if not driver.SANITIZED:
            self.assertLessEqual(rss, BAR)

    def test_the_programs_own_metrics(self):
        values = 5000
        with tempfile.TemporaryDirectory() as directory:
            with open(f"{directory}/rules.yaml", "wb") as f:
                f.write(RULES + b"  start: {match: {event: start}, do: [remember: open]}\n"
                                b"  end: {match: {event: end}, do: [take: open]}\n"
                                b"tables: {open: {key: $id, ttl: 1h, max: 3}}\n")
            with open(f"{directory}/in.log", "wb") as f:
                for piece in Pieces(values):
                    f.write(piece)
                for i in range(5):
                    f.write(b'{"event":"start","id":"%d"}\n' % i)
                f.write(b'{"event":"end","id":"0"}\n{"event":"end","id":"4"}\n')
            with driver.Server("--pack", "none", "--rules", f"{directory}/rules.yaml", "--from-beginning", f"{directory}/in.log") as server:
                def overflow(metric, label):
                    return ("logtally_series_overflow_total", {"metric": metric, "label": label})

                want = [
                    (overflow("requests_total", "path"), values - 200),
                    (overflow("requests_total", "all"), 0),
                    (overflow("bytes_total", "all"), values - 2000),
                    (overflow("seconds", "path"), values - 50),
                    (overflow("seconds", "all"), values - 20),
                    (("logtally_series", {"metric": "bytes_total"}), 2001),
                    (("logtally_table_rows", {"table": "open"}), 2),
                    (("logtally_table_expired_total", {"table": "open"}), 2),
                    (("logtally_table_missed_total", {"table": "open"}), 1),
                ]

                def seen():
                    page = server.scrape()
                    return [((name, labels), page.get(name, **labels)) for (name, labels), _ in want]
                try:
                    driver.until(lambda: seen() == want, "the program's own metrics tell of it", deadline=30)
                except AssertionError:
                    self.assertEqual(seen(), want)


def run(args, pieces):
    """Pipes the pieces into the program: its exit code, peak RSS in bytes, stdout, stderr."""
    with tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as out:
        p = subprocess.Popen([driver.BINARY, *args], stdin=subprocess.PIPE, stdout=out, stderr=err, env=driver.environment())
        try:
            for piece in pieces:
                p.stdin.write(piece)
            p.stdin.close()
        except BrokenPipeError:
            pass  # it has ended early; its exit code and stderr say why
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return p.returncode, usage.ru_maxrss * 1024, out.read(), err.read()


if __name__ == "__main__":
    sys.argv = [a for a in sys.argv if a != "--full"]
    driver.main()
