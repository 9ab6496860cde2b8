"""The second opinion: what the page and the store have to say after a journal of records, worked out from the records themselves.

It never sees a byte of a file and shares nothing with the program: records are dicts that the writers made, rules are the methods
below, said once more in Python. It counts as the records are written, so a long run needs no memory for them. What the files'
readers may see in any order (records of different streams) commutes; what does not commute is of one stream alone.
"""
import collections
import fractions
import threading

HOUR = 3_600_000
REQUEST_TTL = HOUR  # milliseconds of event time
RECENT = 20         # rows
USERS = 8           # values of a label

RULES = f"""version: 1
formats:
  engine: {{pattern: '<time> [<logger>] <level> <message>', continuation: join}}
tables:
  request: {{key: $id, columns: [method], ttl: 1h, max: 50000, open: crash_requests_in_progress}}
  recent: {{key: $item, columns: [size], ttl: 240h, max: {RECENT}}}
metrics:
  crash_lines_total: {{type: counter, help: Lines, labels: [stream, kind]}}
  crash_volume_total: {{type: counter, help: Sum of a field, labels: [stream]}}
  crash_work_seconds: {{type: histogram, help: Durations, labels: [stream], buckets: [0.05, 0.5, 5]}}
  crash_requests_total: {{type: counter, help: Pairs, labels: [method]}}
  crash_request_seconds: {{type: histogram, help: From start to finish, labels: [method], buckets: [0.01, 0.1, 1]}}
  crash_requests_in_progress: {{type: gauge, help: Starts without a finish, labels: [method]}}
  crash_hits_total: {{type: counter, help: Rows that were still there, labels: [size]}}
  crash_users_total: {{type: counter, help: A label with a limit, labels: {{user: {{max: {USERS}, overflow: other}}}}}}
  crash_depth: {{type: gauge, help: The last value, labels: [stream]}}
  crash_heat: {{type: gauge, help: Falls back, labels: [stream]}}
  crash_errors_total: {{type: counter, help: Tracebacks, labels: [type]}}
  crash_rest_bytes_total: {{type: counter, help: Text below first lines}}
  crash_fragments_total: {{type: counter, help: Pieces of lines that are too long taken for lines; never}}
  crash_skills_total: {{type: counter, help: Rows stored, labels: [skill_name]}}
  crash_mark: {{type: gauge, help: How far a stream was read, labels: [stream]}}
rules:
  tick:
    match: {{event: tick}}
    do: [{{inc: crash_lines_total}}, {{add: crash_volume_total, value: $volume}}]
  work:
    match: {{event: work}}
    do: [{{observe: crash_work_seconds, value: $took, unit: ms}}]
  start:
    match: {{event: start}}
    do: [{{remember: request}}]
  finish:
    match: {{event: finish}}
    do: [{{take: request}}, {{inc: crash_requests_total}}, {{observe: crash_request_seconds, value: $elapsed}}]
  put:
    match: {{event: put}}
    do: [{{remember: recent}}]
  get:
    match: {{event: get}}
    do: [{{take: recent}}, {{inc: crash_hits_total}}]
  user:
    match: {{event: user}}
    do: [{{inc: crash_users_total}}]
  depth:
    match: {{event: depth}}
    do: [{{set: crash_depth, value: $value}}]
  heat:
    match: {{event: heat}}
    do: [{{set: crash_heat, value: $value, for: 10m, then: 0}}]
  skill:
    match: {{event: skill}}
    do: [{{store: skill_invocation}}, {{inc: crash_skills_total}}]
  mark:
    match: {{event: mark}}
    do: [{{set: crash_mark, value: $n}}]
  text_tick:
    match: {{_format: engine}}
    pattern: 'tick <kind>'
    let: {{stream: text}}
    do: [{{inc: crash_lines_total}}]
  text_error:
    match: {{_format: engine, _exception: {{exists: true}}}}
    let: {{type: $_exception}}
    do: [{{inc: crash_errors_total}}, {{add: crash_rest_bytes_total, value: len($_rest)}}]
  fragment:
    if: $message =~ "^x*long"
    do: [{{inc: crash_fragments_total}}]
"""


