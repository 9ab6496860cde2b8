"""What goes wrong, when, and how often: a list of faults that requests take from.

A fault is matched once the head of a request is there (a `contains`: once its body is decoded; `at="connect"`: once a connection is
accepted, before TLS). The first that fits and is not used up is taken. Presets name the rows of the table in README.md.
"""
import base64
import dataclasses
import itertools
import threading
import time

PUSH = "/loki/api/v1/push"
_ENDS = ("keep", "close", "reset", "half_close", "mute")
_FRAMINGS = ("length", "chunked", "none", "length_and_chunked", "huge_chunk", "bad_chunk", "short", "long")


@dataclasses.dataclass
class Fault:
    # Which requests
    at: str = "request"            # or "connect"
    path: str = PUSH               # a whole path, "*" for every one
    tenant: str | None = None
    contains: str | None = None    # a line or a label string has this text
    larger_than: int | None = None  # bytes of the body as sent
    skip: int = 0                  # so many of them pass first
    every: int = 1                 # then every n-th
    times: int | None = None       # so often, then never again; None: for ever
    seconds: float | None = None   # for so long after it was set
    # How the request is read
    before: float = 0              # seconds of silence before any of the body is read
    read_rate: float = 0           # bytes per second; 0 is as they come
    read_most: int | None = None   # bytes of the body, then no more; what is not read is not stored
    # What is done with it
    store: bool = False            # as if nothing were wrong; only the answer is another
    # What is answered
    delay: float = 0               # seconds between the whole request and the answer
    answer: bool = True            # False: none
    status: int | None = None      # None: the real answer, which implies that it is stored
    reason: str | None = None
    headers: dict = dataclasses.field(default_factory=dict)
    body: str = ""
    body_bytes: int = 0            # so many more
    interim: tuple = ()            # 1xx statuses in front of the answer
    framing: str = "length"        # how the length of the answer is told
    raw: str | None = None         # base64: these bytes in place of an answer
    answer_rate: float = 0         # bytes per second; 0 is at once
    answer_most: int | None = None  # bytes of the answer, then `then`
    then: str = "keep"             # what becomes of the connection
    name: str = ""                 # shown in the journal

    def __post_init__(self):
        if self.then not in _ENDS or self.framing not in _FRAMINGS or self.at not in ("request", "connect"):
            raise ValueError(f"then is one of {_ENDS}, framing of {_FRAMINGS}, at of request, connect")
        if self.every < 1:
            raise ValueError("every is 1 or more")
        self.interim = tuple(self.interim)
        if self.raw is not None:
            base64.b64decode(self.raw, validate=True)

    @property
    def real(self):
        """The request is handled as if nothing were wrong and its true answer is given (late, slowly, or not at all)."""
        return self.status is None and self.raw is None and self.answer and self.read_most is None


def raw(data):
    return base64.b64encode(data).decode()


def _date(seconds):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))


