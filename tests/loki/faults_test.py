"""Every fault, seen from a socket: what is on the wire, what was stored, what the journal says."""
import http.client
import pathlib
import socket
import sys
import threading
import time
import unittest

sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
from loki import faults  # noqa: E402
from loki.limits import Clock  # noqa: E402
from loki.server import Loki  # noqa: E402
from loki.testing import NOW, lines, literal, main, message, push, request  # noqa: E402

GOOD = ('{app="good"}', [(NOW, "good")])
BODY = literal(message(GOOD))
HEAD = (b"POST /loki/api/v1/push HTTP/1.1\r\nHost: loki\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n" % len(BODY))


class Faulty(unittest.TestCase):
    def setUp(self):
        self.loki = Loki(clock=Clock(NOW)).start()
        self.addCleanup(self.loki.stop)

    def connect(self, timeout=10):
        sock = socket.create_connection((self.loki.host, self.loki.port), timeout=timeout)
        self.addCleanup(sock.close)
        return sock

    def send(self, data=HEAD + BODY, timeout=10):
        sock = self.connect(timeout)
        sock.sendall(data)
        return sock

    def everything(self, sock):
        """Until the end, and whether it was a reset."""
        found = b""
        try:
            while block := sock.recv(1 << 20):
                found += block
        except ConnectionResetError:
            return found, "reset"
        except TimeoutError:
            return found, "open"
        return found, "closed"

    def head_of(self, sock):
        found = b""
        while b"\r\n\r\n" not in found:
            block = sock.recv(65536)
            self.assertTrue(block, found)
            found += block
        return found


class Matching(Faulty):
    def statuses(self, count, *streams, **headers):
        return [push(self.loki, *(streams or [GOOD]), **headers).status for _ in range(count)]

    def test_times_skip_and_every(self):
        self.loki.fail(status=503, times=2)
        self.assertEqual(self.statuses(4), [503, 503, 204, 204])
        self.loki.fail(status=500, skip=1, every=2, times=2)
        self.assertEqual(self.statuses(6), [204, 500, 204, 500, 204, 204])

    def test_first_that_fits_is_taken_then_the_next(self):
        self.loki.faults.add({"status": 503, "times": 1}, "forbidden")
        self.assertEqual(self.statuses(3), [503, 403, 403])
        self.loki.heal()
        self.assertEqual(self.statuses(1), [204])

    def test_for_a_time(self):
        now = [100.0]
        self.loki.faults = faults.Script(lambda: now[0])
        self.loki.fail(status=503, seconds=40)
        self.assertEqual(self.statuses(2), [503, 503])
        now[0] += 39.9
        self.assertEqual(self.statuses(1), [503])
        now[0] += 0.1
        self.assertEqual(self.statuses(1), [204])

    def test_by_tenant_size_path_and_content(self):
        self.loki.fail(status=503, tenant="one")
        self.assertEqual(self.statuses(1, X_Scope_OrgID="one") + self.statuses(1, X_Scope_OrgID="two"), [503, 204])
        self.loki.fail(status=413, larger_than=1000)
        self.assertEqual(self.statuses(1, ('{app="a"}', [(NOW, "x" * 900)])) + self.statuses(1, ('{app="a"}', [(NOW, "".join(map(chr, range(200, 900))))])),
                         [204, 413])
        self.loki.fail(status=400, contains="poison", body="line is bad\n")
        self.assertEqual(self.statuses(1, GOOD, ('{app="a"}', [(NOW, "a"), (NOW, "some poison")])), [400])
        self.assertEqual(self.statuses(1, GOOD, ('{app="a"}', [(NOW, "a")])), [204])
        self.assertNotIn("some poison", lines(self.loki))
        self.loki.fail(status=500, path="/ready")
        self.assertEqual((request(self.loki, "GET", "/ready").status, self.statuses(1)), (500, [204]))

    def test_mistakes_are_told(self):
        for spec in ({"preset": "nothing"}, {"statsu": 1}, {"then": "explode"}, {"framing": "x"}, {"every": 0}, {"raw": "no base64!"}):
            with self.subTest(spec), self.assertRaises(ValueError):
                self.loki.fail(spec)

    def test_journal_names_the_fault(self):
        self.loki.fail("unavailable", times=1)
        self.statuses(2)
        first, second = self.loki.journal.records()
        self.assertEqual((first["fault"], first["status"], first["bytes"] > 0, "fault" in second), ("unavailable", 503, True, False))


