"""Reading back: the query API, as far as it goes."""
import json
import pathlib
import sys
import unittest
import urllib.parse

sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
from loki import logql  # noqa: E402
from loki.limits import Clock  # noqa: E402
from loki.server import Loki  # noqa: E402
from loki.testing import HOUR, NOW, SECOND, get, main, push, request  # noqa: E402


def address(route, **parameters):
    return f"/loki/api/v1/{route}?" + urllib.parse.urlencode(parameters, doseq=True)


class Queries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.loki = Loki(clock=Clock(NOW)).start()
        begin = NOW - 600 * SECOND
        push(cls.loki,
             ('{app="a", pod="p1"}', [(begin + i * SECOND, f"level={'error' if i % 10 == 0 else 'info'} n={i}") for i in range(100)]),
             ('{app="a", pod="p2"}', [(begin + i * SECOND, f'{{"level": "warning", "n": {i}}}', {"trace_id": str(i % 2)}) for i in range(50)]),
             ('{app="b"}', [(begin, "all is well"), (begin, "bytes \xff".encode("latin-1"))]))
        push(cls.loki, ('{app="old"}', [(NOW - 3 * 24 * HOUR, "some days ago")]))
        push(cls.loki, ('{app="a"}', [(begin, "of another")]), X_Scope_OrgID="another")

    @classmethod
    def tearDownClass(cls):
        cls.loki.stop()

    def streams(self, query, **parameters):
        data = get(self.loki, address("query_range", query=query, **parameters))["data"]
        self.assertEqual(data["resultType"], "streams")
        return data["result"]

    def count(self, query, **parameters):
        result = get(self.loki, address("query", query=query, **parameters))["data"]["result"]
        return {json.dumps(r["metric"], sort_keys=True): r["value"][1] for r in result}

    def test_selectors_and_line_filters(self):
        for query, wanted in (('{app="a"}', 150), ('{app=~"a|b"}', 152), ('{app=~".+", pod!="p1"}', 52), ('{app="a", pod!~"p[2-9]"}', 100),
                              ('{app="a"} |= "error"', 10), ('{app="a"} |= "level" != "error"', 140), ('{app="a"} |~ "n=9\\\\d$"', 10),
                              ('{app="a"} !~ `n=\\d`', 50), ('{app=~"a"} | detected_level="warn"', 50), ('{app="a"} | trace_id="1"', 25),
                              ('{app="a"} | pod=~"p." | detected_level!="info"', 60), ('{app="a", nothing=""}', 150), ('{app="A"}', 0), ('{pod=~"p"}', 0)):
            with self.subTest(query):
                self.assertEqual(sum(len(s["values"]) for s in self.streams(query, limit=5000)), wanted)

    def test_order_limit_and_range(self):
        begin = NOW - 600 * SECOND
        newest = self.streams('{pod="p1"}', limit=3)[0]["values"]
        self.assertEqual([line.split("n=")[1] for _, line in newest], ["99", "98", "97"])
        oldest, = self.streams('{pod="p1"} |= "info"', limit=2, direction="forward")
        self.assertEqual(oldest["values"], [[str(begin + SECOND), "level=info n=1"], [str(begin + 2 * SECOND), "level=info n=2"]])
        self.assertEqual(sum(len(s["values"]) for s in self.streams('{pod="p1"}')), 100)
        for start, end in ((begin, begin + 5 * SECOND), (begin // SECOND, begin // SECOND + 5), ("2026-03-01T09:50:00Z", "2026-03-01T09:50:05.0Z"),
                           (f"{begin // SECOND}.000", f"{begin // SECOND + 5}.0")):
            self.assertEqual(sum(len(s["values"]) for s in self.streams('{pod="p1"}', start=start, end=end)), 5, (start, end))
        self.assertEqual(self.streams('{app="old"}'), [])
        self.assertEqual(len(self.streams('{app="old"}', since="100h")), 1)

    def test_streams_carry_labels_and_metadata(self):
        stream, = self.streams('{app="b"} |= "well"')
        self.assertEqual(stream["stream"], {"app": "b", "service_name": "b", "detected_level": "unknown"})
        both = self.streams('{pod="p2"}', limit=50)
        self.assertEqual(sorted(s["stream"]["trace_id"] for s in both), ["0", "1"])
        self.assertEqual(self.streams('{app="b"} |= "bytes"')[0]["values"][0][1], "bytes \ufffd")

    def test_counts(self):
        self.assertEqual(self.count('sum(count_over_time({app="a"}[1h]))'), {"{}": "150"})
        self.assertEqual(self.count('sum by (pod) (count_over_time({app="a"}[1h]))'), {'{"pod": "p1"}': "100", '{"pod": "p2"}': "50"})
        self.assertEqual(self.count('sum(count_over_time({app="a"} |= "error" [1h])) by (app)'), {'{"app": "a"}': "10"})
        self.assertEqual(self.count('sum(bytes_over_time({app="b"}[1h]))'), {"{}": str(len("all is well") + len("bytes \ufffd".encode()))})
        each = self.count('count_over_time({pod="p1"}[1h])')
        self.assertEqual(sorted(each.values()), ["10", "90"])
        at = NOW - 600 * SECOND + 10 * SECOND
        self.assertEqual(self.count('sum(count_over_time({pod="p1"}[10s]))', time=at), {"{}": "10"})  # (0 s, 10 s]
        self.assertEqual(self.count('sum(count_over_time({app="none"}[1h]))'), {})

    def test_matrix(self):
        begin = NOW - 600 * SECOND
        data = get(self.loki, address("query_range", query='sum(count_over_time({pod="p1"}[10s]))', start=begin, end=begin + 40 * SECOND, step="10"))
        self.assertEqual(data["data"]["resultType"], "matrix")
        self.assertEqual([v for _, v in data["data"]["result"][0]["values"]], ["1", "10", "10", "10", "10"])

    def test_labels_values_and_series(self):
        self.assertEqual(get(self.loki, address("labels"))["data"], ["app", "pod", "service_name"])
        self.assertEqual(get(self.loki, address("label/app/values"))["data"], ["a", "b"])
        self.assertEqual(get(self.loki, address("label/app/values", start=NOW - 100 * HOUR))["data"], ["a", "b", "old"])
        self.assertEqual(get(self.loki, address("label/pod/values", query='{pod=~".*2"}'))["data"], ["p2"])
        series = get(self.loki, address("series", **{"match[]": ['{pod="p1"}', '{app="b"}']}))["data"]
        self.assertEqual(series, [{"app": "a", "pod": "p1", "service_name": "a"}, {"app": "b", "service_name": "b"}])

    def test_form_and_tenant(self):
        form = urllib.parse.urlencode({"query": 'sum(count_over_time({app="a"}[1h]))'})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Scope-OrgID": "another"}
        answer = request(self.loki, "POST", "/loki/api/v1/query", form, headers)
        self.assertEqual(json.loads(answer.body)["data"]["result"][0]["value"][1], "1")

    def test_refusals(self):
        for route, parameters in (("query", {"query": '{app="a"}'}), ("query_range", {"query": "{}"}), ("query_range", {"query": '{app=""}'}),
                                  ("query_range", {"query": '{app=~".*"}'}), ("query_range", {"query": '{app="a"'}), ("query_range", {"query": ""}),
                                  ("query_range", {"query": '{app=~"["}'}), ("query_range", {"query": '{app="a"} | json'}),
                                  ("query_range", {"query": '{app="a"}', "limit": 5001}), ("query_range", {"query": '{app="a"}', "start": "soon"}),
                                  ("query", {"query": 'count_over_time({app="a"})'}), ("query", {"query": 'count_over_time({app="a"}[5])'})):
            with self.subTest(route=route, **parameters):
                self.assertEqual(request(self.loki, "GET", address(route, **parameters)).status, 400)

    def test_ready_and_buildinfo(self):
        self.assertEqual(request(self.loki, "GET", "/ready").body, b"ready\n")
        self.loki.ready = False
        self.addCleanup(setattr, self.loki, "ready", True)
        self.assertEqual(request(self.loki, "GET", "/ready").status, 503)
        self.assertIn("version", get(self.loki, "/loki/api/v1/status/buildinfo"))


class Levels(unittest.TestCase):
    def test_detected_level(self):
        for labels, metadata, line, level in (({"level": "WARNING"}, {}, "error", "warn"), ({}, {"severity": "Fatal"}, "x", "fatal"),
                                              ({}, {}, '{"level":"ERROR","msg":"info"}', "error"), ({}, {}, '{"msg":"info"}', "info"),
                                              ({}, {}, "ts=1 level=debug msg=error", "debug"), ({}, {}, "[WARN] x", "warn"), ({}, {}, "x", "unknown"),
                                              ({}, {}, "some ERROR: x", "error"), ({}, {}, "an error of info", "info"), ({"level": "17"}, {}, "x", "unknown")):
            with self.subTest(line=line, labels=labels):
                self.assertEqual(logql.detected_level(labels, metadata, line), level)


if __name__ == "__main__":
    main()
