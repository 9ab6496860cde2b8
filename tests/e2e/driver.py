"""Drives the binary as a user does, and reads what it prints: processes, the exposition, HTTP, waiting for a condition.

Environment, set by ctest: LOGTALLY (the binary), LOGTALLY_SOURCE (the checkout), LOGTALLY_SHARED (samples that are not part of the
checkout; may be missing), LOGTALLY_SANITIZE (empty, or the sanitizers of this build).
"""
import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

BINARY = os.environ.get("LOGTALLY", "build/dev/logtally")
SOURCE = pathlib.Path(os.environ.get("LOGTALLY_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
SHARED = pathlib.Path(os.environ.get("LOGTALLY_SHARED", SOURCE / ".." / "shared"))
SANITIZED = bool(os.environ.get("LOGTALLY_SANITIZE"))
DEADLINE = 60.0  # seconds; generous: a condition that holds is seen at once

SUMMARY_KEYS = ["msg", "read", "parsed", "joined", "bare", "failed", "matched", "unmatched", "lost"]


# State that a test does not ask for is nobody else's, and gone with the test.
STATE_HOME = tempfile.TemporaryDirectory(prefix="logtally-state-")


def environment(**extra):
    """Ours without what would change the program's ways, plus `extra`."""
    ways = ("METRICS_PORT", "LOKI_URL", "STATE_DIRECTORY")
    kept = {k: v for k, v in os.environ.items() if k not in ways and not k.startswith("LOGTALLY")}
    return {**kept, "XDG_STATE_HOME": STATE_HOME.name, **extra}


def run(*args, stdin=None, env=None, timeout=DEADLINE * 5, cwd=None):
    """Runs to the end. `stdin`: bytes, an open file, or None for a closed one."""
    feed = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin or subprocess.DEVNULL}
    return subprocess.run([BINARY, *map(str, args)], capture_output=True, env=environment(**(env or {})), timeout=timeout, cwd=cwd, **feed)


def summary(stderr):
    """The last line of stderr as a dict; every key that the specification names has to be there, in its order."""
    last = stderr.decode().rstrip("\n").rsplit("\n", 1)[-1]
    pairs = re.findall(r'(\w+)=("[^"]*"|\S+)', last)
    keys = [k for k, _ in pairs]
    assert [k for k in keys if k in SUMMARY_KEYS] == SUMMARY_KEYS, f"no summary in the last line of stderr: {last!r}"
    values = dict(pairs)
    assert values["msg"] == "summary", last
    return {k: int(values[k]) for k in SUMMARY_KEYS[1:]}


def adds_up(s):
    return s["read"] == s["parsed"] + s["joined"] + s["bare"] + s["failed"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition, what, deadline=DEADLINE):
    """Polls until `condition()` is truthy and gives it back; fails with `what` at the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:.0f} s: {what}")
        time.sleep(0.01)


class Server:
    """A running `logtally run` that listens on a port of its own. `with Server(...) as s:`; killed at the end if still there."""

    def __init__(self, *args, stdin=subprocess.DEVNULL, env=None, port=None, cwd=None):
        self.port = port or free_port()
        self.state = tempfile.TemporaryDirectory(prefix="logtally-state-")  # its own, unless --state-dir says otherwise
        env = {"XDG_STATE_HOME": self.state.name, **(env or {})}
        self.err = tempfile.TemporaryFile()
        self.out = tempfile.TemporaryFile()
        self.process = subprocess.Popen([BINARY, "run", "--listen", f"127.0.0.1:{self.port}", *map(str, args)],
                                        stdin=stdin, stdout=self.out, stderr=self.err, env=environment(**env), cwd=cwd)

    def __enter__(self):
        try:
            until(self._ready, "the port answers")
        except AssertionError as e:
            self.__exit__()
            raise AssertionError(f"{e}; stderr:\n{self.stderr().decode(errors='replace')}") from None
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        self.state.cleanup()

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode}")
        try:
            return self.get("/-/ready").status == 200
        except OSError:
            return False

    def request(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            answer.content = answer.read()
            return answer
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers)

    def scrape(self):
        return Exposition(self.get("/metrics").content.decode())

    def stderr(self):
        self.err.seek(0)
        return self.err.read()

    def stdout(self):
        self.out.seek(0)
        return self.out.read()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(DEADLINE)


class Exposition:
    """The text format 0.0.4, read strictly and without any library: a second opinion on the writer."""

    _line = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
    _label = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')

    def __init__(self, text):
        assert text == "" or text.endswith("\n"), "the last line has its end"
        self.types, self.helps, self.samples = {}, {}, {}
        family = None
        closed = set()
        for line in text.split("\n")[:-1]:
            if line.startswith("# "):
                word, name, rest = (line[2:].split(" ", 2) + [""])[:3]
                assert word in ("HELP", "TYPE"), line
                where = self.helps if word == "HELP" else self.types
                assert name not in where, f"{word} of {name} twice"
                where[name] = rest
                if name != family:
                    closed.add(family)
                    assert name not in closed, f"family {name} is in two places"
                    family = name
                continue
            m = self._line.match(line)
            assert m, f"not a sample: {line!r}"
            name, labels, value = m.groups()
            if name != family:
                assert family and re.fullmatch(re.escape(family) + "_(bucket|sum|count)", name), f"{name} below {family}"
            key = (name, self._labels(labels or ""))
            assert key not in self.samples, f"twice: {line}"
            self.samples[key] = value

    def _labels(self, text):
        found, at = [], 0
        while at < len(text):
            m = self._label.match(text, at)
            assert m, f"not labels: {text!r}"
            found.append((m[1], re.sub(r'\\(.)', lambda e: "\n" if e[1] == "n" else e[1], m[2])))
            at = m.end()
        assert len({k for k, _ in found}) == len(found), f"a label twice: {text!r}"
        return tuple(sorted(found))

    def get(self, name, **labels):
        """The value as a number, or None."""
        value = self.samples.get((name, tuple(sorted((k, str(v)) for k, v in labels.items()))))
        return None if value is None else (int(value) if re.fullmatch(r"-?\d+", value) else float(value))

    def of(self, name):
        """{labels as dict items: value} of every sample of this name."""
        return {labels: self.get(name, **dict(labels)) for n, labels in self.samples if n == name}

    def sum(self, name, **labels):
        want = {(k, str(v)) for k, v in labels.items()}
        return sum(v for k, v in self.of(name).items() if want <= set(k))


def shared(*parts):
    """A path of the samples beside the checkout; the whole script is skipped, visibly, where they are not."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        skip(f"{'/'.join(parts)} is not beside this checkout")
    return path


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def main():
    unittest.main(module="__main__", verbosity=2, warnings="ignore")
