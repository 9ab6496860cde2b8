"""As much LogQL as counting and reading back needs:

    {name="value", name=~"…"} |= "text" != "text" |~ "re" !~ "re" | name="value"        a log query
    count_over_time(LOG [5m])   bytes_over_time(LOG [5m])   rate(LOG [5m])              a metric query
    sum(METRIC)   sum by (name, …) (METRIC)   sum without (name, …) (METRIC)

Regexes are Python's; selectors' are anchored, as they are in Loki, line filters' are not.
"""
import dataclasses
import json
import re

from . import labels as label_text

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9,
          "w": 7 * 86400 * 10**9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w)")
_LEVELS = ("trace", "debug", "info", "warn", "error", "critical", "fatal")
_LEVEL_NAMES = ("level", "LEVEL", "Level", "log.level", "severity", "SEVERITY", "Severity", "SeverityText", "lvl", "LVL", "Lvl")
_SPELLINGS = {"warning": "warn", "information": "info", "err": "error", "dbg": "debug", "inf": "info", "wrn": "warn", "trc": "trace"}
# Looked for in a line that names none, in this order. It differs between versions: a client that knows better sends detected_level.
_WORDS = ((("info",), "info"), (("err",), "error"), (("warn",), "warn"), (("critical",), "critical"), (("debug",), "debug"))


class ParseError(ValueError):
    pass


def duration(text):
    """Nanoseconds of 5m, 1h30m."""
    found = _DURATION.findall(text)
    if not found or "".join(n + u for n, u in found) != text:
        raise ParseError(f"not a valid duration string: {text!r}")
    return int(sum(float(number) * _UNITS[unit] for number, unit in found))


def _test(operator, value, anchored):
    """A predicate on text."""
    if operator in ("=", "|="):
        return (lambda text: text == value) if anchored else (lambda text: value in text)
    if operator == "!=":
        return (lambda text: text != value) if anchored else (lambda text: value not in text)
    try:
        pattern = re.compile(value, re.DOTALL)
    except re.error as e:
        raise ParseError(f"error parsing regexp: {e}") from None
    search = pattern.fullmatch if anchored else pattern.search
    return (lambda text: not search(text)) if operator.startswith("!") else (lambda text: bool(search(text)))


@dataclasses.dataclass
class LogQuery:
    matchers: list       # (name, predicate)
    lines: list          # predicates on the line
    fields: list         # (name, predicate) on labels and metadata together

    def takes(self, labels):
        """`labels` as a dict."""
        return all(test(labels.get(name, "")) for name, test in self.matchers)

    def keeps(self, line, labels):
        return all(test(line) for test in self.lines) and all(test(labels.get(name, "")) for name, test in self.fields)


@dataclasses.dataclass
class MetricQuery:
    log: LogQuery
    function: str        # count_over_time, bytes_over_time, rate
    range: int           # nanoseconds
    by: tuple | None = None       # of a sum
    without: tuple | None = None

    @property
    def sums(self):
        return self.by is not None or self.without is not None

    def group(self, labels):
        if self.by is not None:
            return {k: v for k, v in labels.items() if k in self.by}
        return labels if self.without is None else {k: v for k, v in labels.items() if k not in self.without}


def _log(text, at):
    """A log query that begins at `at`, and where it ends."""
    try:
        found, at = label_text.matchers(text, at)
        matchers = [(name, _test(operator, value, True)) for name, operator, value in found]
        lines, fields = [], []
        while filtered := re.compile(r'\s*(\|=|\|~|!=|!~)\s*(?=["`])').match(text, at):
            value, at = label_text.string(text, filtered.end())
            lines.append(_test(filtered[1], value, False))
        while filtered := re.compile(r'\s*\|\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*(?=["`])').match(text, at):
            value, at = label_text.string(text, filtered.end())
            fields.append((filtered[1], _test(filtered[2], value, True)))
    except label_text.Unparsable as e:
        raise ParseError(f"parse error : {e}") from None
    return LogQuery(matchers, lines, fields), at, found


def _refuse_empty(found):
    """At least one matcher has to want something, as Loki has it."""
    if not any((op == "=" and value) or (op == "!=" and value) or (op == "=~" and not re.fullmatch(value, "")) or op == "!~" for _, op, value in found):
        raise ParseError("parse error : queries require at least one regexp or equality matcher that does not have an empty-compatible value")


def parse(text):
    """A LogQuery or a MetricQuery."""
    rest = text.strip()
    names = r"\(([^()]*)\)"
    by = without = None
    summed = re.match(rf"sum\s*(?:(by|without)\s*{names})?\s*\((.*?)\)\s*(?:(by|without)\s*{names})?\s*$", rest, re.DOTALL)
    if summed:
        kind, listed = summed[1] or summed[4], summed[2] if summed[1] else summed[5]
        found = tuple(n.strip() for n in (listed or "").split(",") if n.strip())
        by, without = (None, found) if kind == "without" else (found, None)
        rest = summed[3].strip()
    counted = re.match(r"(count_over_time|bytes_over_time|rate)\s*\(", rest)
    if not counted:
        if summed:
            raise ParseError(f"parse error : nothing of {text!r} can be summed")
        query, at, found = _log(rest, 0)
        if rest[at:].strip():
            raise ParseError(f"parse error at line 1, col {at + 1}: {rest[at:].strip()!r} is more than this Loki knows")
        _refuse_empty(found)
        return query
    query, at, found = _log(rest, counted.end())
    ranged = re.compile(r"\s*\[\s*([0-9a-zµ.]+)\s*\]\s*\)\s*$").match(rest, at)
    if not ranged:
        raise ParseError(f"parse error at line 1, col {at + 1}: a range [5m] and ) are wanted")
    _refuse_empty(found)
    return MetricQuery(query, counted[1], duration(ranged[1]), by, without)


def selector(text):
    """A LogQuery that may be {}."""
    query, at, _ = _log(text, 0)
    if text[at:].strip():
        raise ParseError(f"parse error : {text[at:]!r} behind a selector")
    return query


def detected_level(labels, metadata, line):
    """The level that Loki finds when nobody tells it: a field with a level's name, else a word in the line."""
    for name in _LEVEL_NAMES:
        for known in (labels, metadata):
            if name in known:
                return _level(known[name])
    written = None
    if line.strip().startswith("{") and line.strip().endswith("}"):
        try:
            fields = json.loads(line)
            written = next((fields[n] for n in _LEVEL_NAMES if isinstance(fields.get(n), str)), None)
        except (ValueError, RecursionError):
            pass
    elif found := re.search(r'(?:^|\s)(?:' + "|".join(map(re.escape, _LEVEL_NAMES)) + r')="?([A-Za-z]+)', line):
        written = found[1]
    if written is not None and _level(written) != "unknown":
        return _level(written)
    return next((level for words, level in _WORDS if any(w in line or w.upper() in line for w in words)), "unknown")


def _level(text):
    lower = _SPELLINGS.get(text.lower(), text.lower())
    return lower if lower in _LEVELS else "unknown"
