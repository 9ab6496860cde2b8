"""Reloads under load: files are added, changed, broken and removed while lines come as fast as they are taken. No line is lost or
counted twice, an untouched series never goes back, every broken file is answered with 422 and the others with 200.

`--full`: 1,000 reloads at up to 200 MB/s, with the figures; else 60.
"""
import fcntl
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import driver

FULL = "--full" in sys.argv
RELOADS = 1000 if FULL else 60
RATE = 200e6 if FULL else 20e6  # bytes a second, at most

BASE = """metrics:
  base_total: {type: counter, help: Lines, labels: [kind]}
  base_seconds: {type: histogram, help: Durations, buckets: [1, 5]}
rules:
  base:
    match: {event: work}
    do:
      - inc: base_total
      - {observe: base_seconds, value: $took}
"""
EXTRA = """# version %d
metrics:
  extra%d_total: {type: counter, help: Lines of %d, labels: [%s]}
rules:
  extra%d:
    match: {event: work}
    do: [{inc: extra%d_total}]
"""
BROKEN = ["metrics:\n  bad_total: {typ: counter, help: x}\n", "rules:\n  bad: {do: [{inc: nothing_total}]}\n", "metrics: {bad: 'never closed\n"]
# Lines of 300 bytes and a little.
BLOCK = b"".join(
    b'{"timestamp":"2026-03-01T10:00:00.%03dZ","level":"info","logger":"engine.worker","event":"work","kind":"%s","took":%d,"n":%d,"detail":"%s"}\n'
    % (i % 1000, b"abc"[i % 3:i % 3 + 1], i % 7, i, b"a detail that no rule asks for " * 6) for i in range(3000))


class Stress(unittest.TestCase):
    def test_reloads(self):
        with tempfile.TemporaryDirectory() as d:
            rules = pathlib.Path(d, "rules.d")
            rules.mkdir()
            (rules / "base.yaml").write_text(BASE)
            with driver.Server("--pack", "none", "--rules", rules, stdin=subprocess.PIPE) as server:
                self.drive(server, rules)

    def drive(self, server, rules):
        done, blocks, scrapes, back = threading.Event(), [0], [0], []

        def feed():
            fcntl.fcntl(server.process.stdin, fcntl.F_SETPIPE_SZ, 1 << 20)
            begin = time.monotonic()
            while not done.is_set():
                server.process.stdin.write(BLOCK)
                blocks[0] += 1
                ahead = blocks[0] * len(BLOCK) / RATE - (time.monotonic() - begin)
                if ahead > 0.01:
                    done.wait(ahead)
            server.process.stdin.flush()

        def poll():
            last = {}
            while not done.is_set():
                page = server.scrape()
                for key, value in page.samples.items():
                    if not key[0].startswith(("base_", "logtally_lines", "logtally_rule_matched")) or "extra" in str(key):
                        continue
                    if float(value) < last.get(key, 0):
                        back.append((key, last[key], value))
                    last[key] = float(value)
                if missing := set(last) - set(page.samples):
                    back.append(("missing", missing))
                scrapes[0] += 1
                done.wait(0.02)

        threads = [threading.Thread(target=feed), threading.Thread(target=poll)]
        for t in threads:
            t.start()
        random.seed(4)
        begin, wrong, broken, slowest = time.monotonic(), [], 0, 0.0
        try:
            for i in range(RELOADS):
                bad = rules / "bad.yaml"
                want = 200
                if i % 3 == 1:
                    bad.write_text(random.choice(BROKEN))
                    want, broken = 422, broken + 1
                else:
                    bad.unlink(missing_ok=True)
                    n = random.randrange(6)
                    file = rules / f"extra{n}.yaml"
                    if file.exists() and random.random() < 0.4:
                        file.unlink()
                    else:
                        file.write_text(EXTRA % (i, n, n, random.choice(["kind", "took"]), n, n))
                asked = time.monotonic()
                answer = server.request("POST", "/-/reload")
                slowest = max(slowest, time.monotonic() - asked)
                if answer.status != want:
                    wrong.append((i, answer.status, answer.content))
        finally:
            took = time.monotonic() - begin
            done.set()
            for t in threads:
                t.join()
        self.assertEqual(wrong, [])
        self.assertEqual(back, [])
        lines = blocks[0] * 3000
        driver.until(lambda: server.scrape().sum("logtally_lines_read_total") == lines, "all lines are read")
        page = server.scrape()
        for kind in "abc":
            self.assertEqual(page.get("base_total", kind=kind), lines // 3)
        self.assertEqual(page.get("base_seconds_count"), lines)
        self.assertEqual(page.get("base_seconds_sum"), blocks[0] * sum(i % 7 for i in range(3000)))
        self.assertEqual(page.get("logtally_rule_matched_total", rule="base"), lines)
        print(f"{RELOADS} reloads in {took:.1f} s, {broken} broken files answered 422, slowest {slowest * 1000:.0f} ms; {lines} lines, "
              f"{blocks[0] * len(BLOCK) / took / 1e6:.0f} MB/s of lines, {scrapes[0]} scrapes, nothing went back")


sys.argv = [a for a in sys.argv if a != "--full"]
driver.main()
