#!/usr/bin/env python3
"""How long an engine's write() takes under `logtally exec`, with and without kill -9 of the worker, against `| cat`.

  tests/bench/exec_writes.py [--binary build/release/logtally] [--seconds 10] [--rate 20000] [--rounds 3]

One table, medians of the rounds; microseconds. The rounds of all ways are interleaved, so that a busy machine is busy for all.
"""
import argparse
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ENGINE = r"""
import array, os, sys, time
rate, seconds, out = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
took = array.array("Q")
begin = time.monotonic()
n = 0
while True:
    now = time.monotonic() - begin
    if now >= seconds: break
    while n < now * rate:  # in bursts, as engines do
        line = b'{"event":"x","n":%d,"text":"%s"}\n' % (n, b"y" * 150)
        t = time.perf_counter_ns()
        put = os.write(1, line)
        took.append(time.perf_counter_ns() - t)
        assert put == len(line)
        n += 1
    time.sleep(0.001)
with open(out, "wb") as f: took.tofile(f)
"""
RULES = "version: 1\nmetrics:\n  seen_total: {type: counter, help: Lines seen.}\nrules:\n  seen: {match: {event: x}, do: [inc: seen_total]}\n"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def worker_of(pid):
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "logtally-worker":
                return int(child)
        except OSError:
            pass
    return None


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--binary", default="build/release/logtally")
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--rate", type=int, default=20_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--kill-every", type=float, default=1.5)
    given = arguments.parse_args()

    with tempfile.TemporaryDirectory() as work:
        rules, engine, times = (pathlib.Path(work, name) for name in ("rules.yaml", "engine.py", "times"))
        rules.write_text(RULES)
        engine.write_text(ENGINE)
        command = [sys.executable, str(engine), str(given.rate), str(given.seconds), str(times)]
        shell = " ".join(command)
        logtally = lambda *flags: [given.binary, "exec", "-q", "--listen", f"127.0.0.1:{free_port()}", "--pack", "none", "--rules", str(rules), *flags, "--", *command]
        ways = {"| cat >/dev/null": (lambda: ["sh", "-c", shell + " | cat >/dev/null"], False),
                "exec": (logtally, False),
                f"exec, kill -9 each {given.kill_every:g} s": (logtally, True),
                "exec --tee": (lambda: logtally("--tee"), False),
                f"exec --tee, kill -9 each {given.kill_every:g} s": (lambda: logtally("--tee"), True),
                "exec --streams labelled": (lambda: logtally("--streams", "labelled"), False)}
        found = {way: [] for way in ways}
        for _ in range(given.rounds):
            for way, (start, kills) in ways.items():
                process = subprocess.Popen(start(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                           env={**os.environ, "XDG_STATE_HOME": work})
                killed = 0
                next_kill = time.monotonic() + given.kill_every
                end = time.monotonic() + given.seconds + 60
                while process.poll() is None:
                    assert time.monotonic() < end, f"{way} does not end"
                    time.sleep(0.02)
                    if kills and time.monotonic() >= next_kill and (worker := worker_of(process.pid)):
                        os.kill(worker, signal.SIGKILL)
                        killed += 1
                        next_kill = time.monotonic() + given.kill_every
                assert process.returncode == 0, f"{way}: {process.returncode}"
                values = sorted(memoryview(times.read_bytes()).cast("Q"))
                at = lambda share: values[min(len(values) - 1, int(len(values) * share))] / 1000
                found[way].append((len(values), at(0.5), at(0.99), at(0.999), values[-1] / 1000, killed))

        print(f"{'way':34} {'writes':>8} {'p50':>8} {'p99':>8} {'p99.9':>9} {'max':>10}   us; workers killed")
        for way, rounds in found.items():
            middle = [statistics.median(column) for column in zip(*rounds)]
            print(f"{way:34} {middle[0]:8.0f} {middle[1]:8.1f} {middle[2]:8.1f} {middle[3]:9.1f} {middle[4]:10.1f}   {middle[5]:.0f}")


if __name__ == "__main__":
    main()
