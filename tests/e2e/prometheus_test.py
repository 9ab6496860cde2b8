"""OpenMetrics and exemplars, and what Debian's real Prometheus makes of them: it scrapes both formats, and answers queries
about values, quantiles and exemplars."""
import http.client
import http.server
import json
import math
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

import driver
import openmetrics

DEMO = driver.SOURCE / "fixtures" / "demo" / "engine.jsonl"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

RULES = r"""
version: 1
metrics:
  req_total:            {type: counter, help: 'requests "all"', labels: [path], exemplar: {trace_id: $trace_id}, aliases: [old_requests]}
  req_duration_seconds: {type: histogram, help: durations, labels: [path], buckets: [0.1, 0.5, 1, 2.5, 10], exemplar: {trace_id: $trace_id, user: $user}}
  temperature:          {type: histogram, help: may be below zero, buckets: [-10, 0, 10]}
  jobs_total:           {type: gauge, help: a gauge by a counter's name}
  engine_info:          {type: gauge, help: what runs, labels: [version]}
  odd:                  {type: counter, help: a counter that is not called so}
  req:                  {type: gauge, help: has the name that the counter would have}
rules:
  request:
    match: {event: request}
    do:
      - inc: req_total
      - {observe: req_duration_seconds, value: $ms, unit: ms}
      - {observe: temperature, value: $ms - 100}
      - {set: jobs_total, value: $ms}
      - {set: engine_info, value: 1, labels: {version: '1.2'}}
      - inc: odd
      - {set: req, value: 3}
"""


def lines():
    """Requests of now: path, milliseconds, trace id or None."""
    for i in range(200):
        yield "/a" if i % 4 else "/b \"q\"", 7 * i + 1, f"{i:032x}" if i % 3 else None


def log():
    out = []
    for path, ms, trace in lines():
        line = {"event": "request", "path": path, "ms": ms, "trace_id": trace,
                "user": None if trace is None else "u" if ms < 1000 else "x" * 200,
                "timestamp": time.time()}
        out.append(json.dumps(line) + "\n")
    return "".join(out)


