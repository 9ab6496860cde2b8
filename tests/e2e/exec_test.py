"""`logtally exec`: the command lives its own life, whatever becomes of what counts its output."""
import os
import pathlib
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import driver

RULES = """version: 1
metrics:
  seen_total: {type: counter, help: Lines seen., labels: [stream]}
rules:
  seen: {match: {event: x}, let: {stream: $_stream or "none"}, do: [inc: seen_total]}
"""


def children(pid):
    return [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


class Exec:
    """A running `logtally exec`; its command is a Python script."""

    def __init__(self, test, script, *flags, **popen):
        self.port = driver.free_port()
        self.err = tempfile.TemporaryFile()
        self.script = pathlib.Path(test.dir.name, "engine.py")
        self.script.write_text(script)
        args = [driver.BINARY, "exec", "--listen", f"127.0.0.1:{self.port}", "--pack", "none", "--rules", test.rules, *flags, "--",
                sys.executable, "-u", self.script]
        self.process = subprocess.Popen(args, stderr=self.err, env=driver.environment(), **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **popen})
        test.addCleanup(self.end)

    def end(self):
        if self.process.poll() is None:
            for pid in [*children(self.process.pid), self.process.pid]:
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.err.close()

    def child(self, worker, but=None):
        """The worker's or the command's process, once there is one other than `but` and all is ready."""
        if worker:
            self.until(lambda page: True, "the port answers")
        def look():
            found = [pid for pid in children(self.process.pid) if (command_name(pid) == "logtally-worker") == worker and pid != but]
            return found[0] if len(found) == 1 else None
        return driver.until(look, "a worker" if worker else "the command")

    def scrape(self):
        """None while nobody listens."""
        try:
            return driver.Exposition(driver.Server.get(self, "/metrics").content.decode())
        except OSError:
            return None

    request = driver.Server.request

    def until(self, condition, what):
        def look():
            page = self.scrape()
            return page if page is not None and condition(page) else None
        return driver.until(look, what)

    def stderr(self):
        self.err.seek(0)
        return self.err.read().decode(errors="replace")


class ExecTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.rules = pathlib.Path(self.dir.name, "rules.yaml")
        self.rules.write_text(RULES)
        self.flag = pathlib.Path(self.dir.name, "go")

    def run_exec(self, *args, **more):
        return driver.run("exec", "--listen", f"127.0.0.1:{driver.free_port()}", "--pack", "none", "--rules", self.rules, *args, **more)

    def waits_for_flag(self):
        return f"import os, time\nwhile not os.path.exists({str(self.flag)!r}): time.sleep(0.01)\n"

    def test_the_status_is_the_commands(self):
        for script, want in [("exit 0", 0), ("exit 7", 7), ("exit 78", 78), ("kill -9 $$", 137), ("kill -TERM $$", 143)]:
            with self.subTest(script):
                done = self.run_exec("sh", "-c", "echo '{\"event\":\"x\"}'; " + script)
                self.assertEqual(done.returncode, want, done.stderr)
                self.assertEqual(driver.summary(done.stderr)["matched"], 1)
                self.assertEqual(done.stdout, b"")

    def test_what_cannot_be_run_is_told_as_shells_do(self):
        plain = pathlib.Path(self.dir.name, "plain")
        plain.write_text("exit 3\n")
        for command, want, said in [("no-such-command-here", 127, "there is no such command"), (self.dir.name, 126, "directory"),
                                    (plain, 126, "denied"), (f"{plain}/x", 127, "no such command")]:
            with self.subTest(command):
                done = self.run_exec(command)
                self.assertEqual((done.returncode, said in done.stderr.decode()), (want, True), done.stderr)
                self.assertNotIn(b"metrics", done.stderr, "nothing was started")
        plain.chmod(0o755)  # a script without its first line: the shell's
        self.assertEqual(self.run_exec(plain).returncode, 3)

    def test_with_invalid_rules_or_a_taken_port_the_command_is_not_started(self):
        ran = pathlib.Path(self.dir.name, "ran")
        bad = pathlib.Path(self.dir.name, "bad.yaml")
        bad.write_text("version: 1\nrulez: {}\n")
        done = self.run_exec("--rules", bad, "touch", ran)
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn(b"bad.yaml:2:1", done.stderr)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = driver.run("exec", "--listen", "127.0.0.1:%d" % taken.getsockname()[1], "--pack", "none", "--rules", self.rules, "touch", ran)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(b"already in use", done.stderr)
        self.assertFalse(ran.exists())

    def test_both_streams_are_counted_and_can_be_told_apart(self):
        script = "import sys\nfor i in range(100):\n    print('{\"event\":\"x\"}')\n    print('{\"event\":\"x\"}', file=sys.stderr)\n    print('{\"event\":\"x\"}')\nsys.stdout.write('{\"event\":\"x\"}')\n" + self.waits_for_flag()
        for flags, want in [([], {(("stream", "none"),): 300}), (["--streams", "labelled"], {(("stream", "stdout"),): 200, (("stream", "stderr"),): 100})]:
            with self.subTest(flags):
                self.flag.unlink(missing_ok=True)
                engine = Exec(self, script, *flags)
                engine.until(lambda page: page.of("seen_total") == want, f"{want}")
                self.flag.touch()
                self.assertEqual(engine.process.wait(driver.DEADLINE), 0)
                self.assertEqual(driver.summary(engine.stderr().encode())["matched"], 301)

    def test_long_lines_and_tracebacks_stay_whole_with_labels(self):
        script = ("import sys\nlong = 'y' * 200_000\nfor i in range(5):\n    print('{\"event\":\"x\",\"text\":\"' + long + '\"}')\n"
                  "    print('{\"event\":\"x\"}', file=sys.stderr)\n")
        engine = Exec(self, script, "--streams", "labelled")
        engine.process.wait(driver.DEADLINE)
        self.assertEqual(driver.summary(engine.stderr().encode())["matched"], 10, engine.stderr())

    def test_tee_lets_every_byte_through(self):
        script = ("import os\nout = os.urandom(3_000_000)\nerr = os.urandom(50_000).replace(b'w', b'v')\n"
                  f"open({self.dir.name!r} + '/out', 'wb').write(out)\nopen({self.dir.name!r} + '/err', 'wb').write(err)\n"
                  "os.write(2, err)\nwhile out: out = out[os.write(1, out):]\n")
        for flags in (["--tee"], ["--tee", "--streams", "labelled"]):
            with self.subTest(flags):
                engine = Exec(self, script, "-q", *flags)
                out, _ = engine.process.communicate(timeout=driver.DEADLINE)
                self.assertEqual(engine.process.returncode, 0)
                self.assertEqual(out, pathlib.Path(self.dir.name, "out").read_bytes())
                engine.err.seek(0)
                err = engine.err.read()
                self.assertTrue(err.startswith(pathlib.Path(self.dir.name, "err").read_bytes()) or
                                pathlib.Path(self.dir.name, "err").read_bytes() in err, "standard error too")

    def test_a_reader_that_goes_away_does_not_end_the_command(self):
        engine = Exec(self, "import os, sys\nfor i in range(50_000): print('{\"event\":\"x\"}')\nsys.exit(5)\n", "--tee")
        engine.process.stdout.read(100)
        engine.process.stdout.close()
        self.assertEqual(engine.process.wait(driver.DEADLINE), 5)
        self.assertEqual(driver.summary(engine.stderr().encode())["matched"], 50_000)
        self.assertIn("the copy to standard output ends: Broken pipe", engine.stderr())

    def test_a_reader_that_stands_still_gets_all_when_it_goes_on(self):
        engine = Exec(self, "for i in range(400_000): print('%06d' % i)\n", "--tee")
        engine.until(lambda page: page.get("logtally_lines_read_total", target="stdin") > 1000, "counting goes on while the reader stands still")
        out, _ = engine.process.communicate(timeout=driver.DEADLINE)
        self.assertEqual(out.split(), [b"%06d" % i for i in range(400_000)])

    def test_the_command_survives_a_killed_worker(self):
        script = ("import os, time\nwith open(__file__ + '.times', 'w') as times:\n"
                  "    for i in range(20_000):\n        line = b'{\"event\":\"x\",\"n\":%d}\\n' % i\n        assert os.write(1, line) == len(line)\n"
                  "        if i % 100 == 0: time.sleep(0.005)\n" + self.waits_for_flag() + "import sys\nsys.exit(9)\n")
        for flags in ([], ["--tee"], ["--streams", "labelled"]):
            with self.subTest(flags):
                self.flag.unlink(missing_ok=True)
                with open(os.devnull, "wb") as nowhere:
                    engine = Exec(self, script, *flags, stdout=nowhere)
                    worker = None
                    for kills in range(1, 4):
                        engine.until(lambda page: page.sum("seen_total") > 100, "lines are counted")
                        worker = engine.child(worker=True, but=worker)
                        os.kill(worker, signal.SIGKILL)
                        page = engine.until(lambda page: page.get("logtally_worker_restarts_total") == kills, "a new worker")
                    last = engine.child(worker=True, but=worker)
                    engine.until(lambda page: page.sum("seen_total") == 20_000, "no line is lost")
                    time.sleep(0.05)
                    self.assertEqual(engine.scrape().sum("seen_total"), 20_000, "nor counted twice")
                    self.assertEqual(engine.scrape().get("logtally_spool_dropped_bytes_total"), 0)
                    self.assertIsNone(engine.process.poll())
                    self.flag.touch()
                    self.assertEqual(engine.process.wait(driver.DEADLINE), 9, engine.stderr())
                    self.assertIn("the worker was ended by signal 9 (Killed); it is started again in", engine.stderr())
                    self.assertNotEqual(last, worker)
                    driver.summary(engine.stderr().encode())

    def test_without_state_nothing_is_spooled(self):
        engine = Exec(self, "print('{\"event\":\"x\"}', flush=True)\n" + self.waits_for_flag(), "--state-dir", "none")
        page = engine.until(lambda page: page.sum("seen_total") == 1, "a line")
        self.assertEqual(page.get("logtally_spool_bytes"), 0)
        self.flag.touch()
        self.assertEqual(engine.process.wait(driver.DEADLINE), 0)

    def test_lines_of_a_killed_run_are_counted_by_the_next_one(self):
        state = pathlib.Path(self.dir.name, "state")
        line = b'{"event":"x"}\n'
        with driver.Server("--pack", "none", "--rules", self.rules, "--state-dir", state, "-", stdin=subprocess.PIPE) as s:
            s.process.stdin.write(line * 10 + line[:5])
            s.process.stdin.flush()
            driver.until(lambda: s.scrape().sum("seen_total") == 10, "ten lines")
            s.process.send_signal(signal.SIGSTOP)
            s.process.kill()
            s.process.wait()
        # Another pipe: the line that broke off does not go on in it.
        done = driver.run("run", "--once", "--print-metrics", "--pack", "none", "--rules", self.rules, "--state-dir", state, "-", stdin=line * 5)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(driver.Exposition(done.stdout.decode()).sum("seen_total"), 15)
        self.assertEqual(driver.summary(done.stderr)["failed"], 1)
        self.assertEqual(list(state.glob("stdin-*.log")), [], "all is counted")

    def test_the_pipe_keeps_what_is_written_while_there_is_no_worker(self):
        script = "import os\nfor i in range(1000): os.write(1, b'{\"event\":\"x\"}\\n')\n" + f"open({str(self.flag)!r} + '.done', 'w')\n" + self.waits_for_flag()
        engine = Exec(self, self.waits_for_flag().replace(str(self.flag), str(self.flag) + ".first") + script)
        worker = engine.child(worker=True)
        os.kill(worker, signal.SIGSTOP)
        pathlib.Path(str(self.flag) + ".first").touch()
        driver.until(lambda: os.path.exists(str(self.flag) + ".done"), "the command has written all of it")
        os.kill(worker, signal.SIGKILL)
        engine.until(lambda page: page.sum("seen_total") == 1000, "the next worker reads it")
        self.flag.touch()
        self.assertEqual(engine.process.wait(driver.DEADLINE), 0)

    def test_a_worker_with_invalid_rules_is_not_started_again_until_they_are_mended(self):
        script = "import os\nfor i in range(300_000): os.write(1, b'{\"event\":\"x\"}\\n')\n" + self.waits_for_flag() + "os.write(1, b'{\"event\":\"x\"}\\n' * 7)\n" + \
            self.waits_for_flag().replace(str(self.flag), str(self.flag) + ".end")
        engine = Exec(self, self.waits_for_flag().replace(str(self.flag), str(self.flag) + ".first") + script)
        worker = engine.child(worker=True)
        self.rules.write_text("version: 1\nrulez: {}\n")
        os.kill(worker, signal.SIGKILL)
        driver.until(lambda: "is not started again" in engine.stderr(), "it is said")
        pathlib.Path(str(self.flag) + ".first").touch()
        command = engine.child(worker=False)
        driver.until(lambda: int(re.search(r"wchar: (\d+)", pathlib.Path(f"/proc/{command}/io").read_text())[1]) >= 4_000_000,
                     "more than a pipe holds is taken from the command")
        self.rules.write_text(RULES)
        engine.process.send_signal(signal.SIGHUP)
        engine.child(worker=True, but=worker)
        self.flag.touch()
        engine.until(lambda page: page.sum("seen_total") >= 7, "counting goes on")
        pathlib.Path(str(self.flag) + ".end").touch()
        self.assertEqual(engine.process.wait(driver.DEADLINE), 0, engine.stderr())

    def test_signals_go_to_the_command_and_hup_reloads(self):
        script = ("import signal, sys, time\nnames = []\n"
                  "def got(number, frame):\n    print('{\"event\":\"x\"}', flush=True)\n    print(signal.Signals(number).name, file=sys.stderr, flush=True)\n    if number == signal.SIGTERM: sys.exit(4)\n"
                  "for s in ('HUP', 'INT', 'QUIT', 'USR1', 'USR2', 'WINCH', 'TERM', 'CONT'): signal.signal(getattr(signal, 'SIG' + s), got)\n"
                  "print('{\"event\":\"x\"}', flush=True)\nwhile True: time.sleep(10)\n")
        engine = Exec(self, script, "--tee")
        count = 1
        engine.until(lambda page: page.sum("seen_total") == count, "the command has set itself up")
        for name in ("INT", "QUIT", "USR1", "USR2", "WINCH"):
            engine.process.send_signal(getattr(signal, "SIG" + name))
            count += 1
            engine.until(lambda page: page.sum("seen_total") == count, name)
        self.rules.write_text(RULES + "  more: {match: {event: y}, do: [inc: seen_total]}\n")
        engine.process.send_signal(signal.SIGHUP)
        driver.until(lambda: "reloaded: 2 rules" in engine.stderr(), "a reload")
        self.assertEqual(engine.scrape().sum("seen_total"), count, "the command has not got it")
        engine.process.send_signal(signal.SIGTERM)
        self.assertEqual(engine.process.wait(driver.DEADLINE), 4)
        names = [line for line in engine.stderr().split("\n") if line.startswith("SIG")]
        self.assertEqual(names, ["SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGTERM"])
        self.assertEqual(driver.summary(engine.stderr().encode())["matched"], count + 1)

    def test_control_c_on_a_terminal_reaches_the_command_once(self):
        script = ("import signal, sys, time\n"
                  "def got(number, frame):\n    got.times += 1\n    print('got', got.times, flush=True)\n"
                  "got.times = 0\nsignal.signal(signal.SIGINT, got)\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(got.times))\n"
                  "print('set up', flush=True)\nwhile True: time.sleep(0.05)\n")
        engine_file = pathlib.Path(self.dir.name, "engine.py")
        engine_file.write_text(script)
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(driver.BINARY, [driver.BINARY, "exec", "-q", "--tee", "--listen", f"127.0.0.1:{driver.free_port()}", "--pack", "none", "--rules", str(self.rules),
                                      sys.executable, str(engine_file)], driver.environment())
        seen = b""

        def until_seen(what):
            nonlocal seen
            end = time.monotonic() + driver.DEADLINE
            while what not in seen:
                self.assertLess(time.monotonic(), end, seen)
                if select.select([terminal], [], [], 1)[0]:
                    seen += os.read(terminal, 4096)

        until_seen(b"set up")
        os.write(terminal, b"\x03")
        until_seen(b"got 1")
        os.write(terminal, b"\x1a")  # Ctrl-Z: both stop
        driver.until(lambda: os.waitpid(pid, os.WUNTRACED | os.WNOHANG)[0] == pid, "it has stopped")
        os.killpg(pid, signal.SIGCONT)
        os.write(terminal, b"\x03")
        until_seen(b"got 2")
        os.kill(pid, signal.SIGTERM)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 2, seen)
        os.close(terminal)

    def test_the_commands_memory_is_shown_while_it_lives(self):
        engine = Exec(self, "hoard = bytearray(60_000_000)\nfor i in range(0, len(hoard), 4096): hoard[i] = 1\nprint('{\"event\":\"x\"}', flush=True)\n" + self.waits_for_flag())
        page = engine.until(lambda page: page.sum("seen_total") == 1, "the command's line")
        memory = page.get("aria_memory_rss_bytes")
        self.assertGreater(memory, 60_000_000)
        self.assertLess(memory, 200_000_000)
        self.assertEqual(page.types["aria_memory_rss_bytes"], "gauge")
        self.flag.touch()
        engine.process.wait(driver.DEADLINE)

    def test_run_shows_the_memory_of_a_process_by_its_number(self):
        other = subprocess.Popen(["sleep", "1000"])
        with driver.Server("--engine-pid", other.pid, pathlib.Path(self.dir.name, "*.log")) as s:
            page = s.scrape()
            self.assertGreater(page.get("aria_memory_rss_bytes"), 10_000)
            other.kill()
            other.wait()
            page = s.scrape()
            self.assertIsNone(page.get("aria_memory_rss_bytes"), "it has gone with its process")
            self.assertEqual(page.types["aria_memory_rss_bytes"], "gauge", "the pack declares it")

    def test_what_the_command_leaves_behind_is_not_waited_for(self):
        begin = time.monotonic()
        number = pathlib.Path(self.dir.name, "pid")
        done = self.run_exec("sh", "-c", "sleep 1000 & echo '{\"event\":\"x\"}'; echo $! >" + str(number) + "; exit 6")
        os.kill(int(number.read_text()), signal.SIGKILL)
        self.assertEqual(done.returncode, 6, done.stderr)
        self.assertIn(b"still writes; it is told to end", done.stderr)
        self.assertEqual(driver.summary(done.stderr)["matched"], 1)
        self.assertLess(time.monotonic() - begin, 1000)

    def test_a_killed_supervisor_harms_nobody(self):
        script = "import os\nwhile not os.path.exists(%r): os.write(1, b'{\"event\":\"x\"}\\n'); __import__('time').sleep(0.001)\nopen(%r, 'w')\n" % (str(self.flag), str(self.flag) + ".end")
        engine = Exec(self, script)
        worker = engine.child(worker=True)
        engine.until(lambda page: page.sum("seen_total") > 10, "lines are counted")
        engine.process.kill()
        engine.process.wait()
        before = engine.scrape().sum("seen_total")
        engine.until(lambda page: page.sum("seen_total") > before + 10, "counting goes on")
        self.flag.touch()
        driver.until(lambda: os.path.exists(str(self.flag) + ".end"), "the command has come to its end")
        driver.until(lambda: command_name(worker) != "logtally-worker", "so has the worker")

    def test_other_verbs_do_not_take_its_flags(self):
        done = driver.run("run", "--streams", "labelled")
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"of `exec`", done.stderr)
        done = driver.run("exec", "--print-config", "--listen", ":1234", "x")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"listen: :1234", done.stdout)


if __name__ == "__main__":
    driver.main()
