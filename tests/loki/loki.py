#!/usr/bin/env python3
"""Starts the Loki for tests by hand, until it is ended: `python3 -B tests/loki/loki.py --port 3100`.

The first line of its output is JSON: {"port": …, "control_port": …, "pid": …}.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import signal
import sys

sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
from loki import counting, faults  # noqa: E402
from loki.limits import Limits  # noqa: E402
from loki.server import Loki  # noqa: E402
from loki.tls import Tls  # noqa: E402


def limits(args):
    """Of --limit name=value, values as JSON."""
    made = Limits.wide() if args.no_rates else Limits()
    for setting in args.limit:
        name, _, value = setting.partition("=")
        made.change(**{name: json.loads(value)})
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free (default)")
    parser.add_argument("--control-port", type=int, default=0, help="/_control without TLS and without faults; 0: any (default)")
    parser.add_argument("--limit", action="append", default=[], metavar="NAME=JSON",
                        help="one of: " + ", ".join(f.name for f in dataclasses.fields(Limits)))
    parser.add_argument("--no-rates", action="store_true", help="no limits of bytes per second")
    parser.add_argument("--fault", action="append", default=[], metavar="JSON|PRESET",
                        help='{"preset": "unavailable", "times": 3}, any field of faults.Fault, or a preset: ' + ", ".join(faults.PRESETS))
    parser.add_argument("--counts", action="store_true", help="keep no lines, only counts and sums: for more than fits into memory")
    parser.add_argument("--keep-bodies", action="store_true", help="for /_control/body")
    parser.add_argument("--certificate", help="TLS: a file with the server's certificate")
    parser.add_argument("--key", help="TLS: its key")
    parser.add_argument("--client-ca", help="TLS: clients need a certificate of this authority")
    parser.add_argument("--read-and-204", action="store_true", help="only read bodies and answer 204, counting bytes: GET / tells how many")
    args = parser.parse_args()
    if args.read_and_204:
        server = counting.Counting(args.host, args.port).start()
        told = {"port": server.port, "pid": os.getpid()}
    else:
        tls = Tls(args.certificate, args.key, args.client_ca) if args.certificate else None
        server = Loki(args.host, args.port, limits=limits(args), tls=tls, keep_lines=not args.counts, keep_bodies=args.keep_bodies,
                      control_port=args.control_port)
        server.faults.add(*(json.loads(f) if f.startswith("{") else f for f in args.fault))
        server.start()
        told = {"port": server.port, "control_port": server.control_port, "pid": os.getpid()}
    print(json.dumps(told), flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
