"""The engines: writers that make records, give them to the reference, and put them into files as real ones do: cut anywhere,
several lines at once or half of one, through every kind of rotation. Writers know nothing of the program but how far a page says
that it has read; only what is read may be deleted.
"""
import gzip
import json
import os
import pathlib
import random
import shutil
import threading
import time

BASE_MS = 1_772_359_200_000  # 2026-03-01T10:00:00Z
LINE_BYTES = 8 * 1024        # of the configuration: longer lines are too long

CONFIG = """version: 1
packs: none
rules: [rules.d]
limits: {line_bytes: 8KiB}
targets:
  - {name: app, path: logs/app.log, from: beginning}
  - {name: copy, path: logs/copy.log, from: beginning}
  - {name: gz, path: logs/gz*.log, from: beginning}
  - {name: text, path: logs/text.log, from: beginning}
  - {name: cri, path: logs/cri.log, from: beginning, wrapper: cri}
"""


class EventTime:
    """Milliseconds that never go back; `leap` adds hours."""

    def __init__(self):
        self._begin = time.monotonic()
        self._ahead = 0
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self):
        with self._lock:
            self._last = max(self._last, int((time.monotonic() - self._begin) * 1000) + self._ahead)
            return self._last

    def leap(self, hours):
        with self._lock:
            self._ahead += hours * 3_600_000


def iso(ms, comma=False):
    seconds, rest = divmod(BASE_MS + ms, 1000)
    t = time.gmtime(seconds)
    if comma:
        return time.strftime("%Y-%m-%d %H:%M:%S", t) + f",{rest:03d}"
    return time.strftime("%Y-%m-%dT%H:%M:%S", t) + f".{rest:03d}Z"


