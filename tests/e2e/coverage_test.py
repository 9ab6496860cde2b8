"""Which line fills which metric of the contract: equal to the list in fixtures/, and the program agrees with it."""
import collections
import sys
import unittest

import driver

sys.path.insert(0, str(driver.SOURCE / "tests" / "truth"))
import coverage  # noqa: E402

SAMPLES = driver.shared("samples")
LIST = driver.SOURCE / "fixtures" / "coverage.txt"


class Coverage(unittest.TestCase):
    def test_the_list_is_what_the_samples_give(self):
        self.assertEqual(LIST.read_text().split("\n"), coverage.report(SAMPLES).split("\n"),
                         "python3 tests/truth/coverage.py SAMPLES > fixtures/coverage.txt")

    def test_every_metric_has_a_line_or_a_reason(self):
        for name, state, where in coverage.rows(SAMPLES):
            self.assertNotEqual(where, "?", name)
            self.assertEqual(state == "never", name in coverage.NEVER, name)

    def test_the_program_fills_a_metric_at_its_line_and_not_before(self):
        by_log = collections.defaultdict(list)
        for name, state, where in coverage.rows(SAMPLES):
            if state != "never":
                log, _, line = where.rpartition(":")
                by_log[driver.SOURCE / log if "/" in log else SAMPLES / log].append((name, int(line)))
        for log, metrics in by_log.items():
            pack = "skillmeat" if metrics[0][0].startswith("skillmeat") else "aria"
            lines = log.read_bytes().splitlines(keepends=True)
            for name, at in metrics:
                with self.subTest(name, log=log.name):
                    for upto, filled in ((at - 1, False), (at, True)):
                        done = driver.run("run", "--once", "--print-metrics", "--pack", pack, "-", stdin=b"".join(lines[:upto]))
                        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
                        page = driver.Exposition(done.stdout.decode())
                        own = [v for (sample, _), v in page.samples.items()
                               if sample == name or (sample == name + "_count" and float(v))]
                        gauge = page.types[name] == "gauge"
                        self.assertEqual(any(gauge or float(v) for v in own), filled, (name, upto))


if __name__ == "__main__":
    driver.main()
