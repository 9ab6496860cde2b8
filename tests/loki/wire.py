"""What a push request holds, out of protobuf or JSON, by decoders of our own: an error of the product's library cannot hide in them.

Field numbers, as Loki's pkg/push/push.proto has them:
    PushRequest  1 streams        Stream  1 labels  2 entries        Entry  1 timestamp {1 seconds, 2 nanos}  2 line
    LabelPair    1 name  2 value                                            3 structured metadata (LabelPair)
Stream.hash (3), PushRequest.format (2) and Entry.parsed (4) are a server's own; they are read over like unknown fields.
"""
import functools
import hashlib
import json
import re
from typing import NamedTuple


class Malformed(ValueError):
    """Nothing of the request can be used."""


class Batch(NamedTuple):
    """The entries of one stream in one request."""
    labels: bytes    # as sent: {a="b"}
    entries: list    # of (nanoseconds, line: bytes, metadata: tuple of (name: str, value: str))
    digest: str      # sha256 of the bytes that made it up: equal if and only if it was sent byte-identical


def _varint(data, at, end):
    value = shift = 0
    while True:
        if at >= end:
            raise Malformed("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise Malformed("proto: integer overflow")


def _signed(value):
    return value - (1 << 64) if value >> 63 else value


def _span(data, at, end):
    """Of a length-delimited field: where its content begins and ends."""
    if at + 1 >= end:
        size, at = _varint(data, at, end)
    elif data[at] < 0x80:
        size = data[at]
        at += 1
    elif data[at + 1] < 0x80:
        size = data[at] & 0x7F | data[at + 1] << 7
        at += 2
    else:
        size, at = _varint(data, at, end)
    if size > end - at:
        raise Malformed("unexpected EOF")
    return at, at + size


def _skip(data, at, end, kind):
    if kind == 0:
        return _varint(data, at, end)[1]
    if kind == 2:
        return _span(data, at, end)[1]
    if kind in (1, 5):
        at += 8 if kind == 1 else 4
        if at > end:
            raise Malformed("unexpected EOF")
        return at
    raise Malformed(f"proto: illegal wireType {kind}")


def _fields(data, at, end):
    """(number, wire type, begin, end of its content or its integer) of each field of a message."""
    while at < end:
        key, at = _varint(data, at, end)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise Malformed("proto: illegal tag 0")
        if kind == 0:
            value, at = _varint(data, at, end)
            yield number, kind, value, value
        elif kind == 2:
            begin, at = _span(data, at, end)
            yield number, kind, begin, at
        else:
            begin, at = at, _skip(data, at, end, kind)
            yield number, kind, begin, at


def _want(number, kind, wanted):
    if kind != wanted:
        raise Malformed(f"proto: wrong wireType = {kind} for field {number}")


def _text(raw):
    return raw.decode("utf-8", "replace")


@functools.lru_cache(4096)
def _pair(data):
    name = value = b""
    for number, kind, begin, stop in _fields(data, 0, len(data)):
        if number in (1, 2):
            _want(number, kind, 2)
            if number == 1:
                name = data[begin:stop]
            else:
                value = data[begin:stop]
    return _text(name), _text(value)


@functools.lru_cache(4096)
def _seconds(raw):
    """The first field of a timestamp and where it ends; many entries of a request share it."""
    return _varint(raw, 1, len(raw))


def _timestamp(data, at, end):
    if end - at > 7 and data[at] == 0x08 and data[at + 5] < 0x80 and data[at + 6] == 0x10:
        nanos, stop = _varint(data, at + 7, end)
        seconds, stopped = _seconds(data[at:at + 6])
        if stop == end and stopped == 6:
            return _signed(seconds) * 1_000_000_000 + _signed(nanos)
    seconds = nanos = 0
    while at < end:
        key = data[at]
        if key == 0x08:
            seconds, at = _varint(data, at + 1, end)
        elif key == 0x10:
            nanos, at = _varint(data, at + 1, end)
        else:
            key, at = _varint(data, at, end)
            if key >> 3 in (1, 2):
                _want(key >> 3, key & 7, 0)
            at = _skip(data, at, end, key & 7)
    return _signed(seconds) * 1_000_000_000 + _signed(nanos)


def _entry(data, at, end):
    time, line, metadata = 0, b"", ()
    while at < end:
        key = data[at]
        if key == 0x12:
            begin, at = _span(data, at + 1, end)
            line = data[begin:at]
        elif key == 0x0A:
            begin, at = _span(data, at + 1, end)
            time = _timestamp(data, begin, at)
        elif key == 0x1A:
            begin, at = _span(data, at + 1, end)
            metadata += ((_pair if at - begin < 256 else _pair.__wrapped__)(data[begin:at]),)
        else:
            key, at = _varint(data, at, end)
            if 1 <= key >> 3 <= 3:
                _want(key >> 3, key & 7, 2)
            at = _skip(data, at, end, key & 7)
    return time, line, metadata


def from_protobuf(data):
    """The batches of a PushRequest, in its order."""
    batches = []
    for number, kind, begin, end in _fields(data, 0, len(data)):
        if number != 1:
            continue
        _want(number, kind, 2)
        labels, entries = b"", []
        for inner, inner_kind, at, stop in _fields(data, begin, end):
            if inner == 2:
                _want(inner, inner_kind, 2)
                entries.append(_entry(data, at, stop))
            elif inner == 1:
                _want(inner, inner_kind, 2)
                labels = data[at:stop]
        batches.append(Batch(labels, entries, hashlib.sha256(data[begin:end]).hexdigest()))
    return batches


def _nanoseconds(text):
    if not isinstance(text, str) or not re.fullmatch(r"-?[0-9]+", text):
        raise Malformed("the value of a timestamp is not a string of nanoseconds")
    if abs(int(text)) >= 1 << 63:
        raise Malformed(f"parsing {text}: value out of range")
    return int(text)


def _strings(value, what):
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise Malformed(f"{what} has a value that is not a string")
    return value


def quoted(value):
    """A label's value as Loki writes it."""
    plain = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f'"{plain}"'


def _bytes(text):
    return text.encode("utf-8", "replace")  # half of a surrogate pair becomes a question mark


def from_json(data):
    """The batches of {"streams": [{"stream": {}, "values": [["ns", "line", {}]]}]}."""
    try:
        # Like Go, bytes that are no UTF-8 become U+FFFD. The pairs keep their order and, for labels, their doubles.
        request = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as e:
        raise Malformed(f"invalid JSON: {e}") from None
    streams = request.get("streams") if isinstance(request, dict) else ()
    if streams is None:
        streams = []
    if not isinstance(streams, list):
        raise Malformed("invalid JSON: an object with an array of streams is wanted")
    batches = []
    for stream in streams:
        if not isinstance(stream, dict):
            raise Malformed("invalid JSON: a stream is not an object")
        labels = _strings(stream.get("stream") or {}, "stream")
        values = stream.get("values") or []
        if not isinstance(values, list):
            raise Malformed("invalid JSON: values is not an array")
        entries = []
        for value in values:
            if not isinstance(value, list) or not 2 <= len(value) <= 3:
                raise Malformed("invalid JSON: an entry is [timestamp, line] or [timestamp, line, metadata]")
            if not isinstance(value[1], str):
                raise Malformed("invalid JSON: a line is not a string")
            metadata = tuple(_strings(value[2], "structured metadata").items()) if len(value) == 3 else ()
            entries.append((_nanoseconds(value[0]), _bytes(value[1]), metadata))
        text = "{" + ", ".join(f"{k}={quoted(labels[k])}" for k in sorted(labels)) + "}"
        spelt = json.dumps(stream, sort_keys=True).encode()
        batches.append(Batch(_bytes(text), entries, hashlib.sha256(spelt).hexdigest()))
    return batches
