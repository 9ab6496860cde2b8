"""POST /loki/api/v1/push: bodies, answers, and what is stored when a part is refused."""
import gzip
import json
import pathlib
import sys
import unittest
import zlib

sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
from loki.limits import Clock, Limits  # noqa: E402
from loki.server import Loki  # noqa: E402
from loki.testing import (DAY, HOUR, NOW, SECOND, compress, entry, field, lines, literal, main, message, push, push_json,  # noqa: E402
                          request, varint)

GOOD = ('{app="good"}', [(NOW, "good")])
Q1 = {"streams": [{"stream": {"foo": "bar2"}, "values": [[str(NOW), "fizzbuzz"]]}]}
PROTOBUF = "application/x-protobuf"


class Served(unittest.TestCase):
    def setUp(self):
        self.loki = Loki(clock=Clock(NOW)).start()
        self.addCleanup(self.loki.stop)

    def send(self, body, kind=PROTOBUF, encoding=None):
        headers = {"Content-Type": kind} if kind is not None else {}
        if encoding:
            headers["Content-Encoding"] = encoding
        return request(self.loki, "POST", "/loki/api/v1/push", body, headers)


class Bodies(Served):
    def test_stores_protobuf_in_snappy_whatever_its_elements(self):
        body = message(('{app="a", pod="p"}', [(NOW + i, f"line {i} " + "x" * (i % 90)) for i in range(3000)]))
        for block in (literal(body), compress(body)):
            self.loki.forget()
            self.assertEqual(self.send(block).status, 204)
            self.assertEqual(self.loki.stored(), 3000)
        found = self.loki.entries()
        self.assertEqual(found[7], ("fake", {"app": "a", "pod": "p", "service_name": "a"}, NOW + 7, "line 7 " + "x" * 7, {}))

    def test_takes_content_types_as_loki_does(self):
        protobuf, text = compress(message(GOOD)), json.dumps(Q1).encode()
        raw = zlib.compressobj(wbits=-15)
        deflated = raw.compress(text) + raw.flush()
        table = [
            # content type, content encoding, body, status, part of the text
            ("application/json", None, text, 204, ""),
            ("application/json; charset=utf-8", "gzip", gzip.compress(text), 204, ""),
            ("application/json; charset=utf-8", "deflate", deflated, 204, ""),
            ("APPLICATION/JSON;charset=\"utf-8\"", None, text, 204, ""),
            ("application/json", "deflate", zlib.compress(text), 400, "EOF"),
            ("application/json", "gzip", gzip.compress(text)[:-9], 400, "EOF"),
            ("application/json", "br", text, 400, 'Content-Encoding "br" not supported'),
            ("application/json", None, b"{", 400, ""),
            (None, None, text, 400, "mime: no media type"),
            ("", None, text, 400, "mime: no media type"),
            ("application/jsonn", "gzip", gzip.compress(text), 400, "snappy: corrupt input"),
            ("application/json; charsetutf-8", "gzip", gzip.compress(text), 400, "mime: invalid media parameter"),
            (PROTOBUF, None, protobuf, 204, ""),
            (PROTOBUF, "snappy", protobuf, 204, ""),
            ("text/plain", None, protobuf, 204, ""),
            (PROTOBUF, None, gzip.compress(message(GOOD)), 400, "snappy: corrupt input"),
            (PROTOBUF, "gzip", gzip.compress(message(GOOD)), 400, "snappy: corrupt input"),
            (PROTOBUF, None, message(GOOD), 400, "snappy: corrupt input"),
            (PROTOBUF, None, b"", 400, "snappy: corrupt input"),
            (PROTOBUF, None, protobuf[:-1], 400, "snappy: corrupt input"),
        ]
        for kind, encoding, body, status, text in table:
            with self.subTest(kind=kind, encoding=encoding, status=status, text=text):
                self.loki.forget()
                answer = self.send(body, kind, encoding)
                self.assertEqual((answer.status, text in answer.text), (status, True), answer.text)
                self.assertEqual(self.loki.stored(), 1 if status == 204 else 0)
                self.assertEqual(answer.body == b"", status == 204)

    def test_refuses_a_whole_json_body_for_one_wrong_type(self):
        good = [str(NOW), "good"]
        for values in ([[NOW, "x"]], [[str(NOW), {"an": "object"}]], [[str(NOW), 1]], [[str(NOW), "x", {"a": 1}]], [[str(NOW)]], [["soon", "x"]],
                       [["1.5", "x"]], [[str(1 << 64), "x"]], ["x"], {"a": 1}):
            with self.subTest(values=values):
                mixed = values + [good] if isinstance(values, list) else values
                answer = push_json(self.loki, {"streams": [{"stream": {"a": "b"}, "values": [good]}, {"stream": {"a": "b"}, "values": mixed}]})
                self.assertEqual((answer.status, self.loki.stored()), (400, 0), answer.text)
        answer = push_json(self.loki, {"streams": [{"stream": {"a": 1}, "values": [good]}]})
        self.assertEqual((answer.status, self.loki.stored()), (400, 0))

    def test_json_carries_structured_metadata(self):
        body = {"streams": [{"stream": {"foo": "bar2"}, "values": [[str(NOW), "fizzbuzz", {"a": "a", "b": "b"}]]}]}
        self.assertEqual(push_json(self.loki, body).status, 204)
        self.assertEqual(self.loki.entries()[0][3:], ("fizzbuzz", {"a": "a", "b": "b"}))

    def test_refuses_protobuf_that_is_none(self):
        good = message(GOOD)
        for body in (good[:-1], good + b"\x0a", field(1, 7), field(1, field(2, field(1, b"\x0b\x0b"))), b"\x03", good + b"\x07",
                     b"\x0a" + b"\xff" * 11, field(1, field(2, b"\x12\x7fx"))):
            with self.subTest(body=body[-20:]):
                answer = self.send(literal(body))
                self.assertEqual((answer.status, self.loki.stored()), (400, 0), answer.text)

    def test_reads_over_fields_that_it_does_not_know(self):
        stray = field(9, 7) + field(10, b"x") + varint(11 << 3 | 1) + b"8" * 8 + varint(12 << 3 | 5) + b"4444"
        one = field(1, b'{a="b"}') + field(3, 77) + stray + field(2, entry(NOW, "line") + stray + field(4, field(1, b"x")))
        self.assertEqual(self.send(literal(stray + field(1, one) + field(2, b"loki"))).status, 204)
        self.assertEqual(lines(self.loki), ["line"])

    def test_request_without_a_stream_is_422(self):
        self.assertEqual(self.send(b"\x00").status, 422)
        self.assertEqual(push_json(self.loki, {"streams": []}).status, 422)
        self.assertEqual(push_json(self.loki, {}).status, 422)
        self.assertEqual(self.send(literal(message(('{a="b"}', [])))).status, 204)

    def test_413_beyond_the_bound_packed_or_unpacked(self):
        self.loki.limits.max_body_bytes = 5000
        packed = compress(message(('{a="b"}', [(NOW, "x" * 20000)])))
        self.assertLess(len(packed), 5000)
        self.assertEqual(self.send(packed).status, 413)
        self.assertEqual(self.send(b"x" * 5001).status, 413)
        self.assertEqual(self.send(gzip.compress(b"[" + b" " * 20000), "application/json", "gzip").status, 413)
        self.assertEqual(self.send(literal(message(GOOD))).status, 204)


