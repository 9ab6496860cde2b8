"""L2: SIGKILL and errors at the N-th system call that writes, by `strace -e inject`, for all N of five scenarios; after a clean start
everything has to be exact. And writes that are really short, by a limit on the size of files."""
import collections
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import time

import agent as agents
import reference as rules
import workload
from agent import Miss

CALLS = "write,pwrite64,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,unlinkat,openat"
ACTIONS = {"KILL": "signal=KILL", "ENOSPC": "error=ENOSPC", "EIO": "error=EIO", "EINTR": "error=EINTR"}
STREAMS = ("app", "copy", "text")
WAIT = 15.0


class Scene:
    """A directory in which scenarios run again and again; the reference goes on from one to the next, so everything that one leaves
    behind is checked by all that follow."""

    def __init__(self, directory, seed):
        self.agent = agents.Agent(directory)
        self.directory = pathlib.Path(directory)
        self.seed, self.round = seed, 0
        self.fresh()

    def fresh(self):
        """Nothing was ever read; files are there with a beginning."""
        for name in ("logs", "state", "journal"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        (self.directory / "logs").mkdir()
        (self.directory / "journal").mkdir()
        (self.directory / "rules.d" / "crash.yaml").write_text(rules.RULES)
        self.reference, self.now = rules.Reference(), workload.EventTime()
        self.round += 1
        self.streams = workload.streams(self.directory / "logs", self.reference, self.now, f"{self.seed} {self.round}",
                                        self.directory / "journal", STREAMS)
        self.marks = {}
        self.append(50)

    def append(self, count):
        for stream in self.streams:
            stream.batch(count)
            stream.put_mark()
            self.marks[stream.name] = stream.mark

    def rotate(self):
        for stream in self.streams:
            stream.rotate(0)
            self.marks[stream.name] = stream.mark

    def unequal(self, page):
        return agents.differences(self.reference.samples(), agents.parse(page), most=4)

    def read(self, agent, deadline=WAIT):
        """Waits until all that was written shows; False when the program is gone before."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            if not agent.running():
                return False
            page = agent.page()
            if page is not None:
                self.scraper.take(page)
                shown = agents.marks(page)
                if all(shown.get(s, 0) >= m for s, m in self.marks.items()):
                    return True
            time.sleep(0.01)
        raise Miss(f"not read within {deadline:.0f} s: {self.marks}; stderr: {agent.last_words()}")


def fresh_start(scene):
    scene.read(scene.agent)


def steady_load(scene):
    for _ in range(3):
        scene.append(10)
        if not scene.read(scene.agent):
            return


def rotation(scene):
    scene.read(scene.agent)
    scene.append(10)
    scene.rotate()
    scene.append(10)
    scene.read(scene.agent)


def reload(scene):
    if not scene.read(scene.agent):
        return
    (scene.directory / "rules.d" / "crash.yaml").write_text(rules.RULES + f"# {scene.round} {time.monotonic()}\n")
    try:
        scene.agent.post("/-/reload")
    except (OSError, agents.http.client.HTTPException):
        pass
    scene.append(10)
    scene.read(scene.agent)


def orderly_stop(scene):
    if scene.read(scene.agent):
        scene.append(10)
        terminate(scene.agent)


SCENARIOS = {"fresh start": fresh_start, "steady load": steady_load, "rotation": rotation, "reload": reload, "orderly stop": orderly_stop}


def terminate(agent):
    """SIGTERM to the program itself: strace is its parent."""
    for child in children(agent.process.pid):
        try:
            os.kill(child, signal.SIGTERM)
        except ProcessLookupError:
            pass


def children(pid):
    try:
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def put_down(agent, kill):
    """The end of a run under strace, whichever way; nothing is left of it."""
    for child in children(agent.process.pid):
        try:
            os.kill(child, signal.SIGKILL if kill else signal.SIGTERM)
        except ProcessLookupError:
            pass
    try:
        agent.process.wait(20)
    except subprocess.TimeoutExpired:
        put_down(agent, True)
        raise Miss(f"did not end within 20 s of SIGTERM; stderr: {agent.last_words()}") from None


def prepare(scene, name):
    """Before the run under injection: all but the fresh start have been read and stopped in order."""
    if name == "fresh start":
        scene.fresh()
        scene.scraper = Steps(scene.agent)
        return
    scene.scraper = Steps(scene.agent)
    scene.append(5)
    if name in ("steady load", "orderly stop"):
        scene.agent.start()
        scene.read(scene.agent)
        scene.agent.stop()


class Steps(agents.Scraper):
    """The same judgement of pages, that are given to it."""

    def start(self):
        pass


def inside(directory, line):
    return f"{directory}/" in line and "/logs/" not in line


def files(scene):
    """Whose `write` can fail: files. One that wakes a thread cannot, whatever is injected."""
    return [arg for path in ("stderr", "state/state.lock") for arg in ("-P", str(scene.directory / path))]


def count_calls(scene, name):
    """How many writing calls each thread makes in the scenario, as {call: most of one thread}; `write to a file` apart."""
    prepare(scene, name)
    trace = scene.directory / "trace"
    scene.agent.start(around=["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-o", str(trace), "-e", f"trace={CALLS}"])
    SCENARIOS[name](scene)
    put_down(scene.agent, kill=False)
    calls = collections.Counter()
    for line in trace.read_text(errors="replace").splitlines():
        found = re.match(r"(\d+) +(\w+)\(", line)
        if not found or (found[2] == "openat" and "O_CREAT" not in line):
            continue
        calls[found[2], found[1]] += 1
        if found[2] == "write" and any(f"<{path}>" in line for path in files(scene)):
            calls["write to a file", found[1]] += 1
    most = collections.Counter()
    for (call, _), count in calls.items():
        most[call] = max(most[call], count)
    return most


def points_of(scene):
    """All of (scenario, call, action, N)."""
    points = []
    for name in SCENARIOS:
        for call, count in sorted(count_calls(scene, name).items()):
            for n in range(1, count + 1):
                points += [(name, call, action, n) for action in ACTIONS if (call == "write") == (action == "KILL") or "write" not in call.split()]
    return points


def one(scene, point):
    name, call, action, n = point
    prepare(scene, name)
    only = files(scene) if call == "write to a file" else []
    call = call.split()[0]
    inject = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", *only, "-e", f"trace={call}", "-e", f"inject={call}:{ACTIONS[action]}:when={n}"]
    scene.agent.start(around=inject)
    SCENARIOS[name](scene)
    ended = not scene.agent.running()
    put_down(scene.agent, kill=False)
    check(scene, "after it ended" if ended else "after it went on")


def check(scene, what):
    """A clean start: everything is there, once."""
    scene.agent.start()
    try:
        if not scene.read(scene.agent):
            raise Miss(f"{what}: does not start any more, {scene.agent.process.returncode}; stderr: {scene.agent.last_words()}")
        end = time.monotonic() + 5
        while unequal := scene.unequal(scene.agent.page() or ""):
            if time.monotonic() > end:
                raise Miss(f"{what}: " + "; ".join(unequal))
            time.sleep(0.05)
        scene.scraper.take(scene.agent.page())
        if scene.scraper.back:
            raise Miss(f"{what}: went back: {scene.scraper.back[:2]}")
        scene.agent.stop()
    finally:
        scene.agent.kill()
    rows, expected = scene.agent.rows(), agents.expected_rows(scene.reference)
    if rows != expected:
        raise Miss(f"{what}: {len(rows)} rows of skill calls, expected {len(expected)}")


def run(directory, seed, seconds, rng, say=lambda *_: None):
    """As many points as fit, evenly over all of them; what failed is collected, not the end."""
    if shutil.which("strace") is None:
        return None
    scene = Scene(directory, seed)
    points = points_of(scene)
    say(f"{len(points)} points")
    order = list(points)
    rng.shuffle(order)
    began, done, failed = time.monotonic(), collections.Counter(), []
    for point in order:
        if time.monotonic() - began > seconds:
            break
        done[point[0]] += 1
        try:
            one(scene, point)
        except Miss as miss:
            failed.append("{2} at {1} {3} of `{0}`: {4}".format(*point, str(miss)))
            say(f"missed: {failed[-1]}")
            scene.agent.kill()
            scene.fresh()
        if sum(done.values()) % 100 == 0:
            say(f"{sum(done.values())} of {len(points)}, {len(failed)} missed")
        if scene.round % 50 == 49 or sum(s.rotations for s in scene.streams) > 100:
            scene.fresh()
    total = collections.Counter(p[0] for p in points)
    what = ", ".join(f"{name} {done[name]}/{total[name]}" for name in SCENARIOS)
    if failed:
        raise Miss(f"{len(failed)} of {sum(done.values())} points: " + " | ".join(failed[:3]))
    return {"points": f"{sum(done.values())}/{len(points)}", "what": what}


def short_writes(directory, seed, seconds, rng):
    """A limit on the size of files falls in the middle of a write: it is short, the next one fails. Then the limit goes."""
    scene = Scene(directory, seed)
    scene.scraper = Steps(scene.agent)
    agent, began, done = scene.agent, time.monotonic(), 0
    while time.monotonic() - began < seconds:
        agent.start(restore_signals=False)  # SIGXFSZ stays ignored, as for every program that wants the error
        scene.read(agent)
        wal = scene.agent.state / "state.db-wal"
        size = wal.stat().st_size if wal.exists() else 0
        resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (max(1, size + rng.randrange(-2000, 9000)), resource.RLIM_INFINITY))
        scene.append(20)
        time.sleep(rng.random() * 0.3)
        if rng.random() < 0.3:
            agent.kill()
        elif agent.running():
            resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            if not scene.read(agent):
                raise Miss(f"ended by itself, {agent.process.returncode}, after a short write; stderr: {agent.last_words()}")
            agent.stop() if rng.random() < 0.5 else agent.kill()
        else:
            raise Miss(f"ended by itself, {agent.process.returncode}, at a short write; stderr: {agent.last_words()}")
        check(scene, f"short write {done}")
        done += 1
    return {"points": f"{done}", "what": "limits on the size of files within and around a write of the log"}
