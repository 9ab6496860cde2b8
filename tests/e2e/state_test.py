"""What outlives the process: kill -9, orderly ends, a state that is taken, damaged, without room, or of other rules."""
import os
import pathlib
import sqlite3
import subprocess
import tempfile
import time
import unittest

import driver

RULES = """
version: 1
formats:
  python: {pattern: '<time> [<logger>] <level> <message>', continuation: join}
metrics:
  lines_total: {type: counter, help: h, labels: [kind]}
  rest_total: {type: counter, help: Bytes of what continues a record.}
  took_seconds: {type: histogram, help: h, buckets: [1, 5]}
rules:
  json: {match: {m: {exists: true}}, do: [{inc: lines_total, labels: {kind: $m}}, {observe: took_seconds, value: $v}]}
  text: {pattern: 'Failed: <_>', do: [{add: rest_total, value: len($_rest)}]}
  skill: {match: {skill: {exists: true}}, let: {skill_name: $skill, duration_ms: $ms}, do: [store: skill_invocation]}
"""


class State(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.rules = self.dir / "rules.yaml"
        self.rules.write_text(RULES)
        self.log = self.dir / "engine.log"
        self.log.write_bytes(b"")
        self.state = self.dir / "state"
        self.written = 0

    def server(self, *more, **options):
        return driver.Server("--pack", "none", "--rules", self.rules, "--state-dir", self.state, "--from-beginning", *more, self.log, **options)

    def write(self, count):
        with open(self.log, "ab") as out:
            out.write(b"".join(b'{"m":"k%d","v":%d}\n' % (i % 3, i % 7) for i in range(self.written, self.written + count)))
        self.written += count

    def counted(self, server):
        return server.scrape().sum("lines_total")

    def lines_read(self, server):
        return server.scrape().sum("logtally_lines_read_total")

    @staticmethod
    def of_rules(page):
        return {key: value for key, value in page.samples.items() if not key[0].startswith(("logtally_", "process_"))}

    def sees_all(self, server):
        driver.until(lambda: self.counted(server) == self.written, f"{self.written} lines counted, not {self.counted(server)}")

    def test_a_kill_loses_and_doubles_nothing(self):
        for kill in range(6):
            with self.server() as server:
                self.assertLessEqual(self.counted(server), self.written)
                self.write(1000)
                if kill % 2:
                    self.sees_all(server)
                self.write(777)
                server.process.kill()
        with self.server() as server:
            self.sees_all(server)
            time.sleep(0.3)  # nothing more comes
            self.assertEqual(self.counted(server), self.written)

    def test_what_was_scraped_is_there_before_the_port_answers(self):
        self.write(500)
        with self.server() as server:
            self.sees_all(server)
            before = self.of_rules(server.scrape())
            server.process.kill()
        with self.server() as server:  # it answers: the first page is the last one of before
            self.assertEqual(self.of_rules(server.scrape()), before)

    def test_an_orderly_end_does_not_cut_a_record_off(self):
        self.log.write_bytes(b"2026-02-28 14:00:00 [a] ERROR Failed: x\nTraceback (most recent call last):\n")
        with self.server() as server:
            driver.until(lambda: self.lines_read(server) == 2, "both lines read")
            server.process.terminate()
            self.assertEqual(server.process.wait(), 0)
        with open(self.log, "ab") as out:
            out.write(b"ValueError: y\n")
        with self.server() as server:
            driver.until(lambda: server.scrape().get("rest_total") == len("Traceback (most recent call last):\nValueError: y"), "one record")

    def test_files_that_appear_while_it_is_down_are_read_from_their_beginning(self):
        self.log.unlink()
        glob = self.dir / "*.log"
        config = self.dir / "logtally.yaml"
        config.write_text(f"targets: [{{name: engine, path: '{glob}', from: end}}]\npacks: none\nrules: [{self.rules}]\nstate: {{dir: {self.state}}}\n")
        run = lambda: driver.Server("-c", config)
        with run() as server:
            self.assertEqual(self.counted(server), 0)
            server.process.terminate()
            server.process.wait()
        self.write(40)
        with run() as server:
            self.sees_all(server)

    def test_rows_of_skill_calls_are_kept_once(self):
        with open(self.log, "ab") as out:
            out.writelines(b'{"skill":"s%d","ms":%d}\n' % (i % 2, i) for i in range(20))
        with self.server() as server:
            driver.until(lambda: self.lines_read(server) == 20, "read")
            server.process.kill()
        with self.server() as server:
            server.process.terminate()
            server.process.wait()
        with sqlite3.connect(self.state / "state.db") as db:
            rows = db.execute("SELECT skill_name, duration_ms FROM skill_invocations ORDER BY offset").fetchall()
            self.assertEqual(rows, [(f"s{i % 2}", float(i)) for i in range(20)])
            self.assertEqual(db.execute("SELECT count(DISTINCT id) FROM skill_invocations").fetchone(), (20,))

    def test_a_second_process_is_told_who_has_the_state(self):
        with self.server() as server:
            done = driver.run("run", "--listen", f"127.0.0.1:{driver.free_port()}", "--state-dir", self.state, "--pack", "none", "--rules", self.rules, self.log)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{server.process.pid}", done.stderr.decode())

    def test_once_uses_state_when_it_is_told_to(self):
        self.write(10)
        once = ["run", "--once", "--print-metrics", "--pack", "none", "--rules", self.rules, "--state-dir", self.state, self.log]
        self.assertIn('lines_total{kind="k0"} 4', driver.run(*once).stdout.decode())
        self.write(2)
        done = driver.run(*once)
        self.assertEqual(driver.summary(done.stderr)["read"], 2)
        self.assertIn('lines_total{kind="k1"} 4', done.stdout.decode())

    def test_damaged_state_is_refused_or_begun_anew_as_the_file_says(self):
        self.write(100)
        with self.server() as server:
            self.sees_all(server)
            server.process.terminate()
            server.process.wait()
        data = bytearray((self.state / "state.db").read_bytes())
        data[4096:12288] = bytes(8192)
        (self.state / "state.db").write_bytes(data)
        arguments = ["--pack", "none", "--rules", self.rules, "--state-dir", self.state]
        done = driver.run("run", "--once", *arguments, self.log)
        self.assertEqual(done.returncode, 1)
        text = done.stderr.decode()
        self.assertIn("state.db", text)
        self.assertIn("on_corrupt", text)
        config = self.dir / "logtally.yaml"
        config.write_text(f"packs: none\nrules: [{self.rules}]\nstate: {{on_corrupt: beginning}}\n")
        done = driver.run("run", "-c", config, "--once", "--state-dir", self.state, self.log)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(driver.summary(done.stderr)["read"], 100)
        self.assertTrue(list(self.state.glob("state.db.corrupt-*")))

    def test_other_rules_at_a_restart_keep_what_is_the_same(self):
        self.write(30)
        with self.server() as server:
            self.sees_all(server)
            server.process.terminate()
            server.process.wait()
        self.rules.write_text(RULES.replace("took_seconds: {type: histogram, help: h, buckets: [1, 5]}", "took_seconds: {type: histogram, help: h, buckets: [2]}"))
        with self.server() as server:
            self.assertEqual(self.counted(server), 30)
            self.assertFalse(server.scrape().get("took_seconds_count"))
            self.assertIn("took_seconds", server.stderr().decode())

    @unittest.skipUnless(os.geteuid() == 0, "needs root: a file system of its own")
    def test_a_full_disk_stops_reading_and_loses_nothing(self):
        self.state.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", self.state], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest(mounted.stderr.decode())
        self.addCleanup(lambda: subprocess.run(["umount", "-l", self.state]))
        with self.server() as server:
            self.write(100)
            self.sees_all(server)
            filler = self.state / "filler"
            with open(filler, "wb", buffering=0) as out:
                try:
                    while True:
                        out.write(bytes(4096))
                except OSError:
                    pass
            self.write(5000)
            with open(self.log, "ab") as out:
                out.writelines(b'{"m":"other%d","v":1}\n' % i for i in range(3000))
            self.written += 3000
            driver.until(lambda: server.get("/-/ready").status == 503, "not ready")
            self.assertIn("state", server.get("/-/ready").content.decode())
            self.assertLessEqual(self.counted(server), self.written)
            filler.unlink()
            driver.until(lambda: server.get("/-/ready").status == 200, "ready again")
            self.assertGreater(server.scrape().get("logtally_commit_failures_total", reason="no_space"), 0)
            driver.until(lambda: self.lines_read(server) == self.written, "everything read")
            # 2,000 series and the one for all others.
            self.assertEqual(self.counted(server), self.written)
            server.process.kill()
        with self.server() as server:
            self.sees_all(server)


if __name__ == "__main__":
    driver.main()
