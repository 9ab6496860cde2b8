"""Loki's answers to questions: query_range, query, labels, values, series, buildinfo, ready; and the page behind a login."""
import datetime
import json
import re
import urllib.parse

from . import logql

_SECOND = 10**9


class Refused(Exception):
    pass


def selected(store, selector, tenant=None):
    """(tenant, Stream) that a selector takes. The caller holds the store's lock."""
    wanted = logql.selector(selector)
    return [(name, s) for name, s in store.streams(tenant) if wanted.takes(dict(s.labels))]


def _time(text, default):
    """Nanoseconds of an integer of them, of seconds with a fraction, or of RFC 3339."""
    if not text:
        return default
    try:
        if re.fullmatch(r"\d{1,10}|\d+\.\d+|\d+(\.\d+)?e\d+", text):
            whole, _, fraction = text.partition(".")
            return int(float(text) * _SECOND) if "e" in text else int(whole) * _SECOND + int((fraction + "0" * 9)[:9])
        if text.isdigit():
            return int(text)
        match = re.fullmatch(r"(.*?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", text)
        whole = datetime.datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
        return int(whole.timestamp()) * _SECOND + int(((match[2] or "") + "0" * 9)[:9])
    except (ValueError, TypeError):
        raise Refused(f"could not parse {text!r} as a time") from None


class _Asked:
    """The parameters of a request, from its address and from a form."""

    def __init__(self, loki, request, tenant):
        self.loki, self.tenant, self.now = loki, tenant, loki.clock()
        text = request.query
        if request.method == "POST" and "x-www-form-urlencoded" in request.header("content-type"):
            text += "&" + request.body.decode("utf-8", "replace")
        self.values = urllib.parse.parse_qs(text, keep_blank_values=True)

    def get(self, name, default=""):
        return self.values.get(name, [default])[0]

    def span(self, default):
        end = _time(self.get("end"), self.now)
        since = logql.duration(self.get("since")) if self.get("since") else default
        begin = _time(self.get("start"), end - since)
        if end < begin:
            raise Refused("end timestamp must not be before or equal to start time")
        return begin, end

    def streams(self, matcher=None):
        found = selected(self.loki.store, matcher or "{}", self.tenant)
        return [s for _, s in found if s.stored]

    def matching(self, query, begin, end):
        """(labels with metadata, stream, nanoseconds, line as text) of what a LogQuery takes of [begin, end)."""
        for _, stream in self.loki.store.streams(self.tenant):
            labels = dict(stream.labels)
            if not stream.stored or not query.takes(labels) or stream.newest < begin or stream.oldest >= end:
                continue
            for time, raw, metadata in stream.entries(begin, end):
                line = raw.decode("utf-8", "replace")
                extra = dict(metadata)
                if self.loki.limits.discover_log_levels and "detected_level" not in extra:
                    extra["detected_level"] = logql.detected_level(labels, extra, line)
                every = {**labels, **extra}
                if query.keeps(line, every):
                    yield every, stream, extra, time, line


