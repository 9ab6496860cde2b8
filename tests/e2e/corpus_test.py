"""The benchmark rules over generated corpora: every total equals what the generator counted while writing."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import driver

BENCH = driver.SOURCE / "tests" / "bench"


def compare(test, metrics, expected):
    names = expected["labels"]
    wanted = 0
    for metric, series in expected["counters"].items():
        test.assertEqual(metrics.types[metric], "counter")
        test.assertEqual({tuple(sorted(zip(names[metric].split("|"), k.split("|")))): v for k, v in series.items()}, metrics.of(metric), metric)
        wanted += len(series)
    for metric, series in expected["histograms"].items():
        test.assertEqual(metrics.types[metric], "histogram")
        for key, h in series.items():
            labels = dict(zip(names[metric].split("|"), key.split("|")))
            test.assertEqual(metrics.get(metric + "_count", **labels), h["count"], (metric, key))
            test.assertLessEqual(abs(metrics.get(metric + "_sum", **labels) - h["sum"]), 1e-9 * max(1, abs(h["sum"])), (metric, key))
            for le, n in h["buckets"].items():
                test.assertEqual(metrics.get(metric + "_bucket", **labels, le=le), n, (metric, key, le))
            wanted += 2 + len(h["buckets"])
    test.assertEqual(len(metrics.samples), wanted, "and nothing else")


class Corpus(unittest.TestCase):
    def test_totals_are_exact(self):
        sizes = [(0.001, 1), (0.1, 2), (1, 3), (1, 4), (5, 42)] if driver.SANITIZED else [(0.001, 1), (0.1, 2), (1, 3), (1, 4), (5, 42), (40, 7)]
        for mb, seed in sizes:
            for how in ("file", "pipe"):
                with self.subTest(mb=mb, seed=seed, how=how), tempfile.TemporaryDirectory() as d:
                    corpus = pathlib.Path(d, "corpus.jsonl")
                    subprocess.run([sys.executable, BENCH / "gen_corpus.py", "--mb", str(mb), "--seed", str(seed), "--out", corpus],
                                   check=True, stderr=subprocess.DEVNULL)
                    expected = json.loads(pathlib.Path(f"{corpus}.expected.json").read_text())
                    args = ["run", "--once", "--print-metrics", "--pack", "none", "--rules", BENCH / "rules.yaml"]
                    done = driver.run(*args, corpus) if how == "file" else driver.run(*args, "-", stdin=corpus.read_bytes())
                    self.assertEqual(done.returncode, 0, done.stderr[-2000:])
                    s = driver.summary(done.stderr)
                    self.assertEqual((s["read"], s["parsed"], s["lost"]), (expected["lines"], expected["lines"], 0))
                    self.assertEqual(s["matched"], sum(n for k, n in expected["kinds"].items() if k not in ("session", "noise")))
                    compare(self, driver.Exposition(done.stdout.decode()), expected)

    def test_totals_of_text_are_exact(self):
        for mb, seed in [(0.001, 1), (0.1, 2), (1, 3)] if driver.SANITIZED else [(0.001, 1), (0.1, 2), (1, 3), (3, 42), (20, 7)]:
            for how in ("file", "pipe"):
                with self.subTest(mb=mb, seed=seed, how=how), tempfile.TemporaryDirectory() as d:
                    corpus = pathlib.Path(d, "corpus.log")
                    subprocess.run([sys.executable, BENCH / "gen_text.py", "--mb", str(mb), "--seed", str(seed), "--out", corpus],
                                   check=True, stderr=subprocess.DEVNULL)
                    expected = json.loads(pathlib.Path(f"{corpus}.expected.json").read_text())
                    args = ["run", "--once", "--print-metrics", "--pack", "none", "--rules", BENCH / "rules_text.yaml"]
                    done = driver.run(*args, corpus) if how == "file" else driver.run(*args, "-", stdin=corpus.read_bytes())
                    self.assertEqual(done.returncode, 0, done.stderr[-2000:])
                    s = driver.summary(done.stderr)
                    self.assertEqual((s["read"], s["parsed"], s["joined"], s["failed"], s["lost"]),
                                     (expected["lines"], expected["records"], expected["lines"] - expected["records"], 0, 0))
                    compare(self, driver.Exposition(done.stdout.decode()), expected)

    def test_files_add_up(self):
        with tempfile.TemporaryDirectory() as d:
            whole = {}
            for seed in (5, 6):
                corpus = pathlib.Path(d, f"{seed}.jsonl")
                subprocess.run([sys.executable, BENCH / "gen_corpus.py", "--mb", "0.3", "--seed", str(seed), "--out", corpus],
                               check=True, stderr=subprocess.DEVNULL)
                for k, v in json.loads(pathlib.Path(f"{corpus}.expected.json").read_text())["counters"]["requests_total"].items():
                    whole[k] = whole.get(k, 0) + v
            done = driver.run("run", "--once", "--print-metrics", "--pack", "none", "--rules", BENCH / "rules.yaml", f"{d}/*.jsonl")
            self.assertEqual(done.returncode, 0, done.stderr[-2000:])
            got = driver.Exposition(done.stdout.decode()).of("requests_total")
            self.assertEqual({f"{dict(k)['method']}|{dict(k)['status']}": v for k, v in got.items()}, whole)


if __name__ == "__main__":
    driver.main()
