"""L3: kill -9 at random times, 0 to 500 ms apart, under load with rotation, reloads and a scraper; then everything has to be as if
nothing had happened."""
import collections
import os
import pathlib
import random
import subprocess
import threading
import time

import agent as agents
import driver
import reference as rules
import workload
from agent import Miss


class Load:
    """The writers of all streams, each on a thread of its own, until stop()."""

    def __init__(self, directory, reference, now, seed, scraper, lines_a_second, rotate_every, only=()):
        journal = pathlib.Path(directory, "journal")
        journal.mkdir()
        self.streams = workload.streams(pathlib.Path(directory, "logs"), reference, now, seed, journal, only)
        self.scraper, self.rate, self.rotate_every = scraper, lines_a_second / len(self.streams), rotate_every
        self.going = threading.Event()
        self.going.set()
        self.ended = False
        self.rotating = False  # not before all files were seen: what was rotated before is history
        self.paused = [threading.Event() for _ in self.streams]
        self.failures = []
        self.threads = [threading.Thread(target=self._write, args=(s, p), daemon=True) for s, p in zip(self.streams, self.paused)]
        for thread in self.threads:
            thread.start()

    def _write(self, stream, paused):
        try:
            rotate_at = time.monotonic() + self.rotate_every * stream.random.random()
            while not self.ended:
                if not self.going.is_set():
                    stream.put_mark()
                    paused.set()
                    self.going.wait()
                    continue
                count = stream.random.randrange(1, 40)
                begin = time.monotonic()
                stream.batch(count)
                if self.rotating and time.monotonic() >= rotate_at:
                    stream.rotate(self.scraper.marks.get(stream.name, 0))
                    rotate_at = time.monotonic() + self.rotate_every * (0.5 + stream.random.random())
                time.sleep(max(0.001, count / self.rate - (time.monotonic() - begin)))
        except Exception as e:  # a writer that dies unseen would make every later comparison wrong
            self.failures.append(f"{stream.name}: {e!r}")
            paused.set()

    def pause(self):
        """All streams have put a last mark; {stream: mark}."""
        for paused in self.paused:
            paused.clear()
        self.going.clear()
        for paused in self.paused:
            if not paused.wait(agents.DEADLINE):
                raise AssertionError("a writer does not stop")
        if self.failures:
            raise AssertionError(f"writers failed: {self.failures}")
        return {s.name: s.mark for s in self.streams}

    def pause_again(self):
        """Paused as they are, one more mark of each."""
        for stream in self.streams:
            stream.put_mark()
        return {s.name: s.mark for s in self.streams}

    def resume(self):
        self.going.set()

    def stop(self):
        self.ended = True
        self.going.set()
        for thread in self.threads:
            thread.join(agents.DEADLINE)
        for stream in self.streams:
            stream.close()


def reload_rules(directory, rng, count):
    """A comment more, or a rule with a metric of its own that comes and goes: nothing else may notice."""
    if rng.random() < 0.5:
        target, text = directory / "rules.d" / "crash.yaml", rules.RULES + f"# version {count}\n"
    else:
        target = directory / "rules.d" / "extra.yaml"
        if target.exists() and rng.random() < 0.4:
            target.unlink()
            return
        text = (f"# version {count}\nmetrics:\n  crash_extra_total: {{type: counter, help: Ticks since this rule}}\n"
                "rules:\n  extra:\n    match: {event: tick}\n    do: [{inc: crash_extra_total}]\n")
    beside = directory / f"new-{target.name}"
    beside.write_text(text)
    os.rename(beside, target)


def compare(agent, reference, page, what):
    found = {k: v for k, v in agents.parse(page).items() if not k[0].startswith("crash_extra")}
    unequal = agents.differences(reference.samples(), found)
    if unequal:
        raise Miss(f"{what}: " + "; ".join(unequal))


def settle(agent, reference, marks, what, limit=30.0):
    """Without faults until all marks are read and the page is the reference's."""
    def good(page):
        shown = agents.marks(page)
        if any(shown.get(stream, 0) < mark for stream, mark in marks.items()):
            return False
        found = {k: v for k, v in agents.parse(page).items() if not k[0].startswith("crash_extra")}
        return found == reference.samples()
    try:
        return agent.wait_page(good, f"{what}: all is read and equal to the reference", deadline=limit)
    except Miss as late:
        page = agent.page()
        if page is None:
            raise
        compare(agent, reference, page, f"{what} (marks {agents.marks(page)} of {marks})")
        raise late