class Histogram:
    def __init__(self, buckets):
        self.buckets = buckets
        self.counts = [0] * (len(buckets) + 1)
        self.sum = 0  # of thousandths

    def observe(self, thousandths):
        self.sum += thousandths
        for i, bucket in enumerate(self.buckets):
            if thousandths <= bucket * 1000:
                self.counts[i] += 1
        self.counts[-1] += 1

    def samples(self, name, labels):
        for bucket, count in zip([*map(str, self.buckets), "+Inf"], self.counts):
            yield (name + "_bucket", tuple(sorted((*labels, ("le", bucket))))), count
        yield (name + "_sum", labels), float(fractions.Fraction(self.sum, 1000))
        yield (name + "_count", labels), self.counts[-1]


def labels(**pairs):
    return tuple(sorted(pairs.items()))


class Reference:
    """Give every record to count(), once, in the order of its stream. Any thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.values = collections.Counter()  # counters and gauges, by (name, labels)
        self.histograms = {}
        self.requests = {}  # id -> (method, event time)
        self.recent = collections.OrderedDict()
        self.users = set()
        self.rows = []  # of skill calls
        self.now = 0    # event time

    def count(self, stream, record):
        with self.lock:
            self.now = max(self.now, record["t"])
            getattr(self, "_" + record["event"])(stream, record)

    def leap(self):
        """Nobody's records are under way, and event time goes on by hours with the next one."""
        with self.lock:
            for method, _ in self.requests.values():
                self.values["crash_requests_in_progress", labels(method=method)] -= 1
            self.requests.clear()
            for name, where in list(self.values):
                if name == "crash_heat":
                    self.values[name, where] = 0

    def samples(self):
        with self.lock:
            found = dict(self.values)
            for (name, where), histogram in self.histograms.items():
                found.update(histogram.samples(name, where))
            return found

    def _observe(self, name, where, thousandths, buckets):
        self.histograms.setdefault((name, where), Histogram(buckets)).observe(thousandths)

    def _tick(self, stream, r):
        self.values["crash_lines_total", labels(stream=stream, kind=r["kind"])] += 1
        if "volume" in r:
            self.values["crash_volume_total", labels(stream=stream)] += r["volume"]

    def _work(self, stream, r):
        self._observe("crash_work_seconds", labels(stream=stream), r["took"], [0.05, 0.5, 5])

    def _start(self, stream, r):
        self.requests[r["id"]] = (r["method"], r["t"])
        self.values["crash_requests_in_progress", labels(method=r["method"])] += 1

    def _finish(self, stream, r):
        if r["id"] not in self.requests:
            return
        method, began = self.requests.pop(r["id"])
        self.values["crash_requests_in_progress", labels(method=method)] -= 1
        self.values["crash_requests_total", labels(method=method)] += 1
        self._observe("crash_request_seconds", labels(method=method), r["t"] - began, [0.01, 0.1, 1])

    def _put(self, stream, r):
        self.recent.pop(r["item"], None)
        self.recent[r["item"]] = r["size"]
        if len(self.recent) > RECENT:
            self.recent.popitem(last=False)

    def _get(self, stream, r):
        size = self.recent.pop(r["item"], None)
        if size is not None:
            self.values["crash_hits_total", labels(size=size)] += 1

    def _user(self, stream, r):
        if len(self.users) < USERS:
            self.users.add(r["user"])
        self.values["crash_users_total", labels(user=r["user"] if r["user"] in self.users else "other")] += 1

    def _depth(self, stream, r):
        self.values["crash_depth", labels(stream=stream)] = r["value"]

    def _heat(self, stream, r):
        self.values["crash_heat", labels(stream=stream)] = r["value"]

    def _skill(self, stream, r):
        self.rows.append((r["skill_name"], r["tool_name"], r["duration_ms"], int(r["success"]), r["error_type"], r["tokens_used"],
                          r["model_used"], r["t"]))
        self.values["crash_skills_total", labels(skill_name=r["skill_name"])] += 1

    def _mark(self, stream, r):
        self.values["crash_mark", labels(stream=stream)] = r["n"]

    def _error(self, stream, r):
        self.values["crash_errors_total", labels(type=r["type"])] += 1
        self.values["crash_rest_bytes_total", ()] += len(r["rest"].encode())

    def _long(self, stream, r):
        pass