class Proxy:
    """Passes scrapes on, with the Accept that it is told or the client's own, and keeps what was asked and answered."""

    def __init__(self, port, accept=None):
        self.seen = []
        proxy = self

        class Pass(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=driver.DEADLINE)
                headers = {k: v for k, v in self.headers.items() if k in ("Accept", "Accept-Encoding")}
                if accept:
                    headers["Accept"] = accept
                upstream.request("GET", self.path, headers=headers)
                answer = upstream.getresponse()
                body = answer.read()
                proxy.seen.append((self.headers.get("Accept"), answer.getheader("Content-Type"), answer.getheader("Content-Encoding")))
                self.send_response(answer.status)
                for name in ("Content-Type", "Content-Encoding"):
                    if answer.getheader(name):
                        self.send_header(name, answer.getheader(name))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                upstream.close()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pass)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Prometheus:
    def __init__(self, directory, targets):
        self.port = driver.free_port()
        config = pathlib.Path(directory, "prometheus.yml")
        jobs = "".join(f"  - job_name: {job}\n    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n" for job, port in targets.items())
        config.write_text(f"global: {{scrape_interval: 1s}}\nscrape_configs:\n{jobs}")
        self.log = open(pathlib.Path(directory, "prometheus.log"), "w+b")
        self.process = subprocess.Popen(
            [shutil.which("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--enable-feature=exemplar-storage"],
            stdout=self.log, stderr=self.log, cwd=directory)

    def get(self, path, **parameters):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=driver.DEADLINE)
        try:
            connection.request("GET", path + "?" + urllib.parse.urlencode(parameters))
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, text):
        """{labels as a sorted tuple: value} of an instant query."""
        return {tuple(sorted(r["metric"].items())): float(r["value"][1]) for r in self.get("/api/v1/query", query=text)["result"]}

    def scraped(self, job):
        try:
            return self.query(f'up{{job="{job}"}}') and list(self.query(f'up{{job="{job}"}}').values()) == [1]
        except (OSError, ValueError):
            return False

    def stderr(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(driver.DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def quantile(q, bounds, counts):
    """As histogram_quantile: linear within the bucket, from cumulative counts."""
    rank = q * counts[-1]
    at = next(i for i, c in enumerate(counts) if c >= rank)
    if math.isinf(bounds[at]):
        return bounds[-2]
    low, before = (bounds[at - 1], counts[at - 1]) if at else (0, 0)
    return low + (bounds[at] - low) * (rank - before) / (counts[at] - before)


class Pages(unittest.TestCase):
    def serve(self, directory, *flags):
        pathlib.Path(directory, "rules.yaml").write_text(RULES)
        pathlib.Path(directory, "engine.log").write_text(log())
        return driver.Server("--from-beginning", "--pack", "none", "--rules", pathlib.Path(directory, "rules.yaml"), *flags,
                             pathlib.Path(directory, "engine.log"))

    def check(self, page):
        strict = openmetrics.Page(page)
        parse = openmetrics.library()
        if parse is None:
            print("SKIPPED: python3-prometheus-client is not installed; read by our own parser only")
        else:
            families = parse(page)
            self.assertEqual([f.name for f in families], list(strict.families))
            self.assertEqual(sum(len(f.samples) for f in families), len(strict.samples))
        return strict

    def test_the_demo_log_in_both_formats(self):
        with driver.Server("--from-beginning", DEMO) as s:
            total = DEMO.read_bytes().count(b"\n")
            driver.until(lambda: s.scrape().sum("logtally_lines_read_total") == total, "the demo log is read")
            answer = s.get("/metrics", {"Accept": "application/openmetrics-text"})
            text = s.scrape()
        self.assertEqual(answer.getheader("Content-Type"), OPENMETRICS)
        self.assertEqual(answer.getheader("Vary"), "Accept, Accept-Encoding")
        page = self.check(answer.content.decode())
        self.assertEqual(page.families["aria_requests"].type, "counter")
        self.assertEqual(page.families["aria_scheduler_jobs_total"].type, "gauge")
        self.assertEqual(page.families["logtally_build"].type, "info")
        self.assertEqual(page.families["aria_build"].type, "info")
        self.assertEqual(page.families["process_cpu_seconds"].unit, "seconds")
        self.assertEqual({name for name, _ in page.samples}, {name for name, _ in text.samples})
        self.assertEqual(len(page.samples), len(text.samples))
        for name in ("aria_requests_total", "skillmeat_api_requests_total", "aria_skill_executions_total"):
            self.assertEqual({labels: v for (n, labels), v in page.samples.items() if n == name}, text.of(name))

    def test_created_timestamps_are_an_option(self):
        with tempfile.TemporaryDirectory() as d:
            config = pathlib.Path(d, "logtally.yaml")
            config.write_text("version: 1\nexposition: {created_timestamps: true}\n")
            before = time.time() - 1
            with self.serve(d, "-c", config) as s:
                driver.until(lambda: s.scrape().sum("req_total") == 200, "the log is read")
                page = self.check(s.get("/metrics", {"Accept": "application/openmetrics-text"}).content.decode())
                plain = s.get("/metrics").content
        self.assertNotIn(b"_created", plain)
        created = {name: value for (name, _), value in page.samples.items() if name.endswith("_created")}
        self.assertEqual(set(created), {"req_duration_seconds_created", "temperature_created"})  # req_total is unknown: req is taken
        self.assertTrue(all(before < value < time.time() + 1 for value in created.values()), created)

    def test_prometheus_scrapes_both_formats(self):
        if not shutil.which("prometheus"):
            self.skipTest("prometheus is not installed (Debian package prometheus)")
        rules = RULES.replace("  req:                  {type", "  unlike_req:           {type").replace("{set: req,", "{set: unlike_req,")
        with tempfile.TemporaryDirectory() as d:
            with self.serve(d) as s:  # `req` keeps req_total from being a counter in OpenMetrics
                driver.until(lambda: s.scrape().sum("req_total") == 200, "the log is read")
                page = self.check(s.get("/metrics", {"Accept": "application/openmetrics-text"}).content.decode())
                self.assertEqual(page.families["req_total"].type, "unknown")
            pathlib.Path(d, "rules.yaml").write_text(rules)
            with driver.Server("--from-beginning", "--pack", "none", "--rules", pathlib.Path(d, "rules.yaml"), pathlib.Path(d, "engine.log")) as s:
                driver.until(lambda: s.scrape().sum("req_total") == 200, "the log is read")
                self.both(s, d)

    def both(self, s, directory):
        text = s.scrape()
        page = self.check(s.get("/metrics", {"Accept": "application/openmetrics-text"}).content.decode())
        proxies = {"openmetrics": Proxy(s.port), "text": Proxy(s.port, "text/plain;version=0.0.4")}
        prometheus = Prometheus(directory, {job: proxy.port for job, proxy in proxies.items()})
        try:
            for job in proxies:
                driver.until(lambda: prometheus.scraped(job), f"a scrape of {job}; {prometheus.stderr()[-2000:]}")
            self.assertIn("application/openmetrics-text", proxies["openmetrics"].seen[0][0])  # Prometheus' own header
            self.assertEqual(proxies["openmetrics"].seen[0][1:], (OPENMETRICS, "gzip"))
            self.assertEqual(proxies["text"].seen[0][1:], (TEXT, "gzip"))
            self.values(prometheus, page, text)
            self.quantiles(prometheus)
            self.exemplars(prometheus, page)
            self.assertNotIn("Append failed", prometheus.stderr())
            self.assertNotIn("level=error", prometheus.stderr())
        finally:
            prometheus.close()
            for proxy in proxies.values():
                proxy.close()
        tool = shutil.which("promtool")
        if tool:
            done = subprocess.run([tool, "check", "metrics"], input=s.get("/metrics").content, capture_output=True)
            said = (done.stdout + done.stderr).decode().splitlines()
            ours = [line for line in said if not line.startswith(("jobs_total ", "odd ", "old_requests ", "engine_info "))]
            self.assertEqual(ours, [])

    def values(self, prometheus, page, text):
        """All samples of the rules' families, as each page has them. Only bounds are written differently."""
        for name in {n for n, _ in page.samples if not n.startswith(("logtally_", "process_"))} | {"temperature_sum", "temperature_count"}:
            for job, samples in (("openmetrics", page.samples), ("text", text.samples)):
                with self.subTest(name, job=job):
                    found = prometheus.query(f'{name}{{job="{job}"}}')
                    extra = ("__name__", "instance", "job")
                    got = {tuple((k, v) for k, v in labels if k not in extra): value for labels, value in found.items()}
                    want = {labels: float(value) for (n, labels), value in samples.items() if n == name}
                    self.assertEqual(got, want)
        self.assertEqual(prometheus.query('req_duration_seconds_bucket{job="openmetrics",le="1.0"} - ignoring(job, instance, le) '
                                          'req_duration_seconds_bucket{job="text",le="1"} != 0'), {})

    def quantiles(self, prometheus):
        bounds = [0.1, 0.5, 1, 2.5, 10, math.inf]
        seconds = [ms / 1000 for _, ms, _ in lines()]
        counts = [sum(v <= b for v in seconds) for b in bounds]
        for q in (0.1, 0.5, 0.9, 0.99):
            for job in ("openmetrics", "text"):
                got = prometheus.query(f'histogram_quantile({q}, sum by (le) (req_duration_seconds_bucket{{job="{job}"}}))')
                self.assertAlmostEqual(list(got.values())[0], quantile(q, bounds, counts), places=9)

    def exemplars(self, prometheus, page):
        def ask():
            return prometheus.get("/api/v1/query_exemplars", query='{__name__=~"req_total|req_duration_seconds_bucket"}',
                                  start=time.time() - 3600, end=time.time() + 60)
        found = driver.until(ask, "exemplars are there")
        self.assertEqual({series["seriesLabels"]["job"] for series in found}, {"openmetrics"})
        got = {}
        for series in found:
            labels = {k: v for k, v in series["seriesLabels"].items() if k not in ("__name__", "instance", "job")}
            last = series["exemplars"][-1]
            got[(series["seriesLabels"]["__name__"], tuple(sorted(labels.items())))] = (last["labels"], float(last["value"]))
        bounds = {0.1: "0.1", 0.5: "0.5", 1: "1.0", 2.5: "2.5"}
        want = {}
        for path, ms, trace in lines():
            if trace is None:
                continue
            want[("req_total", (("path", path),))] = ({"trace_id": trace}, 1)
            if ms < 1000:  # longer ones have a user that is too long for an exemplar
                le = next(text for bound, text in bounds.items() if ms / 1000 <= bound)
                want[("req_duration_seconds_bucket", (("le", le), ("path", path)))] = ({"trace_id": trace, "user": "u"}, ms / 1000)
        self.assertEqual(got, want)


if __name__ == "__main__":
    driver.main()
