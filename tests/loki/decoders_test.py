"""Snappy, protobuf, label strings by themselves: round trips with other encoders, and everything that is cut or wrong."""
import pathlib
import random
import sys
import unittest

sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
from loki import labels, media, snappy_block, wire  # noqa: E402
from loki.testing import NOW, SECOND, compress, entry, field, literal, main, message, varint  # noqa: E402


class Snappy(unittest.TestCase):
    def test_round_trips(self):
        dice = random.Random(1)
        for size in (0, 1, 59, 60, 61, 255, 256, 257, 3000, 70_000, 200_000):
            for letters in (b"a", b"ab", bytes(range(256))):
                text = bytes(dice.choices(letters, k=size))
                self.assertEqual(snappy_block.decode(literal(text)), text)
                self.assertEqual(snappy_block.decode(compress(text)), text, (size, letters[:2]))

    def test_elements(self):
        for block, text in ((b"\x00", b""), (b"\x04\x0cabcd", b"abcd"),
                            (b"\x0a\x04ab\x1d\x02" + b"", None),  # a copy that makes 11 of 10
                            (b"\x0a\x04ab\x11\x02", b"ababababab"), (b"\x0a\x04ab\x1e\x02\x00", b"ababababab"),
                            (b"\x0a\x04ab\x1f\x02\x00\x00\x00", b"ababababab"), (b"\x05\xf0\x04abcde", b"abcde"),
                            (b"\x05\xf4\x04\x00abcde", b"abcde"), (b"\x05\xf8\x04\x00\x00abcde", b"abcde"), (b"\x05\xfc\x04\x00\x00\x00abcde", b"abcde")):
            with self.subTest(block):
                if text is None:
                    with self.assertRaises(snappy_block.Corrupt):
                        snappy_block.decode(block)
                else:
                    self.assertEqual(snappy_block.decode(block), text)

    def test_whatever_is_cut_or_wrong_is_corrupt(self):
        block = compress(b"some text, some more text, some more text and again some more text" * 3)
        for end in range(len(block)):
            with self.subTest(end), self.assertRaises(snappy_block.Corrupt):
                snappy_block.decode(block[:end])
        for wrong in (b"", b"\x80", b"\xff" * 9, b"\x01", b"\x05\x0cabcd", b"\x03\x0cabcd", b"\x06\x04ab\x01\x03", b"\x06\x04ab\x01\x00",
                      b"\x04\x0cabcd\x00", b"\x04\x0cabcd\x00x", b"\x0a\xf8\x01"):
            with self.subTest(wrong), self.assertRaises(snappy_block.Corrupt):
                snappy_block.decode(wrong)

    def test_size_is_bounded_before_it_is_made(self):
        with self.assertRaises(snappy_block.TooLarge) as refused:
            snappy_block.decode(varint(1 << 31) + b"\x00x", most=1000)
        self.assertEqual(refused.exception.size, 1 << 31)


class Protobuf(unittest.TestCase):
    def times(self, *stamps):
        raw = field(1, b"".join(field(2, field(1, stamp) + field(2, b"x")) for stamp in stamps))
        return [time for time, _, _ in wire.from_protobuf(raw)[0].entries]

    def test_timestamps(self):
        table = [
            (field(1, NOW // SECOND) + field(2, 5), NOW + 5), (field(1, NOW // SECOND), NOW), (field(2, 7), 7), (b"", 0),
            (field(1, 1) + field(2, 999_999_999), 1_999_999_999), (field(2, 3) + field(1, NOW // SECOND), NOW + 3), (field(1, -1), -SECOND),
            (field(1, NOW // SECOND) + field(2, 300) + field(9, 1), NOW + 300), (field(1, NOW // SECOND) + field(2, 5) + field(2, 6), NOW + 6),
        ]
        self.assertEqual(self.times(*(raw for raw, _ in table)), [time for _, time in table])

    def test_entries_and_digests(self):
        streams = ('{a="b"}', [(NOW, "x" * n, {"k": "v" * n, "": ""}) for n in (0, 1, 127, 128, 300, 20_000)]), ('{c="d"}', [])
        first, second = wire.from_protobuf(message(*streams))
        self.assertEqual([(t, len(line), dict(m)["k"] == "v" * len(line), len(m)) for t, line, m in first.entries],
                         [(NOW, n, True, 2) for n in (0, 1, 127, 128, 300, 20_000)])
        self.assertEqual((first.labels, second), (b'{a="b"}', wire.Batch(b'{c="d"}', [], second.digest)))
        again = wire.from_protobuf(message(streams[1], streams[0]))
        self.assertEqual([b.digest for b in again], [second.digest, first.digest])
        other = wire.from_protobuf(message(('{a="b"}', [(NOW, "")])))
        self.assertNotEqual(other[0].digest, first.digest)

    def test_every_cut_and_every_wrong_type_is_malformed(self):
        raw = message(('{a="b"}', [(NOW, "line", {"k": "v"})]))
        for end in range(1, len(raw)):
            with self.subTest(end), self.assertRaises(wire.Malformed):
                wire.from_protobuf(raw[:end])
        one = entry(NOW, "x")
        for wrong in (field(1, 7), field(1, field(1, 7)), field(1, field(2, 7)), field(1, field(2, field(1, 7))), field(1, field(2, field(2, 7))),
                      field(1, field(2, field(3, 7))), field(1, field(2, field(3, field(1, 7)))), field(1, field(2, field(1, field(1, b"x")))),
                      field(1, field(2, one + b"\x13")), field(1, field(2, one + b"\x00")), b"\x00\x01", b"\x0b", b"\x09123", varint(1 << 70 | 8)):
            with self.subTest(wrong), self.assertRaises(wire.Malformed):
                wire.from_protobuf(wrong)

    def test_damage_never_surprises(self):
        dice = random.Random(2)
        raw = message(*((f'{{a="{n}"}}', [(NOW + n, f"line {n}", {"k": "v"})] * 3) for n in range(3)))
        for _ in range(3000):
            damaged = bytearray(raw)
            for _ in range(dice.randrange(1, 4)):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            try:
                wire.from_protobuf(bytes(damaged[:dice.randrange(len(damaged) + 1)]))
            except wire.Malformed:
                pass
            try:
                snappy_block.decode(bytes(damaged))
            except (snappy_block.Corrupt, snappy_block.TooLarge):
                pass


class Labels(unittest.TestCase):
    def test_rendered_ones_parse_to_the_same(self):
        dice = random.Random(3)
        for _ in range(300):
            made = tuple(sorted({f"l{i}": "".join(dice.choices('ab"\\\n\r\t{},=é\x01`\'', k=5)) for i in range(3)}.items()))
            self.assertEqual(labels.parse(labels.render(made).encode()), made)

    def test_says_where_it_stopped(self):
        with self.assertRaisesRegex(labels.Unparsable, r"^1:10: parse error: unexpected '-'"):
            labels.parse(b'{a="b", c-d="e"}')


class Media(unittest.TestCase):
    def test_types(self):
        for header, kind in (("application/json", "application/json"), ("Text/Plain ; a=b;c=\"d;e\"", "text/plain"), ("application/json;", "application/json"),
                             ("", None), (";a=b", None), ("a b", None), ("application/json; a", None), ("application/json; a=1; a=2", None)):
            with self.subTest(header):
                if kind:
                    self.assertEqual(media.media_type(header), kind)
                else:
                    self.assertRaises(media.MediaError, media.media_type, header)


if __name__ == "__main__":
    main()
