"""The state on a disk that fills up, and state files that are damaged in any way."""
import os
import pathlib
import shutil
import subprocess
import time

import agent as agents
import reference as rules
import syscalls
import workload
from agent import Miss


class Mounted:
    """A small file system of its own in memory. Needs the right to mount."""

    def __init__(self, path, size):
        self.path = path
        path.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True)
        self.there = done.returncode == 0
        self.why = done.stderr.decode().strip()

    def close(self):
        if self.there:
            subprocess.run(["umount", "-l", str(self.path)], check=False, capture_output=True)


def full_disk(directory, seed, seconds, rng):
    """The state's disk is full for so long while lines come, with kills or without, and is then freed."""
    scene = syscalls.Scene(directory, seed)
    agent = scene.agent
    shutil.rmtree(agent.state, ignore_errors=True)
    disk = Mounted(agent.state, "4m")
    if not disk.there:
        return None
    slowest = 0.0
    try:
        scene.scraper = syscalls.Steps(agent)
        agent.start()
        scene.read(agent)
        for kill in (False, True):
            filler = agent.state / "filler"
            with open(filler, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * 4096)
                except OSError:
                    pass
            began, not_ready = time.monotonic(), False
            while time.monotonic() - began < seconds:
                scene.append(20)
                time.sleep(0.05)
                try:
                    not_ready = not_ready or agent.get("/-/ready")[0] == 503
                except OSError:
                    pass
                page = agent.page()
                if page:
                    scene.scraper.take(page)
                if kill and rng.random() < 0.1:
                    agent.kill()
                    agent.start()
                elif not agent.running():
                    agent.start()  # as a supervisor would: with a full disk it may say so and end
            if not not_ready and not kill:
                raise Miss(f"/-/ready never said 503 while the disk was full for {seconds} s")
            filler.unlink()
            freed = time.monotonic()
            if not agent.running():
                agent.start()
            while True:
                try:
                    if agent.get("/-/ready")[0] == 200:
                        break
                except OSError:
                    if not agent.running():
                        agent.start()
                if time.monotonic() - freed > 10:
                    raise Miss("/-/ready is not 200 within 10 s after the disk was freed")
                time.sleep(0.01)
            slowest = max(slowest, time.monotonic() - freed)
            if slowest > 2.0:
                raise Miss(f"ready {slowest:.1f} s after the disk was freed; 2 s are allowed")
            if not scene.read(agent):
                raise Miss(f"ended by itself, {agent.process.returncode}; stderr: {agent.last_words()}")
        agent.stop()
        syscalls.check(scene, "after a full disk")
    finally:
        if agent.process:
            agent.kill()
        disk.close()
    return {"points": "2", "what": f"full for {seconds:.0f} s alive and with kills; ready again {slowest * 1000:.0f} ms after it was freed"}


def spoil(path, rng):
    """One damage to a file; what was done."""
    data = bytearray(path.read_bytes())
    if not data:
        return "empty"
    how = rng.choice(["flip", "flip", "zero", "cut", "garbage", "swap"])
    at = rng.randrange(len(data))
    size = min(len(data) - at, rng.choice([1, 16, 512, 4096]))
    if how == "flip":
        data[at] ^= 1 << rng.randrange(8)
    elif how == "zero":
        data[at:at + size] = bytes(size)
    elif how == "garbage":
        data[at:at + size] = rng.randbytes(size)
    elif how == "swap" and len(data) > 8192:
        a, b = (4096 * rng.randrange(len(data) // 4096) for _ in range(2))
        data[a:a + 4096], data[b:b + 4096] = data[b:b + 4096], data[a:a + 4096]
    else:
        data = data[:at]
    path.write_bytes(data)
    return f"{how} of {size} bytes at {at} of {path.name}"


def corruptions(directory, seed, count, seconds, rng, say=lambda *_: None):
    """Damage, start, and look: exact, restored or refused with one line."""
    scene = syscalls.Scene(directory, seed)
    agent = scene.agent
    scene.scraper = syscalls.Steps(agent)
    scene.append(100)
    agent.start()
    scene.read(agent)
    agent.kill()  # the log is as a kill leaves it
    keep = scene.directory / "keep"
    shutil.copytree(agent.state, keep, ignore=shutil.ignore_patterns("state.lock"))
    agent.start()
    agent.wait_page(lambda page: not scene.unequal(page), "equal before any damage")
    agent.stop()
    snapshot = scene.directory / "snapshot"
    shutil.copytree(agent.state, snapshot)  # in order: no log
    done = {"exact": 0, "restored": 0, "refused": 0}
    began, i = time.monotonic(), 0
    while i < count and time.monotonic() - began < seconds:
        i += 1
        shutil.rmtree(agent.state)
        shutil.copytree(keep if rng.random() < 0.7 else snapshot, agent.state)
        with_snapshot = rng.random() < 0.5
        if with_snapshot:
            shutil.copy(snapshot / "state.db", agent.state / "snapshot.1.db")
        files = [p for p in (agent.state / "state.db", agent.state / "state.db-wal") if p.exists()]
        what = " and ".join(spoil(rng.choice(files), rng) for _ in range(rng.choice([1, 1, 3])))
        size = os.path.getsize(scene.directory / "stderr")
        again = False
        agent.start()
        end = time.monotonic() + 15
        while True:
            code = agent.process.poll()
            if code is not None:
                said = (scene.directory / "stderr").read_bytes()[size:].decode(errors="replace").splitlines()[1:]
                if code == 1 and any("state: cannot be written: " in line for line in said) and not again:
                    # What no quick look sees is seen when it is written to; the next start knows.
                    again = True
                    size = os.path.getsize(scene.directory / "stderr")
                    agent.start()
                    continue
                errors = [line for line in said if line.startswith("error: ")]
                if code != 1 or len(errors) != 1 or len(said) != 1:
                    raise Miss(f"{what}: ended with {code} and said {said[:6]}")
                if with_snapshot:
                    raise Miss(f"{what}: refused beside a sound snapshot: {errors}")
                done["refused"] += 1
                break
            page = agent.page()
            if page is not None and not scene.unequal(page):
                restored = any(agent.state.glob("state.db.corrupt-*"))
                done["restored" if restored else "exact"] += 1
                agent.stop()
                break
            if time.monotonic() > end:
                raise Miss(f"{what}: neither equal nor refused: {scene.unequal(page or '')}; stderr: {agent.last_words()}")
            time.sleep(0.01)
        if i % 200 == 0:
            say(f"{i} damages: {done}")
    agent.kill()
    return {"points": f"{i}/{count}", "what": ", ".join(f"{n} {k}" for k, n in done.items())}