def _query_range(asked):
    query = logql.parse(asked.get("query"))
    begin, end = asked.span(3600 * _SECOND)
    if isinstance(query, logql.MetricQuery):
        step = asked.get("step")
        if not step:
            step = max((end - begin) // 250, _SECOND)
        else:
            step = int(float(step) * _SECOND) if re.fullmatch(r"[\d.]+", step) else logql.duration(step)
        if step <= 0 or (end - begin) / step > 11000:
            raise Refused("exceeded maximum resolution of 11,000 points per time series, or a step that is not positive")
        return _matrix(asked, query, range(begin, end + 1, step))
    limit, direction = asked.get("limit", "100"), asked.get("direction", "backward").lower()
    if not limit.isdigit() or int(limit) < 1 or direction not in ("forward", "backward"):
        raise Refused("limit is a positive number, direction forward or backward")
    if int(limit) > asked.loki.limits.max_query_entries:
        raise Refused(f"max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {asked.loki.limits.max_query_entries})")
    found = sorted(asked.matching(query, begin, end), key=lambda m: m[3], reverse=direction == "backward")[:int(limit)]
    groups = {}
    for every, _, _, time, line in found:
        groups.setdefault(tuple(sorted(every.items())), []).append([str(time), line])
    return {"resultType": "streams", "result": [{"stream": dict(k), "values": v} for k, v in groups.items()], "stats": {}}


def _values(asked, query, at):
    """{labels: number} of a metric query at one time; the range is open at its begin, closed at its end."""
    totals = {}
    for every, _, _, _, line in asked.matching(query.log, at - query.range + 1, at + 1):
        key = tuple(sorted(query.group(every).items()))
        totals[key] = totals.get(key, 0) + (len(line.encode()) if query.function == "bytes_over_time" else 1)
    if query.function == "rate":
        totals = {k: v * _SECOND / query.range for k, v in totals.items()}
    return totals


def _number(value):
    return str(int(value)) if value == int(value) else repr(value)


def _matrix(asked, query, times):
    series = {}
    for at in times:
        for labels, value in _values(asked, query, at).items():
            series.setdefault(labels, []).append([at / _SECOND, _number(value)])
    return {"resultType": "matrix", "result": [{"metric": dict(k), "values": v} for k, v in series.items()], "stats": {}}


def _query(asked):
    query = logql.parse(asked.get("query"))
    if not isinstance(query, logql.MetricQuery):
        raise Refused("log queries are not supported as an instant query type, please change your query to a range query type")
    at = _time(asked.get("time"), asked.now)
    return {"resultType": "vector", "result": [{"metric": dict(k), "value": [at / _SECOND, _number(v)]} for k, v in
                                               _values(asked, query, at).items()], "stats": {}}


def _within(asked, matcher=None):
    begin, end = asked.span(6 * 3600 * _SECOND)
    return [s for s in asked.streams(matcher) if s.newest >= begin and s.oldest <= end]


def _labels(asked):
    return sorted({name for s in _within(asked, asked.get("query")) for name, _ in s.labels})


def _label_values(asked, label):
    return sorted({value for s in _within(asked, asked.get("query")) for name, value in s.labels if name == label})


def _series(asked):
    matchers = asked.values.get("match[]") or asked.values.get("match") or ["{}"]
    return [dict(labels) for labels in sorted({s.labels for m in matchers for s in _within(asked, m)})]


BUILD = {"version": "3.4.6", "revision": "tests", "branch": "tests", "buildUser": "tests", "buildDate": "", "goVersion": "none"}


def _api(loki, request, tenant):
    """The data of an API call, or None when there is no such route."""
    path = request.path
    values = re.fullmatch(r"/loki/api/v1/label/([^/]+)/values", path)
    route = {"/loki/api/v1/query_range": _query_range, "/loki/api/v1/query": _query, "/loki/api/v1/labels": _labels,
             "/loki/api/v1/label": _labels, "/loki/api/v1/series": _series}.get(path)
    if not route and not values:
        return None
    asked = _Asked(loki, request, tenant)
    with loki.store.lock:
        return _label_values(asked, urllib.parse.unquote(values[1])) if values else route(asked)


def answer(loki, request, tenant):
    """(status, body, headers) of whatever is no push."""
    plain = {"/ready": (200, b"ready\n") if loki.ready else (503, b"Ingester not ready: waiting for 15s after being ready\n"),
             "/login": (200, b"<html><form>Sign in</form></html>\n"), "/metrics": (200, b"")}
    if request.path in plain:
        kind = "text/html" if request.path == "/login" else "text/plain; charset=utf-8"
        return *plain[request.path], [("Content-Type", kind)]
    json_type = [("Content-Type", "application/json; charset=UTF-8")]
    if request.path == "/loki/api/v1/status/buildinfo":
        return 200, json.dumps(BUILD).encode(), json_type
    if request.method not in ("GET", "POST", "HEAD"):
        return 405, b"", []
    if loki.limits.auth_enabled and not request.header("x-scope-orgid"):
        return 401, b"no org id\n", []
    try:
        found = _api(loki, request, tenant)
    except (Refused, logql.ParseError) as e:
        return 400, f"{e}\n".encode(), []
    if found is None:
        return 404, b"404 page not found\n", []
    return 200, json.dumps({"status": "success", "data": found}).encode(), json_type
