"""deploy/engines: Python's logging, set up by the files that operators take, prints lines that the packs count.

And the rules that are off by default, for the lines that further changes bring.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import driver

ENGINES = driver.SOURCE / "deploy" / "engines"

ARIA = """
chat = logging.getLogger("aria.engine.chat")
chat.info("Created session %s for agent=%s model=%s", "s-1", "scout", "owl-1")
chat.info("Message in session %s: in=%d out=%d cost=%.6f latency=%dms tools=%d", "s-1", 4198, 611, 0.00002, 75, 2)
chat.debug("nobody sees this")
logging.getLogger("httpx").info("HTTP Request: GET https://example.org/bot1:secret/getUpdates")
logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "10.0.0.9:4711", "POST", "/engine/chat?token=secret", "1.1", 201)
try:
    {}["lamp"]
except KeyError:
    logging.getLogger("aria.engine.tools").exception("Tool execution failed: atlas__lookup")
"""

# Stands for the engine's own formatter, of which the file only knows the name.
FORMATTER = """
import json, logging
class StructuredFormatter(logging.Formatter):
    def format(self, record):
        return json.dumps({"timestamp": "2026-03-14T09:00:00.5Z", "level": record.levelname, "logger": record.name,
                           "message": record.getMessage(), "extra": {"duration_ms": record.duration_ms, "normalized_path": "/teas/{id}"}})
"""
SKILLMEAT = """
extra = {"duration_ms": 12.5}
logging.getLogger().setLevel("WARNING")
logging.getLogger().handlers[:] = [logging.StreamHandler(sys.stdout)]   # as the server does
logging.getLogger("skillmeat.api.middleware.observability").info("Request completed: GET /teas/7 - 200", extra=extra)
"""


class Engines(unittest.TestCase):
    def lines(self, configuration, statements, stream, modules=None):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (modules or {}).items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            script = f"import json, logging.config, sys\nlogging.config.dictConfig(json.load(open({str(configuration)!r})))\n{statements}"
            done = subprocess.run([sys.executable, "-B", "-c", script], capture_output=True, timeout=driver.DEADLINE,
                                  env={**os.environ, "PYTHONPATH": folder})
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stderr if stream == "stderr" else done.stdout

    def metrics(self, pack, lines, **rules):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as switches:
            json.dump({"version": 1, "rules": rules}, switches)
            switches.flush()
            done = driver.run("run", "--once", "--print-metrics", "--pack", pack, *(["--rules", switches.name] if rules else []), "-", stdin=lines)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return driver.Exposition(done.stdout.decode())

    def test_aria(self):
        lines = self.lines(ENGINES / "aria-api.uvicorn-log-config.json", ARIA, "stderr")
        self.assertNotIn(b"nobody", lines)
        self.assertNotIn(b"bot1:secret", lines)
        page = self.metrics("aria", lines)
        self.assertEqual(page.get("aria_llm_requests_total", model="owl-1", status="success"), 1)
        self.assertEqual(page.get("aria_llm_tokens_input_total", model="owl-1"), 4198)
        self.assertEqual(page.get("aria_llm_request_duration_seconds_sum", model="owl-1"), 0.075)
        self.assertEqual(page.get("aria_sessions_active"), 1)
        self.assertEqual(page.get("aria_active_sessions"), 1)
        self.assertEqual(page.get("aria_errors_total", component="tools", error_type="KeyError"), 1)
        self.assertEqual(page.sum("aria_requests_total"), 0)

        page = self.metrics("aria", lines, requests_slow=False, requests_access_log=True)
        self.assertEqual(page.get("aria_requests_total", method="POST", status="201"), 1)
        self.assertEqual(page.sum("aria_requests_total"), 1)

    def test_skillmeat(self):
        lines = self.lines(ENGINES / "skillmeat.uvicorn-log-config.json", SKILLMEAT, "stdout",
                           {"skillmeat/observability/logging_config.py": FORMATTER})
        self.assertEqual(lines.count(b"\n"), 1, "once, whatever the root logger does")
        page = self.metrics("skillmeat", lines)
        self.assertEqual(page.get("skillmeat_api_requests_total", method="GET", endpoint="/teas/{id}", status="200"), 1)
        self.assertEqual(page.get("skillmeat_api_request_duration_seconds_sum", method="GET", endpoint="/teas/{id}"), 0.0125)

    def test_rules_that_wait_for_other_lines(self):
        page = self.metrics("aria", b'INFO:     10.0.0.9:4711 - "GET /engine/agents?x=1 HTTP/1.1" 200 OK\n'
                                    b"Slow request: GET /engine/agents took 251.4ms (status=200)\n", requests_slow=False, requests_access=True)
        self.assertEqual(page.get("aria_requests_total", method="GET", status="200"), 1)
        page = self.metrics("aria", b"2026-03-14 09:00:00 [aria.security.middleware] DEBUG POST /p - 200 (0.123s) from 10.0.0.9\n",
                            requests_slow=False, requests_debug=True)
        self.assertEqual(page.get("aria_request_duration_seconds_sum", method="POST"), 0.123)
        page = self.metrics("aria", b"2026-03-14 09:00:00 [aria.engine.scheduler] INFO Job tidy: created session s-1 (agent=scout)\n"
                                    b"2026-03-14 09:00:01 [aria.engine.scheduler] INFO Job tidy: completed (model=owl-1, tokens=420, cost=$6.8e-05)\n",
                            llm_from_cron=True, session_from_cron=True)
        self.assertEqual(page.get("aria_sessions_created_total"), 1)
        self.assertEqual(page.get("aria_llm_requests_total", model="owl-1", status="success"), 1)
        self.assertEqual(page.get("aria_llm_token_cost_estimate_total", model="owl-1"), 6.8e-05)
        for line in (b"2026-03-14 09:00:00 [aria.skills.atlas] WARNING Skill atlas.lookup failed\n", b"Skill atlas.lookup failed\n"):
            page = self.metrics("aria", line, skill_used=True)
            self.assertEqual(page.get("aria_skill_executions_total", skill_name="atlas", status="error"), 1)


if __name__ == "__main__":
    driver.main()
