"""Label strings as Loki's push parser takes them, selectors' matchers, and the names that it makes of metadata."""
import functools
import re

from .wire import quoted


class Unparsable(ValueError):
    """Says where: `1:4: parse error: …`."""

    def __init__(self, at, what):
        super().__init__(f"1:{at + 1}: parse error: {what}")


_SPACE = re.compile(r"[ \t\r\n]*")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MATCHER = re.compile(r"=~|!~|!=|=")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}


def string(text, at):
    """The string that begins at `at`, and where it ends: "…" and '…' with Go's escapes, `…` without any."""
    quote = text[at:at + 1]
    if not quote or quote not in "\"'`":
        raise Unparsable(at, "a string in quotes is wanted")
    if quote == "`":
        end = text.find("`", at + 1)
        if end < 0:
            raise Unparsable(at, "unterminated raw string")
        return text[at + 1:end], end + 1
    begin, raw = at, bytearray()
    at += 1
    while True:
        c = text[at:at + 1]
        if not c or c == "\n":
            raise Unparsable(begin, "unterminated quoted string")
        at += 1
        if c == quote:
            break
        if c != "\\":
            raw += c.encode()
            continue
        kind = text[at:at + 1]
        at += 1
        digits = {"x": 2, "u": 4, "U": 8}.get(kind)
        if kind in _ESCAPES or kind == quote:
            raw += _ESCAPES.get(kind, kind).encode()
            continue
        if digits is None and kind in "01234567":
            digits, at = 3, at - 1
        number = text[at:at + (digits or 0)]
        base = 8 if kind in "01234567" else 16
        if not digits or not re.fullmatch(r"[0-7]{3}" if base == 8 else r"[0-9a-fA-F]{%d}" % digits, number):
            raise Unparsable(at, "unknown escape sequence")
        code = int(number, base)
        at += digits
        if kind in "uU":
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                raise Unparsable(at, "escape sequence is an invalid Unicode code point")
            raw += chr(code).encode()
        elif code > 255:
            raise Unparsable(at, "escape sequence is more than a byte")
        else:
            raw.append(code)
    try:
        return raw.decode("utf-8"), at
    except UnicodeDecodeError:
        raise Unparsable(begin, "invalid UTF-8 in a string") from None


def matchers(text, at=0):
    """[(name, operator, value)] of the braces that begin at `at`, and where they end."""
    def blank(place):
        return _SPACE.match(text, place).end()

    at = blank(at)
    if text[at:at + 1] != "{":
        raise Unparsable(at, "{ is wanted")
    at = blank(at + 1)
    found = []
    while text[at:at + 1] != "}":
        name = _NAME.match(text, at)
        if not name:
            raise Unparsable(at, f"unexpected {text[at:at + 1]!r} in place of a label's name")
        at = blank(name.end())
        operator = _MATCHER.match(text, at)
        if not operator:
            raise Unparsable(at, f"unexpected {text[at:at + 1]!r} behind the name of label {name[0]}")
        value, at = string(text, blank(operator.end()))
        found.append((name[0], operator[0], value))
        at = blank(at)
        if text[at:at + 1] == ",":
            at = blank(at + 1)
        elif text[at:at + 1] != "}":
            raise Unparsable(at, "comma or } is wanted")
    return found, at + 1


@functools.lru_cache(4096)
def parse(raw):
    """The labels of a stream, as (name, value) sorted by name: without those that are empty, with those that are there twice."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as e:
        raise Unparsable(e.start, "invalid UTF-8 rune") from None
    found, end = matchers(text)
    if text[end:].strip():
        raise Unparsable(end, "something behind }")
    for name, operator, _ in found:
        if operator != "=":
            raise Unparsable(0, f"label {name} has {operator} where = is wanted")
    return tuple(sorted((name, value) for name, _, value in found if value))


def render(labels):
    return "{" + ", ".join(f"{name}={quoted(value)}" for name, value in labels) + "}"


@functools.lru_cache(4096)
def metadata_name(name):
    """Names of structured metadata lose what a label's name may not have."""
    plain = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return "key_" + plain if plain[:1].isdigit() else plain
