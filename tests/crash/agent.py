"""The program under test, killed and started again at one port, and the scraper that watches it through it all."""
import http.client
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import driver  # noqa: E402

import reference as rules  # noqa: E402
import workload  # noqa: E402

DEADLINE = 60.0


class Miss(Exception):
    """Something that must not be: a loss, a double, a step back, a crash."""


class Agent:
    """`logtally run` in a directory of its own: logtally.yaml, rules.d, logs, state."""

    def __init__(self, directory, config=workload.CONFIG):
        self.directory = pathlib.Path(directory)
        self.state = self.directory / "state"
        self.port = driver.free_port()
        self.process = None
        self.starts = 0
        (self.directory / "logs").mkdir(exist_ok=True)
        (self.directory / "rules.d").mkdir(exist_ok=True)
        (self.directory / "logtally.yaml").write_text(config)
        (self.directory / "rules.d" / "crash.yaml").write_text(rules.RULES)
        self.err = open(self.directory / "stderr", "ab")

    def command(self, *more):
        return [os.path.abspath(driver.BINARY), "run", "--config", "logtally.yaml", "--listen", f"127.0.0.1:{self.port}", "--state-dir",
                str(self.state), *more]

    def start(self, *more, around=(), **popen):
        """`around`: a command that runs it, such as strace."""
        self.starts += 1
        self.err.write(b"--- start %d\n" % self.starts)
        self.err.flush()
        self.process = subprocess.Popen([*around, *self.command(*more)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.err,
                                        cwd=self.directory, env=driver.environment(), **popen)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.running():
            self.process.kill()
        self.process.wait()

    def stop(self, timeout=DEADLINE):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Miss(f"did not end within {timeout:.0f} s of SIGTERM; stderr: {self.last_words()}") from None
        if code != 0:
            raise Miss(f"ended with {code} after SIGTERM; stderr: {self.last_words()}")

    def last_words(self):
        return (self.directory / "stderr").read_bytes()[-600:].decode(errors="replace")

    def get(self, path, timeout=10.0):
        """(status, body); OSError or HTTPException where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def post(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10.0)
        try:
            connection.request("POST", path, body=b"")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def page(self):
        """The page, or None where there is none now."""
        try:
            status, body = self.get("/metrics")
        except (OSError, http.client.HTTPException):
            return None
        return body if status == 200 else None

    def wait_page(self, good, what, deadline=DEADLINE):
        """Until good(page) is true of an answered page; the page. Miss when the program ends or it takes too long."""
        end = time.monotonic() + deadline
        page = None
        while time.monotonic() < end:
            if not self.running():
                raise Miss(f"the program ended by itself, {self.process.returncode}, before {what}; stderr: {self.last_words()}")
            page = self.page() or page
            if page is not None and good(page):
                return page
            time.sleep(0.02)
        raise Miss(f"not within {deadline:.0f} s: {what}; stderr: {self.last_words()}")

    def rows(self):
        """Of skill_invocations, as the reference has them; sorted. The program must have ended."""
        with sqlite3.connect(self.state / "state.db") as db:
            check = db.execute("PRAGMA quick_check").fetchall()
            if check != [("ok",)]:
                raise Miss(f"quick_check: {check[:3]}")
            found = db.execute("SELECT skill_name, tool_name, duration_ms, success, error_type, tokens_used, model_used, created_at, id "
                               "FROM skill_invocations").fetchall()
        db.close()
        if len({row[-1] for row in found}) != len(found):
            raise Miss("ids of skill_invocations are not unique")
        return sorted(row[:-1] for row in found)


def parse(page):
    """{(name, labels): value} of the families of the rules here."""
    exposition = driver.Exposition(page)
    return {(name, labels): float(value) for (name, labels), value in exposition.samples.items() if name.startswith("crash_")}


def marks(page):
    """{stream: mark} as a page shows them."""
    return {dict(labels)["stream"]: int(value) for (name, labels), value in parse(page).items() if name == "crash_mark"}


def differences(expected, found, most=12):
    """What a person wants to read; empty: equal."""
    lines = []
    for key in sorted(set(expected) | set(found)):
        if expected.get(key) != found.get(key):
            name, labels = key
            shown = name + "{" + ",".join(f'{k}="{v}"' for k, v in labels) + "}"
            lines.append(f"{shown}: expected {expected.get(key)}, found {found.get(key)}")
    return lines[:most] + ([f"and {len(lines) - most} more"] if len(lines) > most else [])


def expected_rows(reference):
    def text(t):
        return workload.iso(t)
    return sorted((*row[:-1], text(row[-1])) for row in reference.rows)


class Scraper(threading.Thread):
    """Reads the page every 50 ms. What may only grow is held against what was seen before, through all restarts."""

    def __init__(self, agent, every=0.05, keep=None):
        super().__init__(daemon=True)
        self.agent, self.every = agent, every
        self.keep = open(keep, "w") if keep else None  # the recorded sequence
        self.seen = {}
        self.marks = {}
        self.pages = self.refused = self.unanswered = 0
        self.back = []
        self.done = threading.Event()
        self.start()

    def run(self):
        while not self.done.wait(self.every):
            try:
                status, body = self.agent.get("/metrics", timeout=5.0)
            except (OSError, http.client.HTTPException):
                self.unanswered += 1
                continue
            if status != 200:
                self.refused += 1
                continue
            self.take(body)

    def take(self, body):
        self.pages += 1
        gauges, values = set(), {}
        for line in body.splitlines():
            if line.startswith("# TYPE") and line.endswith(" gauge"):
                gauges.add(line.split(" ")[2])
            elif line.startswith("crash_"):
                series, _, value = line.rpartition(" ")
                values[series] = float(value)
                if series.startswith("crash_mark{"):
                    self.marks[series.split('"')[1]] = int(float(value))
        steady = {s: v for s, v in values.items() if not s.startswith("crash_extra") and s.split("{", 1)[0] not in gauges}
        for series, before in self.seen.items():
            if series not in steady:
                self.back.append(f"page {self.pages}: {series} is not there any more, it was {before}")
            elif steady[series] < before:
                self.back.append(f"page {self.pages}: {series} went from {before} to {steady[series]}")
        if self.keep:
            changed = {s: v for s, v in steady.items() if self.seen.get(s) != v}
            self.keep.write(f"{time.time():.3f} {changed}\n")
        self.seen.update(steady)

    def finish(self):
        self.done.set()
        self.join()
        if self.keep:
            self.keep.close()
        if self.back:
            raise Miss(f"{len(self.back)} steps back; the first: " + "; ".join(self.back[:3]))