# {name: (row of README.md's table, what becomes of the entries, the fault)}. Entries: "stored"; "not" stored, and the client can know
# that it may not forget them; "lost": the answer is a 2xx all the same.
PRESETS = {
    "slow_204": ("1", "stored", {"delay": 0.3}),
    "status_200": ("2", "stored", {"status": 200, "store": True}),
    "status_202": ("2", "stored", {"status": 202, "store": True}),
    "redirect_to_login": ("2", "not", {"status": 302, "headers": {"Location": "/login"}}),
    "redirect_permanently": ("2", "not", {"status": 308, "headers": {"Location": "/elsewhere/loki/api/v1/push"}}),
    "login_page": ("2", "lost", {"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<html>Sign in</html>"}),
    "multiple_choices": ("2", "not", {"status": 300}),
    "bad_request": ("4", "not", {"status": 400, "body": "something about this request\n"}),
    "bad_request_empty": ("4", "not", {"status": 400}),
    "bad_request_html": ("4", "not", {"status": 400, "headers": {"Content-Type": "text/html"}, "body": "<h1>400 Bad Request</h1>"}),
    "bad_request_binary": ("4", "not", {"status": 400, "body": "\x00\x1b[31m\xff\u202e\r\nX: y\n"}),
    "unauthorized": ("5", "not", {"status": 401, "body": "no org id\n"}),
    "forbidden": ("5", "not", {"status": 403}),
    "not_found": ("5", "not", {"status": 404, "body": "404 page not found\n"}),
    "method_not_allowed": ("5", "not", {"status": 405}),
    "proxy_login": ("5", "not", {"status": 407}),
    "request_timeout": ("8", "not", {"status": 408}),
    "body_too_large": ("6", "not", {"status": 413}),
    "body_too_large_at_64k": ("6", "not", {"status": 413, "larger_than": 64 << 10}),
    "body_too_large_unread": ("6", "not", {"status": 413, "larger_than": 64 << 10, "read_most": 0, "then": "close"}),
    "too_many": ("7", "not", {"status": 429}),
    "too_many_2_s": ("7", "not", {"status": 429, "headers": {"Retry-After": "2"}}),
    "too_many_date": ("7", "not", {"status": 429, "headers": {"Retry-After": "@2"}}),
    "too_many_for_ever": ("7", "not", {"status": 429, "headers": {"Retry-After": "99999999999"}}),
    "too_many_negative": ("7", "not", {"status": 429, "headers": {"Retry-After": "-1"}}),
    "too_many_garbage": ("7", "not", {"status": 429, "headers": {"Retry-After": "soon"}}),
    "too_many_but_stored": ("7", "stored", {"status": 429, "store": True}),
    "client_closed": ("8", "not", {"status": 499}),
    "server_error": ("8", "not", {"status": 500}),
    "bad_gateway": ("8", "not", {"status": 502, "headers": {"Content-Type": "text/html"}, "body": "<h1>502 Bad Gateway</h1>"}),
    "unavailable": ("8", "not", {"status": 503}),
    "unavailable_2_s": ("8", "not", {"status": 503, "headers": {"Retry-After": "2"}}),
    "gateway_timeout": ("8", "not", {"status": 504}),
    "huge_answer": ("8", "not", {"status": 500, "body_bytes": 1 << 30}),
    "stored_then_500": ("9", "stored", {"status": 500, "store": True}),
    "stored_then_503": ("9", "stored", {"status": 503, "store": True}),
    "stored_then_close": ("9", "stored", {"answer": False, "store": True, "then": "close"}),
    "stored_then_reset": ("13", "stored", {"answer": False, "store": True, "then": "reset"}),
    "stored_then_silence": ("10", "stored", {"answer": False, "store": True, "then": "mute"}),
    "close_unanswered": ("9", "not", {"answer": False, "then": "close"}),
    "silence": ("10", "not", {"answer": False, "then": "mute"}),
    "stops_reading": ("11", "not", {"read_most": 0, "answer": False, "then": "mute"}),
    "reads_slowly": ("11", "stored", {"read_rate": 65536}),
    "answer_drips": ("12", "stored", {"answer_rate": 1}),
    "interim_for_ever": ("12", "not", {"interim": (102,) * 100_000, "answer_rate": 50, "status": 500}),
    "reset_in_request": ("13", "not", {"read_most": 64, "answer": False, "then": "reset"}),
    "close_in_request": ("13", "not", {"read_most": 64, "answer": False, "then": "close"}),
    "reset_in_answer": ("13", "stored", {"answer_most": 12, "then": "reset"}),
    "close_in_answer": ("13", "stored", {"answer_most": 12, "then": "close"}),
    "answers_early": ("13", "not", {"read_most": 0, "status": 503, "then": "close"}),
    "reset_on_connect": ("13", "not", {"at": "connect", "then": "reset"}),
    "close_on_connect": ("13", "not", {"at": "connect", "then": "close"}),
    "silent_on_connect": ("10", "not", {"at": "connect", "then": "mute"}),
    "idle_close": ("14", "stored", {"then": "close"}),
    "idle_reset": ("14", "stored", {"then": "reset"}),
    "half_close": ("14", "stored", {"then": "half_close"}),
    "goes_silent": ("14", "stored", {"then": "mute"}),
    "continue_first": ("17", "stored", {"interim": (100,)}),
    "early_hints_first": ("17", "stored", {"interim": (103, 100, 102)}),
    "chunked": ("17", "stored", {"status": 200, "store": True, "body": "ok\n", "framing": "chunked"}),
    "length_and_chunked": ("17", "stored", {"status": 200, "store": True, "body": "ok\n", "framing": "length_and_chunked"}),
    "huge_chunk": ("17", "stored", {"status": 200, "store": True, "body": "ok\n", "framing": "huge_chunk"}),
    "bad_chunk": ("17", "stored", {"status": 200, "store": True, "body": "ok\n", "framing": "bad_chunk"}),
    "204_with_body": ("17", "stored", {"status": 204, "store": True, "body": "HTTP/1.1 500 no\r\n\r\n", "framing": "none"}),
    "answer_too_short": ("17", "stored", {"status": 200, "store": True, "body": "ok\n", "framing": "short", "then": "close"}),
    "answer_too_long": ("17", "stored", {"status": 200, "store": True, "body": "ok\n", "framing": "long"}),
    "two_answers": ("17", "not", {"raw": raw(b"HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 yes\r\n\r\n")}),
    "no_http": ("17", "not", {"raw": raw(b"220 mail.example ESMTP\r\n"), "then": "close"}),
    "garbage": ("17", "not", {"raw": raw(bytes(range(256)) * 16), "then": "close"}),
    "empty_lines": ("17", "not", {"raw": raw(b"\r\n" * 4096), "then": "close"}),
    "http_0_9": ("17", "not", {"raw": raw(b"204\n"), "then": "close"}),
    "bad_status": ("17", "not", {"raw": raw(b"HTTP/1.1 2o4 No Content\r\n\r\n"), "then": "close"}),
    "status_999": ("17", "not", {"status": 999}),
    "status_0": ("17", "not", {"raw": raw(b"HTTP/1.1 000 \r\nContent-Length: 0\r\n\r\n"), "then": "close"}),
    "switching_protocols": ("17", "not", {"status": 101}),
    "huge_header": ("17", "stored", {"status": 204, "store": True, "headers": {"X-Padding": "x" * (1 << 20)}}),
    "blocked_by_policy": ("3", "lost", {"status": 260, "body": "blocked by policy\n"}),
}


