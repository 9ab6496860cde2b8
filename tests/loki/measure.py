#!/usr/bin/env python3
"""How fast this Loki and the counting server are, so that nobody measures them in place of the product: `python3 -B tests/loki/measure.py`.

Bodies are made beforehand; a client of four threads in this process sends them as fast as they are taken, so the figures are lower bounds.
"""
import argparse
import http.client
import json
import pathlib
import resource
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)
from loki.testing import compress, message  # noqa: E402

LINES = 500  # in one body: 64 KiB, what the product sends at a time


def body(serial, stream):
    now = time.time_ns()
    entries = [(now + i, f'{{"ts":"2026-03-01T10:00:{i % 60:02d}.{serial:06d}Z","level":"info","request_id":"r-{serial * 7919 + i:08x}","msg":"generated",'
                f'"tokens":{i * 37 % 1000},"ms":{i * i % 997}}}', {"detected_level": "info"}) for i in range(LINES)]
    return message((f'{{app="engine", stream="{stream}"}}', entries))


def start(*args):
    process = subprocess.Popen([sys.executable, "-B", HERE / "loki.py", *args], stdout=subprocess.PIPE)
    return process, json.loads(process.stdout.readline())


def send(port, bodies):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for one in bodies:
        connection.request("POST", "/loki/api/v1/push", one, {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 204, answer.status
    connection.close()


def run(name, args, shares, unit, amount):
    process, told = start(*args)
    threads = [threading.Thread(target=send, args=(told["port"], share)) for share in shares]
    begin = time.monotonic()
    [t.start() for t in threads]
    [t.join() for t in threads]
    wall = time.monotonic() - begin
    stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    cpu = (int(stat[11]) + int(stat[12])) / 100
    peak = next(line.split()[1] for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    process.terminate()
    process.wait()
    print(f"{name:32} {amount / wall:12,.0f} {unit}/s   {amount / cpu if cpu else 0:12,.0f} {unit} per second of CPU   {int(peak) / 1024:6.0f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--gigabytes", type=float, default=4)
    args = parser.parse_args()
    texts = [[body(n, s) for n in range(args.lines // LINES // 4)] for s in range(4)]
    packed = [[compress(b) for b in share] for share in texts]
    total = sum(map(len, packed)) * LINES
    text, sent = sum(len(b) for s in texts for b in s), sum(len(b) for s in packed for b in s)
    print(f"{total:,} lines, {text / total:.0f} bytes each with their message, {text / sent:.1f} : 1 packed")
    run("decodes, checks, stores", ["--no-rates"], packed, "lines", total)
    run("the same without keeping lines", ["--no-rates", "--counts"], packed, "lines", total)
    for size in (64 << 10, 1 << 20):
        block = bytes(size)
        count = int(args.gigabytes * 1e9 / 4 / size)
        run(f"reads {size >> 10} KiB and answers 204", ["--read-and-204"], [[block] * count] * 4, "MB", 4 * count * size / 1e6)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"(the client's own CPU: {used.ru_utime + used.ru_stime:.1f} s, with making the bodies)")


if __name__ == "__main__":
    main()
