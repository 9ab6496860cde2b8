"""Snappy's block format, read only; its description is format_description.txt of google/snappy. (The framed format is another one.)

    block    = varint(length of the text) element*
    element  = literal | copy; the two low bits of its first byte tell which
    0 literal: length-1 in the upper six bits; 60..63 there: in the 1..4 bytes that follow, little endian
    1 copy:    length-4 in bits 2..4, offset in bits 5..7 (high) and one more byte
    2, 3 copy: length-1 in the upper six bits, offset in 2 or 4 bytes, little endian
"""


class Corrupt(ValueError):
    """Not a block, or not a whole one."""


class TooLarge(ValueError):
    """The block says that it holds more than the caller takes."""

    def __init__(self, size):
        super().__init__(size)
        self.size = size


def decode(block, most=1 << 32):
    """The text of one block, as bytes; `most` bounds it before anything is allocated."""
    size, shift, at, end = 0, 0, 0, len(block)
    while True:
        if at >= end or shift > 28:
            raise Corrupt("no length")
        byte = block[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if size >= 1 << 32:
        raise Corrupt("length of more than 32 bits")
    if size > most:
        raise TooLarge(size)
    out = bytearray()
    made = 0
    try:
        while at < end:
            tag = block[at]
            kind = tag & 3
            if kind == 2:  # by far the most frequent one in logs
                length = (tag >> 2) + 1
                offset = block[at + 1] | block[at + 2] << 8
                at += 3
            elif kind == 0:
                length = (tag >> 2) + 1
                at += 1
                if length > 60:
                    wide = length - 60
                    if at + wide > end:
                        raise Corrupt("cut in a length")
                    length = int.from_bytes(block[at:at + wide], "little") + 1
                    at += wide
                if length > end - at:
                    raise Corrupt("cut in a literal")
                out += block[at:at + length]
                at += length
                made += length
                if made > size:
                    raise Corrupt("more than its length")
                continue
            elif kind == 1:
                length = 4 + (tag >> 2 & 7)
                offset = (tag & 0xE0) << 3 | block[at + 1]
                at += 2
            else:
                length = (tag >> 2) + 1
                offset = block[at + 1] | block[at + 2] << 8 | block[at + 3] << 16 | block[at + 4] << 24
                at += 5
            begin = made - offset
            if begin < 0 or not offset:
                raise Corrupt("a copy from before the begin")
            if length <= offset:
                out += out[begin:begin + length]
            else:  # it overlaps what it makes: a run
                out += (out[begin:] * (length // offset + 1))[:length]
            made += length
            if made > size:
                raise Corrupt("more than its length")
    except IndexError:
        raise Corrupt("cut in a copy") from None
    if made != size:
        raise Corrupt("less than its length")
    return bytes(out)
