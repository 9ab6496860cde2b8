"""OpenMetrics 1.0, read strictly and without any library: a second opinion on the writer. The first one is Debian's
python3-prometheus-client, where it is installed, which is laxer about names and metadata.

`Page(text)` raises AssertionError for whatever the specification forbids; then it has `families` (by name) and `samples`.
"""
import math
import re
import sys

SUFFIXES = {"counter": ["_total", "_created"], "gauge": [""], "unknown": [""], "info": ["_info"],
            "histogram": ["_bucket", "_sum", "_count", "_created"], "summary": ["", "_sum", "_count", "_created"]}
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
TEXT = r'(?:[^"\\\n]|\\["\\n])*'
LABELS = rf'\{{(?:{LABEL}="{TEXT}"(?:,{LABEL}="{TEXT}")*)?\}}'
NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|Inf)|NaN"
SAMPLE = re.compile(rf"({NAME})({LABELS})? ({NUMBER})(?: # ({LABELS}) ({NUMBER})(?: ([0-9]+(?:\.[0-9]+)?))?)?")
META = re.compile(rf"# (TYPE|UNIT|HELP) ({NAME}) (.*)")


def canonical(text):
    """Whether a bound is written as Go's shortest %g with a point: 1.0, 0.005, 1e+06."""
    if text in ("+Inf", "-Inf", "NaN"):
        return True
    digits, _, exponent = f"{float(text):.17e}".partition("e")
    for precision in range(17):
        digits, _, exponent = f"{float(text):.{precision}e}".partition("e")
        if float(f"{digits}e{exponent}") == float(text):
            break
    if float(text) == 0:
        return text in ("0.0", "-0.0")
    if -4 <= int(exponent) < 6:
        plain = repr(float(text)) if "e" not in repr(float(text)) else f"{float(text):.10f}".rstrip("0")
        return text == (plain if "." in plain else plain + ".0")
    return text == f"{digits}e{int(exponent):+03d}"


class Family:
    def __init__(self, name):
        self.name, self.type, self.unit, self.help = name, None, None, None
        self.samples = []  # name, labels, value as text, exemplar


def labels_of(text):
    found = re.findall(rf'({LABEL})="({TEXT})"', text or "")
    assert len({k for k, _ in found}) == len(found), f"a label twice: {text}"
    return {k: re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], v) for k, v in found}


class Page:
    def __init__(self, text):
        assert text.endswith("\n# EOF\n") or text == "# EOF\n", "the page ends with # EOF and a newline"
        self.families, self.samples = {}, {}
        self.taken = {}
        family = None
        for line in text.split("\n")[:-2]:
            assert line, "an empty line"
            if line.startswith("#"):
                found = META.fullmatch(line)
                assert found, f"neither metadata nor a sample: {line!r}"
                word, name, rest = found.groups()
                if family is None or name != family.name:
                    assert name not in self.families, f"family {name} is in two places"
                    family = self.families[name] = Family(name)
                assert not family.samples, f"metadata below samples: {line!r}"
                self._metadata(family, word, rest)
            else:
                assert family is not None, f"a sample without a family: {line!r}"
                self._sample(family, line)
        for family in self.families.values():
            self._check(family)

    def _metadata(self, family, word, rest):
        assert getattr(family, word.lower()) is None, f"{word} of {family.name} twice"
        if word == "TYPE":
            assert rest in SUFFIXES, f"{family.name} has type {rest}"
            for suffix in {"", *SUFFIXES[rest]}:
                owner = self.taken.setdefault(family.name + suffix, family.name)
                assert owner == family.name, f"{owner} and {family.name} both have the name {family.name}{suffix}"
        elif word == "UNIT":
            assert family.type not in (None, "info"), f"{family.name}: a unit before the type, or of an info"
            assert rest and family.name.endswith("_" + rest), f"unit {rest} of {family.name}"
        else:
            assert re.fullmatch(TEXT, rest), f"help of {family.name} is not escaped: {rest!r}"
        setattr(family, word.lower(), rest)

    def _sample(self, family, line):
        found = SAMPLE.fullmatch(line)
        assert found, f"not a sample: {line!r}"
        name, labels, value, exemplar, exemplar_value, _ = found.groups()
        assert family.type is not None and name in [family.name + s for s in SUFFIXES[family.type]], \
            f"{name} below the {family.type} {family.name}"
        labels = labels_of(labels)
        key = (name, tuple(sorted(labels.items())))
        assert key not in self.samples, f"twice: {line}"
        self.samples[key] = float(value)
        if exemplar is not None:
            wanted = {"counter": "_total", "histogram": "_bucket"}.get(family.type)
            assert wanted and name == family.name + wanted, f"an exemplar where none belongs: {line!r}"
            size = sum(len(k) + len(v) for k, v in labels_of(exemplar).items())
            assert 0 < size <= 128, f"exemplar of {size} characters: {line!r}"
            assert math.isfinite(float(exemplar_value)), line
        family.samples.append((name, labels, float(value), exemplar and (labels_of(exemplar), float(exemplar_value))))

    def _check(self, family):
        assert family.type is not None, f"{family.name} has no type"
        groups = []  # of one label set, in their order
        for name, labels, value, exemplar in family.samples:
            suffix = name[len(family.name):]
            rest = {k: v for k, v in labels.items() if not (suffix == "_bucket" and k == "le")}
            if not groups or groups[-1][0] != rest:
                assert rest not in [g for g, _ in groups], f"{family.name}{rest} is in two places"
                groups.append((rest, []))
            groups[-1][1].append((suffix, labels, value, exemplar))
            if suffix in ("_total", "_bucket", "_sum", "_count"):
                assert value >= 0, f"{name} is {value}"
            if family.type == "info":
                assert value == 1, f"{name} is {value}"
            if family.type == "histogram":
                assert suffix != "_bucket" or canonical(labels["le"]), f"le={labels['le']}"
        if family.type == "histogram":
            for labels, samples in groups:
                self._histogram(family.name, samples)

    @staticmethod
    def _histogram(name, samples):
        buckets = [(float(l["le"]), v, e) for s, l, v, e in samples if s == "_bucket"]
        single = {s: v for s, _, v, _ in samples if s != "_bucket"}
        bounds, counts = [b for b, _, _ in buckets], [c for _, c, _ in buckets]
        assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf, f"bounds of {name}: {bounds}"
        assert counts == sorted(counts) and all(c.is_integer() for c in counts), f"{name}: {counts}"
        if bounds[0] < 0:
            assert not {"_sum", "_count"} & set(single), f"{name} may fall"
        else:
            assert ("_sum" in single) == ("_count" in single), name
        assert single.get("_count", counts[-1]) == counts[-1], name
        below = -math.inf
        for bound, _, exemplar in buckets:
            assert exemplar is None or below < exemplar[1] <= bound, f"{name}: exemplar {exemplar} in ({below}, {bound}]"
            below = bound


def library():
    """The parser of Debian's python3-prometheus-client as a function from text to families, or None."""
    try:
        from prometheus_client.openmetrics import parser
    except ImportError:
        sys.path.append("/usr/lib/python3/dist-packages")  # Debian's, whichever interpreter this is
        try:
            from prometheus_client.openmetrics import parser
        except ImportError:
            return None
    return lambda text: list(parser.text_string_to_metric_families(text))
