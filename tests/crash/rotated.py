"""Debian's logrotate, as fast as it goes, while lines are written as fast as 20,000 a second, and a kill each 5 s."""
import os
import pathlib
import random
import shutil
import subprocess
import threading
import time

import agent as agents
import reference as rules
import workload
from agent import Miss

LINE = b'{"timestamp":"%s","level":"info","stream":"%s","event":"tick","kind":"%s","volume":%d}\n'

CONFIGS = {
    "rename": "create 0644\nnocompress",
    "compress": "create 0644\ncompress\ndelaycompress",
    "copytruncate": "copytruncate\nnocompress",
}


class Writer(threading.Thread):
    """Appends at a rate; follows a rename within a moment. In copytruncate mode nobody can tell what the copy missed: lines are
    numbered, and those that are in no file any more are found out at the end."""

    def __init__(self, name, path, reference, now, rate):
        super().__init__(daemon=True)
        self.name_, self.path, self.reference, self.now, self.rate = name, path, reference, now, rate
        self.done = threading.Event()
        self.lines = 0
        self.bytes = 0
        self.fd = self._open()

    def _open(self):
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def run(self):
        began, lines = time.monotonic(), 0
        while not self.done.is_set():
            self.follow()
            count = min(400, max(0, int((time.monotonic() - began) * self.rate) - lines))
            stamp = workload.iso(self.now()).encode()
            data = b"".join(LINE % (stamp, self.name_.encode(), b"abc"[n % 3:n % 3 + 1], n) for n in range(lines, lines + count))
            for n in range(lines, lines + count):
                self.reference[n % 3] += 1
                self.reference[3] += n
            lines += count
            self.bytes += len(data)
            cut = len(data) // 2
            os.write(self.fd, data[:cut])
            os.write(self.fd, data[cut:])
            self.lines = lines
            time.sleep(0.005)

    def follow(self):
        """To the new file, once logrotate has made it: one that somebody else makes it would move out of its way."""
        try:
            if os.fstat(self.fd).st_ino == os.stat(self.path).st_ino:
                return
            fresh = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            return
        os.close(self.fd)
        self.fd = fresh


def config_of(mode, directory):
    path = directory / f"logrotate-{mode}.conf"
    name = {"rename": "app", "compress": "gz", "copytruncate": "copy"}[mode]
    path.write_text(f"{directory}/logs/{name}.log {{\n  su root root\n  rotate 50\n  missingok\n  {CONFIGS[mode]}\n}}\n".replace("\n", "\n  "))
    os.chmod(path, 0o644)
    return path, name


def run(directory, seed, seconds, mode, rate=20000, say=lambda *_: None):
    program = shutil.which("logrotate", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None or os.getuid() != 0:
        return None
    directory = pathlib.Path(directory) / mode
    directory.mkdir()
    os.chmod(directory, 0o755)
    agent = agents.Agent(directory)
    os.chmod(directory / "logs", 0o755)
    conf, name = config_of(mode, directory)
    rng = random.Random(seed)
    now, counts = workload.EventTime(), [0, 0, 0, 0]
    scraper = agents.Scraper(agent)
    writer = Writer(name, directory / "logs" / f"{name}.log", counts, now, rate)
    rotations = kills = 0
    vault = directory / "vault"
    vault.mkdir()
    try:
        agent.start()
        writer.start()
        agent.wait_page(lambda page: any(k[0] == "crash_lines_total" for k in agents.parse(page)), "the first lines are read")
        began = time.monotonic()
        between = min(5.0, seconds / 3)
        kill_at = began + between * rng.random()
        while time.monotonic() - began < seconds:
            # Fifty generations are kept: a reader that is so far behind would lose what logrotate deletes, which is not asked here.
            done = subprocess.run([program, "-f", "-s", str(directory / "status"), str(conf)], capture_output=True)
            if done.returncode != 0:
                raise AssertionError(f"logrotate: {done.stderr.decode()[-300:]}")
            rotations += 1
            copy = directory / "logs" / f"{name}.log.1"
            if mode == "copytruncate" and copy.exists():  # what was in some file once, for the count at the end
                os.link(copy, vault / f"{rotations}")
            time.sleep(max(0.0, 0.1 - (time.monotonic() - began) % 0.1))
            if not agent.running():
                raise Miss(f"the program ended by itself, {agent.process.returncode}; stderr: {agent.last_words()}")
            if time.monotonic() >= kill_at:
                agent.kill()
                agent.start()
                kills += 1
                kill_at = time.monotonic() + between
        writer.done.set()
        writer.join()
        what = f"{mode}: {writer.lines} lines, {rotations} rotations, {kills} kills"
        if mode == "copytruncate":
            return {"points": kills, "what": what + ", " + check_copies(agent, writer, scraper, name)}
        wanted = {kind: counts[i] for i, kind in enumerate("abc")}

        def equal(page):
            found = {dict(labels).get("kind"): value for (n, labels), value in agents.parse(page).items() if n == "crash_lines_total"}
            return found == wanted
        try:
            agent.wait_page(equal, "all lines are counted once", deadline=20.0)
        except Miss as miss:
            found = {dict(k[1])["kind"]: v for k, v in agents.parse(agent.page() or "").items() if k[0] == "crash_lines_total"}
            raise Miss(f"{what}: expected {wanted}, found {found} ({miss})") from None
        scraper.finish()
        return {"points": kills, "what": what}
    finally:
        scraper.done.set()
        writer.done.set()
        agent.kill()


def check_copies(agent, writer, scraper, name):
    """copytruncate: what was written between the copy and the cut is in no file. Everything else once: what is counted is at most
    what was written, and at least what the files hold."""
    kept = 0
    for file in [*(agent.directory / "vault").iterdir(), agent.directory / "logs" / f"{name}.log"]:
        kept += sum(line.startswith(b'{"timestamp"') and line.endswith(b"}\n") for line in file.read_bytes().splitlines(True))
    counted, last, since = 0, -1, time.monotonic()
    while time.monotonic() - since < 3:  # until it has been still for a while
        page = agent.page()
        if page:
            counted = int(sum(v for k, v in agents.parse(page).items() if k[0] == "crash_lines_total"))
        if counted != last:
            last, since = counted, time.monotonic()
        time.sleep(0.05)
    _, body = agent.get("/metrics")
    lost = sum(float(line.rpartition(" ")[2]) for line in body.splitlines() if line.startswith("logtally_lost_bytes_total"))
    scraper.finish()
    text = f"{counted} counted, {kept} were in files, {writer.lines - kept} in none; logtally_lost_bytes_total {lost:.0f} since the last start"
    if not kept <= counted <= writer.lines:  # more than in files: read before they were cut off
        raise Miss(f"copytruncate: {text}")
    return text