class Refusals(Served):
    """One row of a request that holds good entries and one bad thing; what is stored besides."""

    def rows(self, table):
        for name, streams, status, text, stored in table:
            with self.subTest(name):
                self.loki.forget()
                answer = push(self.loki, *streams)
                self.assertEqual(answer.status, status, answer.text)
                self.assertIn(text, answer.text)
                self.assertEqual(sorted(lines(self.loki)), sorted(stored))

    def test_valid_part_is_stored(self):
        def beside(line, time=NOW, metadata=()):
            return [('{app="a"}', [(NOW, "one"), (time, line, metadata), (NOW + 1, "two")]), GOOD]

        def labelled(labels):
            return [(labels, [(NOW, "bad")]), GOOD]

        pairs = {f"k{i}": "v" for i in range(129)}
        kept = ["one", "two", "good"]
        self.rows([
            ("a line of 300,000 bytes", beside("x" * 300_000), 400, "Max entry size '262144' bytes exceeded", kept),
            ("a line at the bound", beside("x" * 262_144), 204, "", [*kept, "x" * 262_144]),
            ("8 days old", beside("old", NOW - 8 * DAY), 400, "has timestamp too old", kept),
            ("an hour in the future", beside("new", NOW + HOUR), 400, "timestamp too new", kept),
            ("9 minutes in the future", beside("new", NOW + 540 * SECOND), 204, "", [*kept, "new"]),
            ("time 0", beside("none", 0), 400, "too old", kept),
            ("129 pairs of metadata", beside("m", metadata=pairs), 400, "too many structured metadata", kept),
            ("128 pairs of metadata", beside("m", metadata=dict(list(pairs.items())[:128])), 204, "", [*kept, "m"]),
            ("65,601 bytes of metadata", beside("m", metadata={"k": "v" * 65_600}), 400, "structured metadata too large", kept),
            ("65,536 bytes of metadata", beside("m", metadata={"k": "v" * 65_535}), 204, "", [*kept, "m"]),
            ("16 labels", labelled("{" + ",".join(f'l{i}="v"' for i in range(16)) + "}"), 400, "label names; limit 15", ["good"]),
            ("15 labels and service_name", labelled('{service_name="s",' + ",".join(f'l{i}="v"' for i in range(15)) + "}"), 204, "", ["bad", "good"]),
            ("a name of 1,025", labelled("{" + "n" * 1025 + '="v"}'), 400, "label name too long", ["good"]),
            ("a name of 1,024", labelled("{" + "n" * 1024 + '="v"}'), 204, "", ["bad", "good"]),
            ("a value of 2,049", labelled('{n="' + "v" * 2049 + '"}'), 400, "label value too long", ["good"]),
            ("a value of 2,048", labelled('{n="' + "v" * 2048 + '"}'), 204, "", ["bad", "good"]),
            ("a label twice", labelled('{a="1", a="2"}'), 400, "duplicate label name", ["good"]),
        ])

    def test_one_bad_label_string_poisons_everything(self):
        for labels in ('{a-b="x"}', '{a.b="x"}', '{"a.b"="x"}', b'{a="\xff"}', '{a="x"', 'a="x"', "{a=x}", '{1a="x"}', '{a="x" b="y"}', "",
                       '{a="\\q"}', '{a=~"x"}', '{a="x"} x', '{a="x\ny"}', '{="x"}'):
            with self.subTest(labels=labels):
                answer = push(self.loki, GOOD, (labels, [(NOW, "bad")]), GOOD)
                self.assertEqual((answer.status, self.loki.stored()), (400, 0))
                self.assertIn("couldn't parse labels", answer.text)
        answer = push_json(self.loki, {"streams": [Q1["streams"][0], {"stream": {"a.b": "x"}, "values": [[str(NOW), "bad"]]}]})
        self.assertEqual((answer.status, self.loki.stored()), (400, 0))

    def test_labels_are_sorted_unquoted_and_named_after_a_service(self):
        table = [
            ("{}", {"service_name": "unknown_service"}),
            ('{ b = "2" , a="1" , }', {"a": "1", "b": "2", "service_name": "unknown_service"}),
            ('{a="x\\n\\"\\\\\\u00e9\\x41", e=""}', {"a": 'x\n"\\éA', "service_name": "unknown_service"}),
            ('{job="j", app="a"}', {"app": "a", "job": "j", "service_name": "a"}),
            ('{container="c", k8s_job_name="k"}', {"container": "c", "k8s_job_name": "k", "service_name": "c"}),
            ('{app="a", service_name="mine"}', {"app": "a", "service_name": "mine"}),
        ]
        for text, labels in table:
            with self.subTest(text):
                self.loki.forget()
                self.assertEqual(push(self.loki, (text, [(NOW, "x")])).status, 204)
                self.assertEqual(self.loki.entries()[0][1], labels)

    def test_accepts_what_looks_wrong_and_is_not(self):
        odd = [b"\xff\xfe", b"a\x00b", b"a\nb", b""]
        streams = [('{a="b"}', [(NOW + i, line, {"trace.id": "1", "1x": "2", "a-b": "3"}) for i, line in enumerate(odd)]),
                   ('{a="b"}', [(NOW - SECOND, "same stream again"), (NOW - 3 * SECOND, "unsorted"), (NOW - 2 * SECOND, "as it comes")])]
        self.assertEqual(push(self.loki, *streams).status, 204)
        found = self.loki.entries()
        self.assertEqual([e[3] for e in found], ["unsorted", "as it comes", "same stream again", "\ufffd\ufffd", "a\x00b", "a\nb", ""])
        self.assertEqual(found[-1][4], {"trace_id": "1", "key_1x": "2", "a_b": "3"})

    def test_window_behind_the_newest_of_the_stream(self):
        early, late = NOW - 61 * 60 * SECOND, NOW - 30 * 60 * SECOND
        answer = push(self.loki, ('{a="b"}', [(NOW, "newest"), (early, "too far behind")]))
        self.assertEqual((answer.status, lines(self.loki)), (400, ["newest"]))
        self.assertIn("entry too far behind", answer.text)
        self.assertIn("total ignored: 1 out of 2", answer.text)
        self.assertEqual(push(self.loki, ('{a="b"}', [(late, "half an hour")]), ('{a="c"}', [(early, "another stream")])).status, 204)
        answer = push(self.loki, ('{a="d"}', [(early, "first"), (NOW, "moves the window"), (early + 1, "is behind it")]))
        self.assertEqual((answer.status, lines(self.loki, '{a="d"}')), (400, ["first", "moves the window"]))
        self.loki.limits.window_seconds = 60
        self.assertEqual(push(self.loki, ('{a="b"}', [(late, "now it is too late")])).status, 400)

    def test_settings_of_limits(self):
        self.loki.limits.change(truncate_lines=True, max_line_bytes=10, reject_old_samples=False, discover_service_name=False)
        self.assertEqual(push(self.loki, ('{a="b"}', [(NOW - 30 * DAY, "x" * 11)])).status, 204)
        self.assertEqual(self.loki.entries()[0][1:4], ({"a": "b"}, NOW - 30 * DAY, "x" * 10))
        answer = push(self.loki, ("{}", [(NOW, "x")]))
        self.assertEqual((answer.status, self.loki.stored()), (400, 1), answer.text)
        self.loki.limits.change(allow_structured_metadata=False, enforced_labels=("team",))
        answer = push(self.loki, ('{team="t"}', [(NOW, "plain"), (NOW, "with", {"a": "b"})]), ('{a="b"}', [(NOW, "no team")]))
        self.assertEqual((answer.status, lines(self.loki, '{team="t"}')), (400, ["plain"]))
        self.assertIn("allow_structured_metadata", answer.text)
        self.assertIn("missing required labels team", answer.text)
        with self.assertRaises(ValueError):
            self.loki.limits.change(max_lines=1)