class Stream:
    """One file name and who writes to it. `rotation`: rename, copytruncate, gzip (rename and compress at once)."""

    def __init__(self, name, directory, rotation, reference, now, seed, journal):
        self.name, self.rotation, self.reference, self.now = name, rotation, reference, now
        self.path = pathlib.Path(directory, name + ".log")
        self.random = random.Random(f"{seed} {name}")
        self.fd = self._open()
        self.journal = open(pathlib.Path(journal, name + ".log"), "ab", buffering=1 << 20)
        self.mark = 0
        self.lines = 0
        self.open_requests = []
        self.requests = 0
        self.rotations = 0
        self.rotated = []  # (mark that stands behind it, path pattern number): oldest first

    def _open(self):
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    # Records

    def make(self):
        r = self.random
        t = self.now()
        which = r.random()
        if which < 0.40:
            return {"event": "tick", "t": t, "kind": r.choice("abc"), "volume": r.randrange(1000)}
        if which < 0.55:
            return {"event": "work", "t": t, "took": r.randrange(8000)}
        if which < 0.68:
            if len(self.open_requests) > 30:
                return {"event": "finish", "t": t, "id": self.open_requests.pop(r.randrange(len(self.open_requests)))}
            self.requests += 1
            self.open_requests.append(f"{self.name}-{self.requests}")
            return {"event": "start", "t": t, "id": self.open_requests[-1], "method": r.choice(["GET", "PUT"])}
        if which < 0.80 and self.open_requests:
            return {"event": "finish", "t": t, "id": self.open_requests.pop(r.randrange(len(self.open_requests)))}
        if which < 0.84:
            return {"event": "depth", "t": t, "value": r.randrange(-50, 50)}
        if which < 0.86:
            return {"event": "heat", "t": t, "value": r.randrange(1, 99)}
        if which < 0.88:
            return {"event": "skill", "t": t, "skill_name": r.choice(["search", "edit"]), "tool_name": "t%d" % r.randrange(3),
                    "duration_ms": r.randrange(5000), "success": r.random() < 0.8, "error_type": r.choice(["timeout", "denied"]),
                    "tokens_used": r.randrange(9000), "model_used": "kimi"}
        if which < 0.885:
            return {"event": "long", "t": t, "size": LINE_BYTES + r.choice([r.randrange(1, 4_500), r.randrange(4_500, 9_000), r.randrange(4_500, 300_000)])}
        if self.name == "app" and which < 0.97:
            item = "i%d" % r.randrange(40)
            if which < 0.93:
                return {"event": "put", "t": t, "item": item, "size": r.choice("sml")}
            if which < 0.96:
                return {"event": "get", "t": t, "item": item}
            return {"event": "user", "t": t, "user": "u%d" % r.randrange(12)}
        return {"event": "tick", "t": t, "kind": "d", "volume": 1}

    def render(self, record):
        if record["event"] == "long":
            return b"x" * record["size"] + b"long\n"
        fields = {"timestamp": iso(record["t"]), "level": "info", "stream": self.name, **record}
        del fields["t"]
        return json.dumps(fields).encode() + b"\n"

    # Bytes

    def put(self, data):
        """Whole lines, cut as it pleases: the reader sees every prefix sooner or later."""
        self.journal.write(data)
        view = memoryview(data)
        while view:
            size = len(view) if self.random.random() < 0.7 else self.random.randrange(1, len(view) + 1)
            size = os.write(self.fd, view[:size])
            view = view[size:]
            if view and self.random.random() < 0.3:
                time.sleep(self.random.random() * 0.03)

    def write(self, records):
        data = b""
        for record in records:
            self.reference.count(self.name, record)
            data += self.render(record)
            if record["event"] == "long" and self.random.random() < 0.2:
                self.drip(data)
                data = b""
        self.lines += len(records)
        self.put(data)

    def drip(self, data):
        """What it ends in is over the limit before it comes drop by drop: groups are committed, and kills come, in the middle of it.
        What is left is short enough to be taken for a line by who has forgotten what stands before."""
        rest = self.random.randrange(500, 4000)
        self.put(data[:-rest])
        begin = self.random.randrange(4, 12)
        for i in range(begin):
            part = data[len(data) - rest + rest * i // begin:len(data) - rest + rest * (i + 1) // begin]
            self.journal.write(part)
            os.write(self.fd, part)
            time.sleep(0.03)

    def batch(self, count):
        self.write([self.make() for _ in range(count)])

    def put_mark(self):
        self.mark += 1
        self.write([{"event": "mark", "t": self.now(), "n": self.mark}])

    # Rotation

    def shift(self, keep_names=60):
        """NAME.log.1 becomes NAME.log.2 and so on, compressed or not."""
        for n in range(keep_names, 0, -1):
            for end in ("", ".gz"):
                old = pathlib.Path(f"{self.path}.{n}{end}")
                if old.exists():
                    old.rename(f"{self.path}.{n + 1}{end}")

    def rotate(self, seen):
        """`seen`: the mark that a page shows; what lies before it is read, and may go."""
        self.put_mark()
        self.drop(seen)
        self.shift()
        if self.rotation == "copytruncate":
            shutil.copyfile(self.path, f"{self.path}.1")
            size = os.path.getsize(self.path)
            if size < 2_000_000 and self.random.random() < 0.5:
                self.grow_at_once(size)
            else:
                os.ftruncate(self.fd, 0)
        else:
            self.path.rename(f"{self.path}.1")
            for _ in range(self.random.randrange(3)):  # writers reopen late
                self.batch(self.random.randrange(1, 20))
                time.sleep(self.random.random() * 0.02)
            os.close(self.fd)
            self.fd = self._open()
        self.rotations += 1
        self.put_mark()
        self.rotated.append(self.mark)
        if self.rotation == "gzip":
            self.compress(f"{self.path}.1")
        elif os.path.exists(f"{self.path}.2") and self.random.random() < 0.5:
            self.compress(f"{self.path}.2")  # delaycompress

    def grow_at_once(self, size):
        """Truncated, and longer than before when anybody looks: only what stands in it tells."""
        data, records = b"", []
        while len(data) <= size:
            records.append(self.make())
            data += self.render(records[-1])
        for record in records:
            self.reference.count(self.name, record)
        self.lines += len(records)
        self.journal.write(data)
        os.ftruncate(self.fd, 0)
        while data:
            data = data[os.write(self.fd, data):]

    @staticmethod
    def compress(path):
        """As gzip does it: beside it, then the original goes."""
        with open(path, "rb") as plain, gzip.open(path + ".gz", "wb", compresslevel=1) as packed:
            shutil.copyfileobj(plain, packed)
        stat = os.stat(path)
        os.utime(path + ".gz", ns=(stat.st_atime_ns, stat.st_mtime_ns))
        os.unlink(path)

    def drop(self, seen, keep=4):
        while len(self.rotated) > keep and self.rotated[0] <= seen:
            for end in ("", ".gz"):
                pathlib.Path(f"{self.path}.{len(self.rotated)}{end}").unlink(missing_ok=True)
            del self.rotated[0]

    def close(self):
        os.close(self.fd)
        self.journal.close()


class TextStream(Stream):
    """Text lines, and tracebacks whose lines come apart. A header and what belongs to it are never a second apart: then a reader
    rightly takes the record for complete."""

    def make(self):
        t, r = self.now(), self.random
        if r.random() < 0.8:
            return {"event": "tick", "t": t, "kind": r.choice("abc")}
        kind = r.choice(["ValueError", "KeyError", "engine.Timeout"])
        deep = "".join(f'  File "/srv/engine/run.py", line {r.randrange(900)}, in step{i}\n    go({i})\n' for i in range(r.randrange(1, 6)))
        rest = f"Traceback (most recent call last):\n{deep}{kind}: it failed"
        if r.random() < 0.3:
            rest += "\nand a note below it\nof two lines"
        return {"event": "error", "t": t, "type": kind.rsplit(".", 1)[-1], "rest": rest}

    def render(self, record):
        begin = iso(record["t"], comma=True) + " [engine.run] "
        if record["event"] == "tick":
            return f"{begin}INFO tick {record['kind']}\n".encode()
        if record["event"] == "mark":  # JSON: complete at once, as is what stands before it
            return super().render(record)
        return f"{begin}ERROR job failed\n{record['rest']}\n".encode()

    def rotate(self, seen):
        if self.rotation == "rename" and self.random.random() < 0.5:  # in the middle of a record
            self.put_mark()
            record = self.make()
            self.reference.count(self.name, record)
            data = self.render(record)
            cut = data.index(b"\n") + 1
            self.put(data[:cut])
            self.drop(seen)
            self.shift()
            self.path.rename(f"{self.path}.1")
            os.close(self.fd)
            self.fd = self._open()
            self.put(data[cut:])
            self.rotations += 1
            self.put_mark()
            self.rotated.append(self.mark)
            return
        super().rotate(seen)


class CriStream(Stream):
    """CRI lines: pieces of a record under P, the last one under F, standard output and standard error one between the other."""

    def make(self):
        return {"event": "tick", "t": self.now(), "kind": self.random.choice("abc"), "volume": self.random.randrange(100)}

    def write(self, records):
        waiting = {"stdout": [], "stderr": []}
        for record in records:
            self.reference.count(self.name, record)
            text = super().render(record)[:-1]
            stamp = iso(record["t"]).encode()
            pieces = []
            while text and self.random.random() < 0.5:
                size = self.random.randrange(1, len(text) + 1)
                pieces.append(stamp + b" %s P " + text[:size] + b"\n")
                text = text[size:]
            pieces.append(stamp + b" %s F " + text + b"\n")
            waiting["stdout" if record["event"] == "mark" else self.random.choice(["stdout", "stderr"])] += pieces
        data = b""
        while any(waiting.values()):
            stream = self.random.choice([s for s in waiting if waiting[s]])
            data += waiting[stream].pop(0).replace(b"%s", stream.encode(), 1)
        self.lines += len(records)
        self.put(data)


KINDS = {"app": (Stream, "rename"), "copy": (Stream, "copytruncate"), "text": (TextStream, "rename"), "gz": (Stream, "gzip"),
         "gz2": (Stream, "rename"), "cri": (CriStream, "rename")}


def streams(directory, reference, now, seed, journal, only=()):
    """One of each kind, or those named; the names are those of CONFIG."""
    return [kind(name, directory, rotation, reference, now, seed, journal) for name, (kind, rotation) in KINDS.items()
            if not only or name in only]
