"""Kills, errors and damage, and what must be the same after all of it. `./dev crash [--full] [--seed N]`; README.md has the rest."""
import argparse
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bugs  # noqa: E402
import damage  # noqa: E402
import kills  # noqa: E402
import rotated  # noqa: E402
import syscalls  # noqa: E402
from agent import Miss  # noqa: E402


class Skipped(Exception):
    pass


def random_kills(directory, options, say):
    if options.full:
        return kills.run(directory, options.seed, options.kills or 1000, 3600, say=say)
    return kills.run(directory, options.seed, options.kills or 40, box(options, 0, 25, 10), barrier_every=8, say=say)


def box(options, full, normal, slice_):
    """Seconds."""
    return full if options.full else slice_ if options.slice else normal


def system_calls(directory, options, say):
    found = syscalls.run(directory, options.seed, box(options, 5400, 60, 14), random.Random(options.seed), say)
    if found is None:
        raise Skipped("there is no strace")
    return found


def short_writes(directory, options, say):
    return syscalls.short_writes(directory, options.seed, box(options, 120, 10, 3), random.Random(options.seed))


def full_disk(directory, options, say):
    found = damage.full_disk(directory, options.seed, box(options, 60, 4, 1.5), random.Random(options.seed))
    if found is None:
        raise Skipped("no right to mount a small file system")
    return found


def corruptions(directory, options, say):
    return damage.corruptions(directory, options.seed, 1000, box(options, 900, 30, 7), random.Random(options.seed), say)


def logrotate(directory, options, say):
    found = [rotated.run(directory, options.seed, box(options, 60, 10, 3), mode, say=say) for mode in rotated.CONFIGS]
    if None in found:
        raise Skipped("there is no logrotate, or this is not root")
    return {"points": sum(f["points"] for f in found), "what": "; ".join(f["what"] for f in found)}


PARTS = {
    "kills": ("L3: kill -9 under load, rotation, reloads, scrapes", random_kills),
    "calls": ("L2: SIGKILL, ENOSPC, EIO, EINTR at the N-th call", system_calls),
    "short": ("short writes, by a limit on files' sizes", short_writes),
    "disk": ("the state's disk is full, then freed", full_disk),
    "damage": ("damage to the state's files", corruptions),
    "logrotate": ("logrotate under 20,000 lines/s, a kill each 5 s", logrotate),
}


def main():
    parser = argparse.ArgumentParser(prog="./dev crash", description=__doc__)
    parser.add_argument("--full", action="store_true", help="everything a release needs: 1,000 kills, every system call")
    parser.add_argument("--slice", action="store_true", help="what ctest runs: less than a minute")
    parser.add_argument("--seed", type=int, default=None, help="of all that is random; without it a new one, which is printed")
    parser.add_argument("--only", action="append", choices=sorted(PARTS), help="this part alone; may be given several times")
    parser.add_argument("--kills", type=int, help="how many random kills")
    parser.add_argument("--keep", action="store_true", help="leave the directories behind, of parts that passed too")
    parser.add_argument("--bugs", nargs="?", const="*", metavar="NAME", help="instead: apply each patch of tests/crash/bugs to a copy of "
                        "the tree, build it, and see that it is caught")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"seed {options.seed}", flush=True)
    if options.bugs:
        return bugs.run(options.bugs, options.seed)
    table, missed = [], 0
    for name in options.only or PARTS:
        title, part = PARTS[name]
        directory = tempfile.mkdtemp(prefix=f"logtally-crash-{name}-")
        began = time.monotonic()
        points, outcome = "-", "ok"
        try:
            found = part(directory, options, lambda text, name=name: print(f"  {name}: {text}", flush=True))
            points, what = found["points"], found["what"]
        except Skipped as why:
            outcome, what = "skipped", str(why)
        except Miss as miss:
            outcome, what = "MISSED", f"{str(miss)[:1500]} (left in {directory})"
            missed += 1
        if outcome != "MISSED" and not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
        table.append((title, points, outcome, f"{time.monotonic() - began:.0f} s", what))
        print(f"{title}: {outcome}, {points} points, {what}", flush=True)
    print()
    for title, points, outcome, seconds, what in table:
        print(f"{title:<52} {points:>12} {outcome:<8} {seconds:>6}  {what[:150]}")
    if missed:
        print(f"\n{missed} missed; again with --seed {options.seed}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