class Rates(Served):
    def sized(self, *sizes, app="a"):
        self.serial = getattr(self, "serial", 0) + 1
        return (f'{{app="{app}"}}', [(NOW + self.serial, "x" * size) for size in sizes])

    def test_tenants_rate_refuses_all_of_a_request(self):
        sixth = [250_000] * 5
        self.assertEqual(push(self.loki, self.sized(*sixth, *sixth, *sixth)).status, 204)
        answer = push(self.loki, GOOD, self.sized(*[250_000] * 29))
        self.assertEqual((answer.status, lines(self.loki, '{app="good"}')), (429, []))
        self.assertIn("Ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec)", answer.text)
        self.assertEqual(self.loki.audit()["rejected"], {"rate_limited": 30})
        self.assertEqual(push(self.loki, GOOD).status, 204)
        left = (6 << 20) - 15 * 250_000 - len("good")
        self.assertEqual(push(self.loki, self.sized(*[left // 20] * 20, left % 20 + 1, app="b")).status, 429)
        self.assertEqual(push(self.loki, self.sized(*[left // 20] * 20, left % 20, app="b")).status, 204)
        self.assertEqual(push(self.loki, GOOD).status, 429)
        self.assertEqual(push(self.loki, GOOD, X_Scope_OrgID="another").status, 204)
        self.loki.clock.advance(1)
        self.assertEqual(push(self.loki, self.sized(*[4 << 10] * 1024, app="c")).status, 204)
        self.assertEqual(push(self.loki, GOOD).status, 429)

    def test_more_than_the_burst_never_goes_through(self):
        for _ in range(3):
            self.assertEqual(push(self.loki, self.sized(*[250_000] * 29)).status, 429)
            self.loki.clock.advance(3600)
        self.assertEqual(self.loki.stored(), 0)

    def test_streams_rate_refuses_its_stream_only(self):
        self.loki.limits.change(stream_rate_bytes=100, stream_burst_bytes=1000)
        answer = push(self.loki, GOOD, self.sized(600, 600))
        self.assertEqual(answer.status, 429)
        self.assertIn("Per stream rate limit exceeded", answer.text)
        self.assertEqual(lines(self.loki), ["good"])
        self.loki.limits.whole_stream_rate = False
        answer = push(self.loki, self.sized(600, 601))
        self.assertEqual((answer.status, self.loki.stored()), (429, 2))
        self.loki.clock.advance(6.02)
        self.assertEqual(push(self.loki, self.sized(601)).status, 204)

    def test_stream_limit_refuses_the_new_one_only(self):
        self.loki.limits.max_streams = 2
        answer = push(self.loki, GOOD, ('{app="b"}', [(NOW, "b")]), ('{app="c"}', [(NOW, "c")]))
        self.assertEqual((answer.status, sorted(lines(self.loki))), (429, ["b", "good"]))
        self.assertIn("Maximum active stream limit exceeded", answer.text)
        self.assertEqual(push(self.loki, ('{app="b"}', [(NOW, "more")])).status, 204)

    def test_last_stream_of_a_request_answers_for_the_others(self):
        self.loki.limits.change(stream_rate_bytes=100, stream_burst_bytes=1000)
        self.assertEqual(push(self.loki, self.sized(2000), GOOD).status, 204)
        self.assertEqual(lines(self.loki), ["good"])
        self.loki.limits.last_stream_answers = False
        self.assertEqual(push(self.loki, self.sized(2000), GOOD).status, 429)


class Who(Served):
    def test_tenants_are_apart(self):
        push(self.loki, GOOD, X_Scope_OrgID="one")
        self.assertEqual((self.loki.stored("one"), self.loki.stored("two"), self.loki.stored()), (1, 0, 1))

    def test_tenant_and_authorization_may_be_needed(self):
        self.loki.limits.change(auth_enabled=True)
        answer = push(self.loki, GOOD)
        self.assertEqual((answer.status, answer.text), (401, "no org id\n"))
        self.loki.limits.change(tenants=("one",))
        self.assertEqual(push(self.loki, GOOD, X_Scope_OrgID="two").status, 403)
        self.loki.limits.change(authorization="Bearer secret")
        self.assertEqual(push(self.loki, GOOD, X_Scope_OrgID="one").status, 401)
        self.assertEqual(push(self.loki, GOOD, X_Scope_OrgID="one", Authorization="Bearer secret").status, 204)
        self.assertEqual(self.loki.stored(), 1)

    def test_other_methods_and_paths(self):
        self.assertEqual(request(self.loki, "GET", "/loki/api/v1/push").status, 405)
        self.assertEqual(request(self.loki, "POST", "/loki/api/v1/pusch", b"x").status, 404)


class Copies(Served):
    def test_same_stream_time_and_line_is_kept_once(self):
        one = ('{app="a"}', [(NOW, "one"), (NOW, "two")])
        for _ in range(3):
            self.assertEqual(push(self.loki, one).status, 204)
        self.assertEqual(push(self.loki, ('{app="a"}', [(NOW, "one", {"trace": "another"})])).status, 204)
        self.assertEqual(lines(self.loki), ["one", "two"])
        audit = self.loki.audit()
        self.assertEqual((audit["stored"], audit["duplicates"], audit["duplicates_with_other_metadata"]), (2, 5, 1))
        self.assertEqual(audit["resent_batches"], 3)
        self.assertEqual([(b["duplicates"], b["entries"]) for b in audit["changed_batches"]], [(1, 1)])

    def test_same_line_at_another_time_or_in_another_stream_is_another(self):
        push(self.loki, ('{app="a"}', [(NOW, ""), (NOW + 1, ""), (NOW, ""), (NOW, "x"), (NOW, "")]), ('{app="b"}', [(NOW, "")]))
        self.assertEqual((self.loki.stored(), self.loki.audit()["duplicates"]), (4, 2))

    def test_thousand_identical_lines_in_one_second_need_times_of_their_own(self):
        push(self.loki, ('{app="a"}', [(NOW + i, "same") for i in range(1000)]))
        self.assertEqual(self.loki.stored(), 1000)

    def test_batch_with_moved_bounds_is_told_from_the_same_one(self):
        entries = [(NOW + i, f"line {i}") for i in range(100)]
        push(self.loki, ('{app="a"}', entries[:50]))
        push(self.loki, ('{app="a"}', entries[:50]), GOOD)
        self.assertEqual(self.loki.audit()["changed_batches"], [])
        push(self.loki, ('{app="a"}', entries[40:60]))
        changed, = self.loki.audit()["changed_batches"]
        self.assertEqual((changed["duplicates"], changed["entries"], changed["request"]), (10, 20, 3))
        self.assertEqual(lines(self.loki, '{app="a"}'), [f"line {i}" for i in range(60)])

    def test_steps_backwards_are_counted(self):
        push(self.loki, ('{app="a"}', [(NOW + i, "x") for i in (0, 5, 3, 4, 9)]), ('{app="b"}', [(NOW - 1, "x")]))
        self.assertEqual(self.loki.audit()["backward"], 1)

    def test_journal_tells_of_bodies(self):
        push(self.loki, GOOD)
        push(self.loki, GOOD)
        push(self.loki, ('{app="good"}', [(NOW, "good"), (1, "old")]))
        first, second, third = self.loki.journal.records()
        self.assertEqual(first["sha256"], second["sha256"])
        self.assertNotEqual(first["sha256"], third["sha256"])
        self.assertEqual([(r["status"], r["stored"], r["duplicates"], r["entries"]) for r in (first, second, third)],
                         [(204, 1, 0, 1), (204, 0, 1, 1), (400, 0, 1, 2)])
        self.assertEqual(third["rejected"], {"greater_than_max_sample_age": 1})
        self.assertEqual((first["batches"][0]["labels"], first["batches"][0]["first"]), ('{app="good"}', NOW))

    def test_without_lines_sums_tell_the_same(self):
        counting = Loki(clock=Clock(NOW), keep_lines=False).start()
        self.addCleanup(counting.stop)
        entries = [(NOW + i, f"line {i}") for i in range(100)]
        push(counting, ('{app="a"}', entries))
        push(counting, ('{app="b"}', entries[50:]))
        push(counting, ('{app="b"}', entries[:50]))
        a, b = counting.audit()["streams"]
        self.assertEqual((a["stored"], a["sum"]), (b["stored"], b["sum"]))
        self.assertEqual((a["backward"], b["backward"]), (0, 1))
        self.assertNotEqual(a["sum"], 0)


class Defaults(unittest.TestCase):
    def test_are_those_of_a_loki_that_nobody_configured(self):
        limits = Limits()
        self.assertEqual((limits.max_line_bytes, limits.max_label_names, limits.max_metadata_bytes, limits.max_metadata_pairs),
                         (262_144, 15, 65_536, 128))
        self.assertEqual((limits.max_age_seconds, limits.future_seconds, limits.window_seconds, limits.max_streams), (604_800, 600, 3600, 5000))


if __name__ == "__main__":
    main()
