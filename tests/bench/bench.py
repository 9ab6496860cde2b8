#!/usr/bin/env python3
"""Measures the program against its bars and prints one table; README.md beside this file says how each row is measured.

usage: bench.py [--check] [--full] [--mb N] [--runs N] [--only GROUP[,GROUP]] [--binary FILE]
Groups: json text flat stdin memory start state latency scrape. Normally run by `./dev bench`, which builds first.
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "bench"
GROUPS = ("json", "text", "flat", "stdin", "memory", "start", "state", "latency", "scrape")

# The "first reach" of each bar: (how to compare, limit). `then` is what comes after; printed, never checked.
BARS = {
    "json": (">=", 1.15, "1.6"),
    "text": (">=", 0.45, "0.8"),
    "packs": (">=", 0.8, "0.9"),
    "flat": ("<=", 1.1, "1.05"),
    "spread": ("<=", 1.3, "1.1"),
    "stdin": (">=", 0.85, "0.95"),
    "rss": ("<=", 32.0, "24"),
    "rss_line": ("<=", 2.0, "2"),
    "rss_full": ("<=", 32.0, "24"),
    "start": ("<=", 150.0, "50"),
    "state": ("<=", 1.03, "1.03"),
    "restart": ("<=", 1000.0, "500"),
    "latency": ("<=", 10.0, "p99 5"),
    "scrape": ("<=", 40.0, "20"),
}


class Run:
    """One process that has ended: wall and CPU seconds (user + system, the whole process), its output."""

    def __init__(self, wall, usage, out, err):
        self.wall = wall
        self.cpu = usage.ru_utime + usage.ru_stime
        self.out = out
        self.err = err


def execute(command, feeder=None, keep_output=False):
    """Runs `command` to its end, its standard input from the command `feeder` where given."""
    with tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        feeding = subprocess.Popen(feeder, stdout=subprocess.PIPE) if feeder else None
        p = subprocess.Popen([str(c) for c in command], stdin=feeding.stdout if feeding else subprocess.DEVNULL,
                             stdout=out if keep_output else subprocess.DEVNULL, stderr=err)
        if feeding:
            feeding.stdout.close()
        _, status, usage = os.wait4(p.pid, 0)
        wall = time.perf_counter() - start
        p.returncode = os.waitstatus_to_exitcode(status)
        if feeding:
            feeding.wait()
        out.seek(0)
        err.seek(0)
        run = Run(wall, usage, out.read().decode(errors="replace"), err.read().decode(errors="replace"))
    if p.returncode != 0:
        sys.exit(f"bench: exit {p.returncode} of {' '.join(map(str, command))}\n{run.err[-2000:]}")
    return run


def interleaved(work, runs):
    """{name: function} → {name: [Run]}: all in turn, `runs` times, after one round that does not count."""
    results = {name: [] for name in work}
    for turn in range(runs + 1):
        for name, function in work.items():
            run = function()
            if turn > 0:
                results[name].append(run)
    return results


def median(values):
    return statistics.median(values)


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))]


# ---- inputs, kept in build/bench between runs


def made(path, write):
    """`path`, written by write(temporary path) unless it is there from before."""
    if not path.exists():
        temporary = path.with_suffix(path.suffix + ".tmp")
        write(temporary)
        temporary.rename(path)
    return path


def corpus(mb):
    def write(path):
        print(f"bench: writing a corpus of {mb} MB (once)", file=sys.stderr)
        subprocess.run([sys.executable, str(HERE / "gen_corpus.py"), "--mb", str(mb), "--seed", "42", "--out", str(path)], check=True)
        pathlib.Path(f"{path}.expected.json").rename(WORK / f"corpus-{mb}.jsonl.expected.json")

    return made(WORK / f"corpus-{mb}.jsonl", write)


def text_corpus(mb):
    def write(path):
        print(f"bench: writing {mb} MB of text lines (once)", file=sys.stderr)
        subprocess.run([sys.executable, str(HERE / "gen_text.py"), "--mb", str(mb), "--seed", "42", "--out", str(path)], check=True)
        pathlib.Path(f"{path}.expected.json").unlink()

    return made(WORK / f"text-{mb}.log", write)


WIDE_FIELDS = [f"ctx_{i:02d}" for i in range(13)]
FIELDS_OF_EVERY_LINE = ["timestamp", "level", "logger", "message", "module", "function", "line", "trace_id", "request_id"] + WIDE_FIELDS


def wide_corpus(mb):
    """The corpus with 13 more fields on every line: 22 that no line lacks."""

    def write(path):
        more = "".join(f'"{field}":"value{i}",' for i, field in enumerate(WIDE_FIELDS)).encode()
        left = mb * 1_000_000
        with open(corpus(mb), "rb") as lines, open(path, "wb") as out:
            for line in lines:
                left -= out.write(b"{" + more + line[1:])
                if left <= 0:
                    break

    return made(WORK / f"wide-{mb}.jsonl", write)


def compiled(name, *libraries):
    source = HERE / f"{name}.cc"
    binary = WORK / name
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["g++", "-std=c++20", "-O3", "-DNDEBUG", str(source), "-o", str(binary), *libraries], check=True)
    return binary


def peak_rss(command, feeder=None):
    """MB (10^6 bytes); peak_rss.cc says why it takes a program of its own."""
    with tempfile.NamedTemporaryFile("r") as result:
        execute([compiled("peak_rss"), result.name, *command], feeder)
        return int(result.read()) * 1024 / 1e6


EXTRA_KINDS = {
    "other values of one field": lambda i: f"match: {{extra.event: other_event_{i}}}",
    "200 absent fields": lambda i: f"match: {{absent_{i % 200}: value_{i}}}",
    "message patterns": lambda i: f"pattern: 'Other step {i} of <name> took <ms>ms'",
    "22 fields of every line": lambda i: f"match: {{{FIELDS_OF_EVERY_LINE[i % 22]}: other_value_{i}}}",
}


def extra_rules(kind, n):
    """A file of `n` rules that fit no line of the corpus."""
    path = WORK / f"extra-{kind.replace(' ', '-')}-{n}.yaml"
    rules = "".join(f"  extra_{i}:\n    {EXTRA_KINDS[kind](i)}\n    do: [inc: extra_total]\n" for i in range(n))
    path.write_text(f"version: 1\nmetrics:\n  extra_total: {{type: counter, help: Lines of the extra rules.}}\nrules:\n{rules}")
    return path


def many_series(families, each):
    """(log, rules): a log that makes families × each series, and the rules that do it."""
    rules = WORK / f"series-{families}x{each}.yaml"
    declared = "".join(f"  many_{i}_total: {{type: counter, help: Family {i}., labels: [id]}}\n" for i in range(families))
    acting = "".join(f"  many_{i}:\n    match: {{many: {i}}}\n    do: [inc: many_{i}_total]\n" for i in range(families))
    rules.write_text(f"version: 1\nmetrics:\n{declared}rules:\n{acting}")
    log = WORK / f"series-{families}x{each}.jsonl"
    with open(log, "w") as out:
        for i in range(families):
            out.writelines(f'{{"many":{i},"id":"id-{n:06d}"}}\n' for n in range(each))
    return log, rules


# ---- a program that serves


class Server:
    """`logtally run` on a port of its own; one kept connection for the scrapes."""

    def __init__(self, binary, *args, feeder=None):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.err = tempfile.TemporaryFile()
        self.state = tempfile.TemporaryDirectory(prefix="logtally-state-", dir=WORK)  # as operators have it: state is kept
        self.feeder = subprocess.Popen(feeder, stdout=subprocess.PIPE, start_new_session=True) if feeder else None
        self.started = time.perf_counter()
        self.process = subprocess.Popen([str(binary), "run", "--listen", f"127.0.0.1:{self.port}", *([] if "--state-dir" in map(str, args) else ["--state-dir", self.state.name]), *map(str, args)],
                                        stdin=self.feeder.stdout if feeder else subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.err)
        if self.feeder:
            self.feeder.stdout.close()
        self.connection = None

    def __enter__(self):
        try:
            while True:
                if self.process.poll() is not None or time.perf_counter() - self.started > 60:
                    self.err.seek(0)
                    sys.exit(f"bench: no /metrics; stderr:\n{self.err.read().decode(errors='replace')[-2000:]}")
                try:
                    self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                    self.scrape()
                    break
                except OSError:
                    time.sleep(0.0005)
        except BaseException:
            self.__exit__()
            raise
        self.up = time.perf_counter() - self.started
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.feeder:
            os.killpg(self.feeder.pid, signal.SIGKILL)
            self.feeder.wait()
        self.err.close()
        self.state.cleanup()

    def scrape(self):
        """(seconds, page)"""
        start = time.perf_counter()
        self.connection.request("GET", "/metrics")
        page = self.connection.getresponse().read()
        return time.perf_counter() - start, page


# ---- the rows


class Table:
    def __init__(self):
        self.rows = []
        self.missed = 0

    def add(self, what, measured, ratio=None, bar=None, value=None):
        """`value` (default: the ratio) is held against the bar, where there is one."""
        wanted = verdict = ""
        if bar:
            how, limit, then = BARS[bar]
            value = ratio if value is None else value
            good = value >= limit if how == ">=" else value <= limit
            wanted, verdict = f"{how} {limit:g} (then {then})", "ok" if good else "MISS"
            self.missed += not good
        self.rows.append((what, measured, "" if ratio is None else f"{ratio:.2f}", wanted, verdict))

    def print(self):
        head = ("what", "measured", "ratio", "bar", "")
        widths = [max(len(row[i]) for row in [head, *self.rows]) for i in range(5)]
        for row in [head, tuple("-" * w for w in widths), *self.rows]:
            print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())


def throughput(options, table, groups):
    log = corpus(options.mb)
    size = log.stat().st_size / 1e6
    expected = json.loads(pathlib.Path(f"{log}.expected.json").read_text())
    stick = compiled("yardstick", "-lsimdjson")
    once = [options.binary, "run", "--once"]
    rules = ["--rules", HERE / "rules.yaml"]
    alone, packs = ["--pack", "none"], ["--pack", "aria", "--pack", "skillmeat"]
    work = {"rules": lambda: execute([*once, *alone, *rules, log])}
    read = re.search(r"\bread=(\d+)", work["rules"]().err)
    if not read or int(read[1]) != expected["lines"]:
        sys.exit(f"bench: the summary does not say read={expected['lines']}; a figure for wrong work is none")
    if "text" in groups:
        text = text_corpus(options.mb // 2)
        text_size = text.stat().st_size / 1e6
        work["text"] = lambda: execute([*once, *alone, "--rules", HERE / "rules_text.yaml", text])
        work["text, aria"] = lambda: execute([*once, "--pack", "aria", text])
    if {"json", "text"} & set(groups):
        work["yardstick"] = lambda: execute([stick, log], keep_output=True)
    if "json" in groups:
        work["packs"] = lambda: execute([*once, *packs, log])
        work["packs+rules"] = lambda: execute([*once, *packs, *rules, log])
    if "stdin" in groups:
        work["pipe"] = lambda: execute([*once, *alone, *rules, "-"], feeder=["cat", str(log)])
        work["cat"] = lambda: execute(["cat"], feeder=["cat", str(log)])
    flat = []
    if "flat" in groups:
        wide = wide_corpus(options.mb)
        for kind in EXTRA_KINDS:
            most = 200 if kind == "message patterns" else 1000
            for n in sorted({10, 100, most, 1000}):
                source = wide if kind.startswith("22") else log
                command = [*once, *alone, *rules, "--rules", extra_rules(kind, n), source]
                work[kind, n] = lambda command=command: execute(command)
                flat.append((kind, n, most))
    r = interleaved(work, options.runs)

    per_cpu = lambda name, times=1: median([size * times / run.cpu for run in r[name]])
    against = lambda name, other, of: median([of(a) / of(b) for a, b in zip(r[name], r[other])])
    cpu = lambda run: run.cpu
    if "json" in groups:
        own = median([float(run.out.split()[0]) for run in r["yardstick"]])
        table.add("yardstick, 3 passes, whole process", f"{per_cpu('yardstick', 3):,.0f} MB/CPU-s")
        table.add("… its own figure: wall, best pass", f"{own:,.0f} MB/s")
        table.add("JSON, benchmark rules / yardstick", f"{per_cpu('rules'):,.0f} MB/CPU-s",
                  median([b.cpu / 3 / a.cpu for a, b in zip(r["rules"], r["yardstick"])]), "json")
        table.add("JSON, both packs / benchmark rules", f"{per_cpu('packs'):,.0f} MB/CPU-s", 1 / against("packs", "rules", cpu), "packs")
        table.add("JSON, both packs and the rules", f"{per_cpu('packs+rules'):,.0f} MB/CPU-s", 1 / against("packs+rules", "rules", cpu))
    if "text" in groups:
        # MB per CPU-second of text against the yardstick's of JSON.
        rate_of = lambda run: text_size / run.cpu
        stick_rate = lambda run: 3 * size / run.cpu
        for name, what, bar in (("text", "text lines, joined, benchmark rules / yardstick on JSON", "text"),
                                ("text, aria", "text lines, the Aria pack / yardstick on JSON", None)):
            table.add(what, f"{median([rate_of(run) for run in r[name]]):,.0f} MB/CPU-s",
                      median([rate_of(a) / stick_rate(b) for a, b in zip(r[name], r["yardstick"])]), bar)
    for kind, n, most in flat:
        seconds = f"{median([run.cpu for run in r[kind, n]]):.3f} CPU-s"
        bar = None if n != most else "spread" if kind.startswith("22") else "flat"
        table.add(f"+{n:,} rules, {kind}", seconds, None if n == 10 else against((kind, n), (kind, 10), cpu), bar)
    if "stdin" in groups:
        rate = lambda name: median([size / run.wall for run in r[name]])
        table.add("file, wall", f"{rate('rules'):,.0f} MB/s")
        table.add("cat file | cat >/dev/null, wall", f"{rate('cat'):,.0f} MB/s")
        table.add("cat file | logtally, wall / the lower one", f"{rate('pipe'):,.0f} MB/s",
                  median([max(f.wall, c.wall) / p.wall for p, f, c in zip(r["pipe"], r["rules"], r["cat"])]), "stdin")


def memory(options, table):
    once = [options.binary, "run", "--once", "--pack", "none"]
    log, rules = many_series(5, 1000)
    small = median([peak_rss([*once, "--rules", rules, log]) for _ in range(options.runs)])
    table.add("peak RSS at 5,000 series", f"{small:.1f} MB", bar="rss", value=small)
    rss = peak_rss([*once, "--rules", HERE / "rules.yaml", corpus(options.mb)])
    table.add("peak RSS, benchmark rules over the corpus", f"{rss:.1f} MB", bar="rss", value=rss)

    def zeros(n):
        return ["head", "-c", str(n), "/dev/zero"]

    def text(n):
        return ["sh", "-c", f"tr '\\0' x </dev/zero | head -c {n}"]

    short = median([peak_rss([*once, "--rules", rules, "-"], feeder=text(1000)) for _ in range(options.runs)])
    long = median([peak_rss([*once, "--rules", rules, "-"], feeder=text(100_000_000)) for _ in range(options.runs)])
    table.add("… added by a line of 100 MB", f"{long - short:.1f} MB", bar="rss_line", value=long - short)
    if options.full:
        rss = peak_rss([options.binary, "run", "--once"], feeder=["sh", "-c", "yes '{\"event\":\"x\"}' | head -c 10G"])
        table.add("peak RSS, 10 GB of small lines", f"{rss:.1f} MB", bar="rss_full", value=rss)
        for name, feeder in (("text", text(1_000_000_000)), ("NUL", zeros(1_000_000_000))):
            rss = peak_rss([options.binary, "run", "--once"], feeder=feeder)
            table.add(f"peak RSS, one line of 1 GB ({name})", f"{rss:.1f} MB", bar="rss_full", value=rss)


def start(options, table):
    log, _ = many_series(1, 100)
    times = []
    for _ in range(options.runs * 2 + 1):
        with Server(options.binary, log) as server:
            times.append(server.up * 1000)
    times = times[1:]
    table.add("start to /metrics served, both packs", f"{median(times):.1f} ms (worst {max(times):.1f})", bar="start", value=median(times))


def state(options, table):
    """What keeping state costs, and how long a restart takes that has much of it."""
    long = WORK / f"state-{3 * options.mb}.jsonl"
    if not long.exists():
        with open(long, "wb") as out:
            subprocess.run(["cat"] + 3 * [str(corpus(options.mb))], stdout=out, check=True)
    count = [options.binary, "run", "--once", "--pack", "none", "--rules", HERE / "rules.yaml"]

    def kept():
        with tempfile.TemporaryDirectory(dir=WORK) as directory:
            return execute([*count, "--state-dir", directory, long])

    r = interleaved({"off": lambda: execute([*count, long]), "on": kept}, options.runs)
    for name, of in (("CPU", lambda run: run.cpu), ("wall", lambda run: run.wall)):
        ratio = median([of(on) / of(off) for on, off in zip(r["on"], r["off"])])
        table.add(f"{3 * options.mb / 1000:.1f} GB of JSON, state on / off, {name}", f"{median([of(run) for run in r['on']]):.2f} s", ratio, "state")

    files, families, each = 10_000, 25, 2_000
    _, rules = many_series(families, 1)
    with tempfile.TemporaryDirectory(dir=WORK) as directory:
        directory = pathlib.Path(directory)
        per_file = families * each // files
        (directory / "logs").mkdir()
        for i in range(files):
            lines = (f'{{"many":{n % families},"id":"id-{n // families:06d}"}}\n' for n in range(i * per_file, (i + 1) * per_file))
            (directory / "logs" / f"{i}.log").write_text("".join(lines))
        config = directory / "logtally.yaml"
        config.write_text(f"targets: [{{name: many, path: '{directory}/logs/*.log', from: beginning}}]\n")
        arguments = ["-c", config, "--pack", "none", "--rules", rules, "--state-dir", directory / "state"]
        once = execute([options.binary, "run", "--once", *arguments])
        if f"read={families * each} " not in once.err:
            sys.exit(f"bench: not all of {families * each} lines were read: {once.err[-300:]}")
        times = []
        for _ in range(options.runs):
            with Server(options.binary, *arguments) as server:
                times.append(server.up * 1000)
                samples = sum(1 for line in server.scrape()[1].splitlines() if line.startswith(b"many_"))
                if samples != families * each:
                    sys.exit(f"bench: {samples} series after a restart")
    table.add(f"restart to /metrics, {families * each:,} series, {files:,} files", f"{median(times):.0f} ms (worst {max(times):.0f})", bar="restart", value=median(times))


def latency(options, table):
    _, rules = many_series(1, 100)
    log = WORK / "latency.jsonl"
    log.write_bytes(b"")
    times = []
    with Server(options.binary, "--pack", "none", "--rules", rules, log) as server, open(log, "ab", buffering=0) as out:
        for i in range(20 + options.appends):
            end = time.perf_counter() + 10
            begin = time.perf_counter()
            out.write(b'{"many":0,"id":"one"}\n')
            want = f'many_0_total{{id="one"}} {i + 1}\n'.encode()
            while want not in server.scrape()[1]:
                if time.perf_counter() > end:
                    sys.exit("bench: an appended line was not visible within 10 s")
            if i >= 20:
                times.append((time.perf_counter() - begin) * 1000)
            time.sleep(0.002 + i % 7 * 0.001)  # not in step with any clock of the program
    table.add("JSON line appended → visible in a scrape", f"median {median(times):.2f} ms, p99 {percentile(times, 99):.2f} ms",
              bar="latency", value=median(times))


def scrape(options, table):
    series, more = many_series(10, 1000)
    log = corpus(options.mb)
    feeder = ["sh", "-c", 'cat "$1"; while cat "$2"; do :; done 2>/dev/null', "sh", str(series), str(log)]
    times = []
    with Server(options.binary, "--pack", "none", "--rules", HERE / "rules.yaml", "--rules", more, "--stdin", feeder=feeder) as server:
        end = time.perf_counter() + 60
        while b'many_9_total{id="id-000999"}' not in server.scrape()[1]:
            if time.perf_counter() > end:
                sys.exit("bench: 10,000 series did not come up within 60 s")
        before = server.scrape()[1]
        for _ in range(options.scrapes):
            seconds, page = server.scrape()
            times.append(seconds * 1000)
            time.sleep(0.01)
        samples = sum(1 for line in page.splitlines() if line and not line.startswith(b"#"))
        if page == before:
            sys.exit("bench: nothing was read between the scrapes")
    table.add(f"scrape of {samples:,} samples under full load", f"median {median(times):.1f} ms, p99 {percentile(times, 99):.1f} ms",
              bar="scrape", value=percentile(times, 99))


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description="measures the program against its bars")
    parser.add_argument("--check", action="store_true", help="exit 1 when a bar is missed")
    parser.add_argument("--full", action="store_true", help="also 10 GB of small lines and single lines of 1 GB")
    parser.add_argument("--mb", type=int, default=500, help="size of the corpus (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=7, help="rounds that count (default: %(default)s)")
    parser.add_argument("--appends", type=int, default=300, help="lines appended for the latency (default: %(default)s)")
    parser.add_argument("--scrapes", type=int, default=300, help="scrapes under load (default: %(default)s)")
    parser.add_argument("--only", default=",".join(GROUPS), help=f"groups, by comma: {' '.join(GROUPS)}")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build" / "release" / "logtally", help="(default: build/release/logtally)")
    options = parser.parse_args()
    groups = options.only.split(",")
    if unknown := [g for g in groups if g not in GROUPS]:
        parser.error(f"unknown group {unknown[0]}; groups: {' '.join(GROUPS)}")
    if options.runs < 5 and options.check:
        parser.error("--check needs at least 5 runs")
    if not options.binary.exists():
        parser.error(f"{options.binary} is not there; build it first: ./dev build")
    options.binary = options.binary.resolve()
    WORK.mkdir(parents=True, exist_ok=True)

    table = Table()
    if {"json", "text", "flat", "stdin"} & set(groups):
        throughput(options, table, groups)
    for name, measure in (("memory", memory), ("start", start), ("state", state), ("latency", latency), ("scrape", scrape)):
        if name in groups:
            measure(options, table)
    print(f"corpus {options.mb} MB, medians of {options.runs} interleaved runs after a warm-up, {os.cpu_count()} cores\n")
    table.print()
    if table.missed:
        print(f"\n{table.missed} of the bars missed")
    sys.exit(1 if options.check and table.missed else 0)


if __name__ == "__main__":
    main()