class Answers(Faulty):
    def test_presets_with_a_status_give_it_and_store_what_they_say(self):
        tried = 0
        for name, (_, entries, spec) in faults.PRESETS.items():
            if "raw" in spec or spec.get("body_bytes") or spec.get("answer_rate") or spec.get("framing", "length") != "length" or not spec.get("status"):
                continue
            with self.subTest(name):
                self.loki.forget()
                self.loki.heal()
                self.loki.fail(name, larger_than=None)
                sock = self.send()
                found = self.head_of(sock)
                self.assertTrue(found.startswith(b"HTTP/1.1 %d" % spec["status"]), found[:60])
                self.assertEqual(self.loki.stored(), 1 if entries == "stored" else 0)
                tried += 1
        self.assertGreater(tried, 30)

    def test_headers(self):
        self.loki.fail("redirect_to_login", times=1)
        answer = push(self.loki, GOOD)
        self.assertEqual((answer.status, answer.headers["Location"], self.loki.stored()), (302, "/login", 0))
        page = request(self.loki, "GET", "/login")
        self.assertEqual((page.status, b"Sign in" in page.body), (200, True))
        self.assertEqual([(r["method"], r["path"]) for r in self.loki.journal.records()], [("POST", "/loki/api/v1/push"), ("GET", "/login")])
        for name, value in (("too_many_2_s", "2"), ("too_many_negative", "-1"), ("too_many_for_ever", "99999999999"), ("too_many_garbage", "soon")):
            self.loki.heal()
            self.loki.fail(name)
            self.assertEqual(push(self.loki, GOOD).headers["Retry-After"], value)
        self.loki.heal()
        self.loki.fail("too_many_date")
        self.assertRegex(push(self.loki, GOOD).headers["Retry-After"], r"^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$")

    def test_huge_answer_goes_on_as_long_as_somebody_reads(self):
        self.loki.fail("huge_answer", body_bytes=3_000_000)
        self.assertEqual(len(push(self.loki, GOOD).body), 3_000_000)

    def test_framing(self):
        for name, wire in (("chunked", b"Transfer-Encoding: chunked\r\n\r\n3\r\nok\n\r\n0\r\n\r\n"),
                           ("length_and_chunked", b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok\n\r\n0\r\n\r\n"),
                           ("huge_chunk", b"\r\n\r\nFFFFFFFFFFFFFFFF\r\nok\n"), ("bad_chunk", b"\r\n\r\n-3\r\nok\n"),
                           ("204_with_body", b"\r\n\r\nHTTP/1.1 500 no"), ("answer_too_short", b"Content-Length: 103\r\n"),
                           ("answer_too_long", b"Content-Length: 2\r\n\r\nok\n"), ("two_answers", b"503 no\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204"),
                           ("no_http", b"220 mail.example ESMTP\r\n"), ("http_0_9", b"204\n"), ("status_0", b"HTTP/1.1 000 "),
                           ("bad_status", b"HTTP/1.1 2o4"), ("garbage", bytes(range(256))), ("empty_lines", b"\r\n\r\n\r\n"),
                           ("huge_header", b"X-Padding: " + b"x" * 1000)):
            with self.subTest(name):
                self.loki.heal()
                self.loki.forget()
                self.loki.fail(name)
                sock, found = self.send(), b""
                while wire not in found:
                    block = sock.recv(1 << 20)
                    self.assertTrue(block, found[:300])
                    found += block
                self.assertEqual(self.loki.stored(), 1 if faults.PRESETS[name][1] == "stored" else 0)

    def test_interim_answers(self):
        self.loki.fail("early_hints_first", times=1)
        sock = self.send()
        found = b""
        while not found.endswith(b"204 No Content\r\n\r\n"):
            found += sock.recv(65536)
        self.assertEqual([part.split(b" ")[1] for part in found.split(b"\r\n\r\n")[:-1]], [b"103", b"100", b"102", b"204"])

    def test_drip(self):
        self.loki.fail("answer_drips", answer_rate=100, times=1)
        begin = time.monotonic()
        self.assertEqual(push(self.loki, GOOD).status, 204)
        self.assertGreater(time.monotonic() - begin, 0.2)  # 27 bytes at 100 a second

    def test_delay_has_stored_before(self):
        self.loki.fail(delay=600)
        sock = self.send()
        self.loki.wait(lambda: self.loki.stored() == 1, "it is stored")
        sock.settimeout(0.05)
        with self.assertRaises(TimeoutError):
            sock.recv(1)
        self.loki.heal()
        self.loki.fail(delay=0.05)
        self.assertEqual(push(self.loki, GOOD).status, 204)


class Presets(Faulty):
    def test_each_stores_what_it_says_and_breaks_nothing_else(self):
        broken = []
        before, threading.excepthook = threading.excepthook, broken.append
        self.addCleanup(setattr, threading, "excepthook", before)
        for name, (_, entries, _) in faults.PRESETS.items():
            with self.subTest(name):
                self.loki.forget()
                self.loki.fail(name, larger_than=None, times=1)
                try:
                    sock = self.connect(timeout=0.2)  # a reset may come as early as that
                    sock.sendall(HEAD + BODY)
                    for _ in range(4):
                        if not sock.recv(1 << 16):
                            break
                except OSError:
                    pass
                if entries == "stored":
                    self.loki.wait(lambda: self.loki.stored() == 1, f"{name} is stored")
                self.assertEqual(self.loki.stored(), 1 if entries == "stored" else 0)
                self.loki.heal()
                self.assertEqual(push(self.loki, ('{app="next"}', [(NOW, "next")])).status, 204)
        self.assertEqual(broken, [])


class Connections(Faulty):
    def test_presets_without_a_whole_answer(self):
        table = [
            # preset, what comes, how it ends
            ("stored_then_close", b"", "closed"), ("stored_then_reset", b"", "reset"), ("close_unanswered", b"", "closed"),
            ("reset_in_answer", b"HTTP/1.1 204", "reset"), ("close_in_answer", b"HTTP/1.1 204", "closed"),
            ("idle_close", b"HTTP/1.1 204 No Content\r\n", "closed"), ("idle_reset", b"HTTP/1.1 204 No Content\r\n", "reset"),
            ("answers_early", b"HTTP/1.1 503", "closed"), ("body_too_large_unread", b"HTTP/1.1 413", "closed"),
            ("reset_in_request", b"", "reset"), ("close_in_request", b"", "closed"),
        ]
        for name, begin, end in table:
            with self.subTest(name):
                self.loki.heal()
                self.loki.forget()
                self.loki.fail(name, larger_than=None)
                found, how = self.everything(self.send())
                # With a reset what was sent before it may be gone.
                self.assertTrue(found.startswith(begin) or how == "reset", found)
                self.assertEqual((how, bool(begin) or not found), (end, True))
                self.assertEqual(len(found), {"close_in_answer": 12}.get(name, len(found)))
                self.assertEqual(self.loki.stored(), 1 if faults.PRESETS[name][1] == "stored" else 0)

    def test_silence_until_it_is_healed(self):
        for name in ("silence", "stored_then_silence", "stops_reading", "silent_on_connect", "goes_silent"):
            with self.subTest(name):
                self.loki.forget()
                self.loki.fail(name)
                sock = self.send()
                stored = 1 if faults.PRESETS[name][1] == "stored" else 0
                self.loki.wait(lambda: self.loki.stored() == stored)
                if name == "goes_silent":
                    self.head_of(sock)
                    sock.sendall(HEAD + BODY)
                sock.settimeout(0.2)
                self.assertEqual(self.everything(sock), (b"", "open"))
                self.assertEqual(self.loki.stored(), stored)
                self.loki.heal()
                sock.settimeout(10)
                self.assertIn(self.everything(sock)[1], ("reset", "closed"))
                self.assertEqual(push(self.loki, GOOD).status, 204)

    def test_window_closes_when_nobody_reads(self):
        self.loki.fail("stops_reading")
        sock = self.connect(timeout=0.3)
        with self.assertRaises(TimeoutError):
            sock.sendall(HEAD.replace(b"Content-Length: ", b"Content-Length: 9999999") + b"x" * (32 << 20))

    def test_slow_reading(self):
        self.loki.fail(read_rate=1000, times=1)
        begin = time.monotonic()
        self.assertEqual(push(self.loki, ('{app="a"}', [(NOW, "".join(chr(200 + i) for i in range(200)))])).status, 204)
        self.assertGreater(time.monotonic() - begin, 0.25)

    def test_stop_ends_what_sends_to_nobody(self):
        self.loki.fail("huge_answer")
        sock = self.send()
        self.head_of(sock)
        self.loki.stop()
        self.loki.wait(lambda: not self.loki.connections, "all connections have ended")
        with self.assertRaises(AssertionError):
            self.loki.wait(lambda: False, seconds=0)

    def test_connects(self):
        self.loki.fail("reset_on_connect", times=1)
        try:
            how = self.everything(self.connect())[1]
        except ConnectionResetError:  # before connect() returned
            how = "reset"
        self.assertEqual(how, "reset")
        self.loki.fail("close_on_connect", times=1)
        self.assertEqual(self.everything(self.connect()), (b"", "closed"))
        self.assertEqual(push(self.loki, GOOD).status, 204)

    def test_half_close_still_reads(self):
        self.loki.fail("half_close", times=1)
        sock = self.send()
        found, how = self.everything(sock)
        self.assertEqual((found.startswith(b"HTTP/1.1 204"), how), (True, "closed"))
        sock.sendall(HEAD + BODY)  # is taken by the kernel and never answered
        self.assertEqual(self.everything(sock), (b"", "closed"))

    def test_port_closes_and_opens_again(self):
        sock = self.send()
        self.head_of(sock)
        port = self.loki.port
        self.loki.stop()
        # Its thread may have been about to read: then it closes the connection before it is reset.
        found, how = self.everything(sock)
        self.assertEqual(found, b"")
        self.assertIn(how, ("reset", "closed"))
        with self.assertRaises(ConnectionRefusedError):
            self.connect()
        self.loki.start()
        self.assertEqual((self.loki.port, push(self.loki, GOOD).status, self.loki.stored()), (port, 204, 1))

    def test_muted_port_connects_and_says_nothing(self):
        self.loki.mute()
        socks = [self.send(timeout=0.3) for _ in range(2)]
        self.assertEqual([self.everything(s) for s in socks], [(b"", "open")] * 2)
        self.loki.heal()
        self.assertEqual(push(self.loki, GOOD).status, 204)

    def test_hanging_clients_do_not_hold_up_others(self):
        self.loki.fail("silence", times=3)
        hanging = [self.send(timeout=0.1) for _ in range(3)]
        self.loki.wait(lambda: self.loki.journal.body_bytes == 3 * len(BODY))
        self.assertEqual(push(self.loki, GOOD).status, 204)
        self.assertEqual([self.everything(s)[1] for s in hanging], ["open"] * 3)


class Http(Faulty):
    def test_keep_alive_pipelines_and_expects(self):
        sock = self.send((HEAD + BODY) * 3)
        found = b""
        while found.count(b"HTTP/1.1 204") < 3:
            found += sock.recv(65536)
        sock = self.send(HEAD.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        self.assertTrue(self.head_of(sock).startswith(b"HTTP/1.1 100 "))
        sock.sendall(BODY)
        self.assertTrue(self.head_of(sock).startswith(b"HTTP/1.1 204 "))
        sock = self.send(HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + BODY)
        found, how = self.everything(sock)
        self.assertEqual((found.split(b" ")[1], how), (b"204", "closed"))

    def test_chunked_requests(self):
        connection = http.client.HTTPConnection(self.loki.host, self.loki.port, timeout=10)
        self.addCleanup(connection.close)
        connection.request("POST", "/loki/api/v1/push", iter([BODY[:5], BODY[5:]]), {"Content-Type": "application/x-protobuf"}, encode_chunked=True)
        self.assertEqual((connection.getresponse().status, self.loki.stored()), (204, 1))

    def test_bad_requests(self):
        for data in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
                     HEAD.replace(b"Length: ", b"Length: x"), HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n") + BODY,
                     HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") + BODY):
            with self.subTest(data[:40]):
                found, how = self.everything(self.send(data))
                self.assertEqual((found[:12], how), (b"HTTP/1.1 400", "closed"))
        self.assertEqual(self.loki.stored(), 0)

    def test_cut_request_stores_nothing(self):
        sock = self.send(HEAD + BODY[:-1])
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(self.everything(sock)[0], b"")
        self.assertEqual(self.loki.stored(), 0)

    def test_many_at_once(self):
        def run(n):
            for i in range(20):
                push(self.loki, (f'{{app="{n}"}}', [(NOW + i, f"{n} {i}")]))
        threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        self.assertEqual((self.loki.stored(), self.loki.audit()["duplicates"], self.loki.journal.requests), (160, 0, 160))


if __name__ == "__main__":
    main()
