"""What was stored, as Loki would show it, and what was received besides: copies, re-sent batches, steps backwards.

A stream keeps one entry per (timestamp, line). Another copy is counted; of its metadata Loki knows nothing more, we remember
whether it was another. `Store` is not thread-safe: whoever pushes or reads holds `lock`.
"""
import dataclasses
import hashlib
import threading
from collections import Counter

from .limits import Bucket


class Stream:
    """One label set of one tenant. `lines` is {nanoseconds: line or [lines]}: nearly every timestamp has one."""

    def __init__(self, labels, text):
        self.labels = labels                   # ((name, value), …)
        self.text = text                       # {name="value", …}
        self.lines = {}
        self.metadata = {}                     # {(nanoseconds, line): ((name, value), …)}
        self.copies = Counter()                # {(nanoseconds, line): received more than once, so many times}
        self.newest = None
        self.oldest = None
        self.last = None                       # (nanoseconds, line) as received
        self.stored = self.stored_bytes = self.duplicates = self.backward = self.other_metadata = 0
        self.sum = 0                           # of the hashes of all entries stored: the multiset, whatever its order
        self.bucket = Bucket()

    def add(self, time, line, metadata, keep):
        """True when stored, False when it was there already."""
        last = self.last
        if last is not None:
            if time < last[0]:
                self.backward += 1
            elif time == last[0] and line == last[1]:
                return self._again(time, line, metadata)
        if keep:
            lines = self.lines
            known = len(lines)
            there = lines.setdefault(time, line)
            if len(lines) == known:  # the timestamp was there
                if there == line or there.__class__ is list and line in there:
                    self.last = (time, line)
                    return self._again(time, line, metadata)
                if there.__class__ is list:
                    there.append(line)
                else:
                    lines[time] = [there, line]
            if metadata:
                self.metadata[time, line] = metadata
        else:
            raw = hashlib.blake2b(b"%d %b" % (time, line), digest_size=8).digest()
            self.sum = self.sum + int.from_bytes(raw, "little") & 0xFFFFFFFFFFFFFFFF
        self.last = (time, line)
        self.stored += 1
        self.stored_bytes += len(line)
        if self.newest is None:
            self.newest = self.oldest = time
        elif time > self.newest:
            self.newest = time
        elif time < self.oldest:
            self.oldest = time
        return True

    def _again(self, time, line, metadata):
        self.duplicates += 1
        self.copies[time, line] += 1
        if metadata != self.metadata.get((time, line), ()):
            self.other_metadata += 1
        return False

    def entries(self, begin=None, end=None):
        """(nanoseconds, line, metadata), oldest first, of [begin, end); lines of one timestamp in the order of their arrival."""
        for time in sorted(t for t in self.lines if (begin is None or t >= begin) and (end is None or t < end)):
            lines = self.lines[time]
            for line in lines if lines.__class__ is list else (lines,):
                yield time, line, self.metadata.get((time, line), ())


@dataclasses.dataclass
class Resent:
    """A batch that held entries which were there already."""
    request: int       # its number in the journal
    labels: str
    entries: int
    duplicates: int    # of its entries
    identical: bool    # to a batch that came before, byte by byte


class Tenant:
    def __init__(self):
        self.streams = {}    # {labels: Stream}
        self.batches = set()  # digests of all that was received, stored or not
        self.resent = []     # Resent
        self.bucket = Bucket()


class Store:
    def __init__(self, keep_lines=True):
        """Without `keep_lines` only counts, sums and copies of the line before are known: for more than fits into memory."""
        self.keep_lines = keep_lines
        self.lock = threading.RLock()
        self.tenants = {}
        self.rejected = Counter()  # {reason: entries}

    def tenant(self, name):
        return self.tenants.get(name) or self.tenants.setdefault(name, Tenant())

    def streams(self, tenant=None):
        """(tenant, Stream) of one tenant or of all."""
        for name in [tenant] if tenant is not None else sorted(self.tenants):
            if name in self.tenants:
                for stream in self.tenants[name].streams.values():
                    yield name, stream

    def audit(self):
        """Everything that a test of delivery asks, in one look."""
        with self.lock:
            streams = list(self.streams())
            resent = [dataclasses.asdict(r) | {"tenant": name} for name, t in self.tenants.items() for r in t.resent]
            return {
                "stored": sum(s.stored for _, s in streams),
                "stored_bytes": sum(s.stored_bytes for _, s in streams),
                "duplicates": sum(s.duplicates for _, s in streams),
                "duplicates_with_other_metadata": sum(s.other_metadata for _, s in streams),
                "backward": sum(s.backward for _, s in streams),
                "rejected": dict(self.rejected),
                "resent_batches": len(resent),
                "changed_batches": [r for r in resent if not r["identical"]],
                "streams": [{"tenant": name, "labels": s.text, "stored": s.stored, "bytes": s.stored_bytes, "duplicates": s.duplicates,
                             "backward": s.backward, "oldest": s.oldest, "newest": s.newest, "sum": s.sum} for name, s in streams],
            }
