"""For the tests of this Loki: encoders of their own (nothing of wire.py and snappy_block.py), requests by http.client, a clock that stands."""
import http.client
import json
import sys
import unittest

NOW = 1_772_359_200_000_000_000  # 2026-03-01T10:00:00Z
SECOND, HOUR, DAY = 10**9, 3600 * 10**9, 86400 * 10**9


def varint(value):
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, content):
    """Length-delimited for bytes, a varint for an int."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def entry(time, line, metadata=()):
    seconds, nanos = divmod(time, SECOND)
    stamp = (field(1, seconds) if seconds else b"") + (field(2, nanos) if nanos else b"")
    pairs = b"".join(field(3, field(1, _bytes(k)) + field(2, _bytes(v))) for k, v in dict(metadata).items())
    return field(1, stamp) + field(2, _bytes(line)) + pairs


def message(*streams):
    """A PushRequest of (labels, [(time, line), …])."""
    return b"".join(field(1, field(1, _bytes(labels)) + b"".join(field(2, entry(*e)) for e in entries)) for labels, entries in streams)


def literal(data):
    """A snappy block without any copy."""
    out = bytearray(varint(len(data)))
    for at in range(0, len(data), 65536):
        part = data[at:at + 65536]
        out += bytes([61 << 2]) + (len(part) - 1).to_bytes(2, "little") + part
    return bytes(out)


def compress(data):
    """A snappy block with copies of all kinds, by a table of where four bytes were last."""
    out, seen, at, plain = bytearray(varint(len(data))), {}, 0, 0

    def flush(end):
        while plain_at[0] < end:
            part = data[plain_at[0]:min(end, plain_at[0] + 256)]
            out.extend(bytes([len(part) - 1 << 2]) if len(part) <= 60 else bytes([60 << 2, len(part) - 1]))
            out.extend(part)
            plain_at[0] += len(part)

    plain_at = [plain]
    while at + 4 <= len(data):
        key = data[at:at + 4]
        before = seen.get(key, -1)
        seen[key] = at
        if before < 0:
            at += 1
            continue
        length = 4
        while length < 64 and at + length < len(data) and data[before + length] == data[at + length]:
            length += 1
        flush(at)
        offset = at - before
        if length <= 11 and offset < 2048:
            out.extend(bytes([1 | length - 4 << 2 | offset >> 8 << 5, offset & 255]))
        elif offset < 65536:
            out.extend(bytes([2 | length - 1 << 2]) + offset.to_bytes(2, "little"))
        else:
            out.extend(bytes([3 | length - 1 << 2]) + offset.to_bytes(4, "little"))
        at += length
        plain_at[0] = at
    flush(len(data))
    return bytes(out)


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.body = response.read()
        self.text = self.body.decode("utf-8", "replace")


def request(loki, method, path, body=None, headers=None, port=None, timeout=30):
    connection = http.client.HTTPConnection(loki.host, port or loki.port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def push(loki, *streams, **headers):
    """By protobuf; `headers` with _ for -."""
    body = message(*streams)
    named = {"Content-Type": "application/x-protobuf", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return request(loki, "POST", "/loki/api/v1/push", (compress if len(body) < 100_000 else literal)(body), named)


def push_json(loki, body, kind="application/json", **headers):
    named = {"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
    if kind is None:
        del named["Content-Type"]
    return request(loki, "POST", "/loki/api/v1/push", body if isinstance(body, bytes) else json.dumps(body).encode(), named)


def get(loki, path):
    answer = request(loki, "GET", path)
    if answer.status != 200:
        raise AssertionError(f"{path}: {answer.status} {answer.text}")
    return json.loads(answer.body)


def lines(loki, selector="{}", tenant=None):
    return [line for _, _, _, line, _ in loki.entries(selector, tenant)]


def main():
    unittest.main(module="__main__", verbosity=2 if sys.stdout.isatty() else 1)
