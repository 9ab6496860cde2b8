"""The header Content-Type, as strictly as Go's mime package takes it."""
import re

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TYPE = re.compile(rf"{_TOKEN}(/{_TOKEN})?")
_PARAMETER = re.compile(rf'\s*;\s*({_TOKEN})\s*=\s*({_TOKEN}|"(?:[^"\\]|\\.)*")')


class MediaError(ValueError):
    pass


def media_type(header):
    """`application/json` of "application/json; charset=utf-8"."""
    kind = header.split(";", 1)[0].strip()
    if not kind:
        raise MediaError("mime: no media type")
    if not _TYPE.fullmatch(kind):
        raise MediaError("mime: unexpected content after media subtype")
    rest = header[header.index(";"):].rstrip() if ";" in header else ""
    at, names = 0, set()
    while rest[at:].strip(" \t;") or rest[at:].count(";") > 1:
        parameter = _PARAMETER.match(rest, at)
        if not parameter:
            raise MediaError("mime: invalid media parameter")
        if parameter[1].lower() in names:
            raise MediaError("mime: duplicate parameter name")
        names.add(parameter[1].lower())
        at = parameter.end()
    return kind.lower()