def uninterrupted(directory, reference):
    """The same bytes in one go, without rotation, kills and state. Each stream by itself, as event time is one for all files and
    they would not be read at the pace at which they were written; pages add up."""
    alone = pathlib.Path(directory, "alone")
    (alone / "rules.d").mkdir(parents=True)
    (alone / "rules.d" / "crash.yaml").write_text(rules.RULES)
    os.rename(pathlib.Path(directory, "journal"), alone / "logs")
    total = collections.Counter()
    for file in sorted((alone / "logs").iterdir()):
        (alone / "logtally.yaml").write_text("version: 1\npacks: none\nrules: [rules.d]\nlimits: {line_bytes: 8KiB}\ntargets:\n"
                                             f"  - {{name: it, path: logs/{file.name}, wrapper: {'cri' if file.stem == 'cri' else 'auto'}}}\n")
        done = subprocess.run([os.path.abspath(driver.BINARY), "run", "--once", "--print-metrics", "--config", "logtally.yaml"], cwd=alone,
                              capture_output=True, env=driver.environment(), stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Miss(f"the uninterrupted run of {file} ended with {done.returncode}: {done.stderr.decode()[-300:]}")
        for key, value in agents.parse(done.stdout.decode()).items():
            total[key] += value
    unequal = agents.differences(reference.samples(), {k: round(v, 6) for k, v in total.items()})
    if unequal:
        raise Miss("the uninterrupted run over the same bytes: " + "; ".join(unequal))


def run(directory, seed, kills, seconds, lines_a_second=4000, rotate_every=1.0, barrier_every=20.0, only=(), say=lambda *_: None):
    """So many kills, or as many as go into so many seconds. What to print."""
    directory = pathlib.Path(directory)
    rng = random.Random(seed)
    agent = agents.Agent(directory)
    reference, now = rules.Reference(), workload.EventTime()
    scraper = agents.Scraper(agent, keep=directory / "scrapes")
    load = Load(directory, reference, now, seed, scraper, lines_a_second, rotate_every, only)
    began = time.monotonic()
    barrier_at = began + barrier_every
    done = reloads = barriers = 0
    try:
        agent.start()
        settle(agent, reference, load.pause(), "at the start")
        load.rotating = True
        load.resume()
        while done < kills and time.monotonic() - began < seconds:
            time.sleep(rng.random() * 0.5)
            if rng.random() < 0.3:
                reloads += 1
                reload_rules(directory, rng, reloads)
                if rng.random() < 0.5:  # at once, so that the kill comes in the middle of it
                    try:
                        agent.post("/-/reload")
                    except (OSError, agents.http.client.HTTPException):
                        pass
            if not agent.running():
                raise Miss(f"the program ended by itself, {agent.process.returncode}; stderr: {agent.last_words()}")
            agent.kill()
            done += 1
            if rng.random() < 0.2:
                time.sleep(rng.random())  # files go on without it
            agent.start()
            if time.monotonic() >= barrier_at:  # all is read; then hours pass at once, and what waits expires
                settle(agent, reference, load.pause(), f"after {done} kills")
                reference.leap()
                now.leap(3)
                load.resume()
                barriers += 1
                barrier_at = time.monotonic() + barrier_every
                say(f"{done} kills, {reloads} reloads, {scraper.pages} scrapes; equal at barrier {barriers}")
        settle(agent, reference, load.pause(), f"after {done} kills")
        reference.leap()
        now.leap(3)
        marks = load.pause_again()
        page = settle(agent, reference, marks, f"after {done} kills and three hours")
        compare(agent, reference, page, "at the end")
        load.stop()
        scraper.finish()
        agent.stop()
        unequal = [(e, f) for e, f in zip(agents.expected_rows(reference), agent.rows()) if e != f]
        if unequal or len(agent.rows()) != len(reference.rows):
            raise Miss(f"skill_invocations: {len(agent.rows())} rows, expected {len(reference.rows)}; the first that differ: {unequal[:1]}")
        uninterrupted(directory, reference)
    finally:
        scraper.done.set()
        load.ended = True
        load.going.set()
        if agent.process:
            agent.kill()
    rotations = sum(s.rotations for s in load.streams)
    lines = sum(s.lines for s in load.streams)
    return {"points": f"{done}", "what": f"{lines} records, {rotations} rotations, {reloads} reloads, {barriers} barriers, "
                                         f"{scraper.pages} scrapes, {len(reference.rows)} rows"}