def fault(spec=None, **more):
    """A Fault of {"preset": name, and what differs from it}; of a name alone too."""
    spec = {"preset": spec} if isinstance(spec, str) else dict(spec or {})
    spec.update(more)
    name = spec.pop("preset", None)
    if name is not None:
        if name not in PRESETS:
            raise ValueError(f"no such preset: {name}")
        spec = {"name": name, **PRESETS[name][2], **spec}
    unknown = set(spec) - set(Fault.__dataclass_fields__)
    if unknown:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    made = Fault(**spec)
    later = made.headers.get("Retry-After", "")
    if later.startswith("@"):  # a date, so many seconds from now
        made.headers = {**made.headers, "Retry-After": _date(float(later[1:]))}
    return made


class Script:
    """The faults that are set, in their order. Thread-safe."""

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._set = {}  # {number: [Fault, met, taken, set when]}

    def add(self, *specs):
        """Their numbers. `specs`: Faults, dicts, or names of presets."""
        made = [s if isinstance(s, Fault) else fault(s) for s in specs]
        with self._lock:
            numbers = [next(self._numbers) for _ in made]
            self._set.update({n: [f, 0, 0, self._clock()] for n, f in zip(numbers, made)})
        return numbers

    def clear(self, number=None):
        with self._lock:
            if number is None:
                self._set.clear()
            else:
                self._set.pop(number, None)

    def list(self):
        with self._lock:
            return [{"number": n, "met": met, "taken": taken, **dataclasses.asdict(f)} for n, (f, met, taken, _) in self._set.items()]

    def taken(self):
        """{number: how often}."""
        with self._lock:
            return {n: entry[2] for n, entry in self._set.items()}

    def watches_bodies(self):
        return any(entry[0].contains is not None for entry in self._set.values())

    def choose(self, at, path="", tenant="", size=0, texts=None):
        """The fault of this connection or request, or None. With `texts` (bytes) those that want to see the body, without the others."""
        if not self._set:
            return None
        with self._lock:
            for entry in self._set.values():
                f, met, taken, since = entry
                fits = (f.at == at and (f.path == "*" or f.path == path or at == "connect") and (f.contains is None) == (texts is None)
                        and (f.times is None or taken < f.times)
                        and (f.seconds is None or self._clock() < since + f.seconds)
                        and f.tenant in (None, tenant) and (f.larger_than is None or size > f.larger_than)
                        and (f.contains is None or any(f.contains.encode() in t for t in texts)))
                if not fits:
                    continue
                entry[1] += 1
                if met >= f.skip and (met - f.skip) % f.every == 0:
                    entry[2] += 1
                    return f
        return None
