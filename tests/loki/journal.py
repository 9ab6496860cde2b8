"""What was asked and answered, request by request."""
import threading
import time


class Journal:
    """Records are dicts that json can write. Thread-safe."""

    def __init__(self, most=100_000):
        """Of the records the last `most` are kept; the totals are of all."""
        self._lock = threading.Condition()
        self._records, self._first, self._most = [], 1, most
        self._next = 1
        self.requests = self.body_bytes = 0

    def open(self, **fields):
        """A new record, which its owner goes on to fill; it has its number already."""
        with self._lock:
            record = {"number": self._next, "time": time.time(), **fields}
            self._next += 1
            self.requests += 1
            self._records.append(record)
            if len(self._records) > self._most:
                drop = len(self._records) // 2
                del self._records[:drop]
                self._first += drop
            return record

    def judged(self, size):
        """What becomes of a request is known; its answer is still to be given. `size`: of its body."""
        with self._lock:
            self.body_bytes += size
            self._lock.notify_all()

    def close(self, record):
        """Its answer is given, or it will have none."""
        with self._lock:
            record["took"] = time.time() - record["time"]
            self._lock.notify_all()

    def records(self, since=0, path=None):
        """Those with a number above `since`, oldest first; ones still under way have no "took"."""
        with self._lock:
            found = [dict(r) for r in self._records[max(0, since + 1 - self._first):]]
        return [r for r in found if path is None or r["path"] == path]

    def wait(self, condition, seconds):
        """Until `condition()` is truthy, looked at after every request; its value."""
        with self._lock:
            return self._lock.wait_for(condition, seconds)

    def clear(self):
        with self._lock:
            self._first = self._next
            self._records.clear()
            self.requests = self.body_bytes = 0
