"""From the batches of a request to its answer: the order of Loki's checks, and what of the rest is stored.

distributor  per stream: labels; per entry: age, future, size, metadata. What fails is taken out, the rest goes on: 400 at the end.
             Then the tenant's rate over all that is left: 429 for all of it.
ingester     per stream: may it be made (429)? its rate (429), its window (400). Again the rest is stored.
An error of the ingester is answered before one of the distributor.
"""
import dataclasses
import datetime
from collections import Counter

from . import labels as label_text
from .limits import SERVICE_NAMES
from .store import Resent, Stream

_SHOWN = 10  # entries that a message names


@dataclasses.dataclass
class Outcome:
    status: int
    text: str = ""
    received: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: Counter = dataclasses.field(default_factory=Counter)


def _when(time):
    seconds, nanos = divmod(time, 1_000_000_000)
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{nanos:09d}Z"
    except (ValueError, OverflowError, OSError):
        return f"{time} ns"


def metadata_bytes(metadata):
    return sum(len(name.encode()) + len(value.encode()) for name, value in metadata)


class Ingest:
    def __init__(self, store, limits, clock):
        self._store, self._limits, self._clock = store, limits, clock

    def push(self, tenant_name, batches, request):
        """`batches` are wire.Batch, `request` is this one's number in the journal. Takes the store's lock."""
        now = self._clock()
        outcome = Outcome(204, received=sum(len(b.entries) for b in batches))
        if not batches:
            return Outcome(422, "at least one valid stream is required for ingestion")
        try:
            parsed = [label_text.parse(b.labels) for b in batches]
        except label_text.Unparsable as e:
            outcome.status, outcome.text = 400, f"couldn't parse labels: {e}"
            outcome.rejected["invalid_labels"] = outcome.received
        if outcome.status == 204:
            with self._store.lock:
                self._push(self._store.tenant(tenant_name), tenant_name, batches, parsed, now, request, outcome)
        with self._store.lock:
            self._store.rejected.update(outcome.rejected)
        return outcome

    def _push(self, tenant, tenant_name, batches, parsed, now, request, outcome):
        limits = self._limits
        complaints = Counter()  # {text: entries}
        left = []               # (batch, its labels, their text, entries, bytes)
        for batch, pairs in zip(batches, parsed):
            if not batch.entries:
                continue
            pairs = self._with_service_name(pairs)
            text = label_text.render(pairs)
            reason, complaint = self._bad_labels(pairs, text)
            if reason:
                complaints[complaint] += 1
                outcome.rejected[reason] += len(batch.entries)
                continue
            entries, size = self._valid_entries(batch.entries, text, now, complaints, outcome.rejected)
            if entries:
                left.append((batch, pairs, text, entries, size))
        total, lines = sum(size for *_, size in left), sum(len(entries) for _, _, _, entries, _ in left)
        if left and not tenant.bucket.take(total, limits.rate_bytes, limits.burst_bytes, now):
            outcome.status = 429
            outcome.rejected["rate_limited"] += lines
            outcome.text = (f"Ingestion rate limit exceeded for user {tenant_name} (limit: {int(limits.rate_bytes)} bytes/sec) while "
                            f"attempting to ingest '{lines}' lines totaling '{total}' bytes")
            return
        error = None
        for batch, pairs, text, entries, size in left:
            problem = self._store_entries(tenant, tenant_name, batch, pairs, text, entries, size, now, request, outcome)
            error = problem if limits.last_stream_answers else error or problem
        if error:
            outcome.status, outcome.text = error
        elif complaints:
            outcome.status = 400
            outcome.text = "; ".join(f"{n} errors like: {text}" if n > 1 or len(complaints) > 1 else text for text, n in complaints.items())

    def _with_service_name(self, pairs):
        names = dict(pairs)
        if not self._limits.discover_service_name or "service_name" in names:
            return pairs
        found = next((names[name] for name in SERVICE_NAMES if name in names), "unknown_service")
        return tuple(sorted(pairs + (("service_name", found),)))

    def _bad_labels(self, pairs, text):
        """(reason, complaint), or (None, None)."""
        limits = self._limits
        if not pairs:
            return "missing_labels", "at least one label pair is required per stream"
        missing = [name for name in limits.enforced_labels if name not in dict(pairs)]
        if missing:
            return "missing_enforced_labels", f"missing required labels {','.join(missing)} for stream {text}"
        counted = sum(name != "service_name" for name, _ in pairs)
        if counted > limits.max_label_names:
            return "max_label_names_per_series", f"entry for stream '{text}' has {counted} label names; limit {limits.max_label_names}"
        before = None
        for name, value in pairs:
            if len(name) > limits.max_label_name_bytes:
                return "label_name_too_long", f"stream '{text}' has label name too long: '{name}'"
            if len(value.encode()) > limits.max_label_value_bytes:
                return "label_value_too_long", f"stream '{text}' has label value too long: '{value}'"
            if name == before:
                return "duplicate_label_names", f"stream '{text}' has duplicate label name: '{name}'"
            before = name
        return None, None

    def _valid_entries(self, entries, text, now, complaints, rejected):
        """Those that may be stored, and their bytes."""
        limits = self._limits
        oldest = now - int(limits.max_age_seconds * 1e9) if limits.reject_old_samples else -(1 << 63)
        newest = now + int(limits.future_seconds * 1e9)
        longest = limits.max_line_bytes or 1 << 62
        valid, size = [], 0
        for entry in entries:
            time, line, metadata = entry
            if oldest <= time <= newest and len(line) <= longest and not metadata:
                valid.append(entry)
                size += len(line)
                continue
            reason = None
            extra = metadata_bytes(metadata)
            if len(line) > longest and limits.truncate_lines:
                line = line[:longest]
            if time < oldest:
                reason = "greater_than_max_sample_age"
                complaint = f"entry for stream '{text}' has timestamp too old: {_when(time)}, oldest acceptable timestamp is: {_when(oldest)}"
            elif time > newest:
                reason = "too_far_in_future"
                complaint = f"entry for stream '{text}' has timestamp too new: {_when(time)}"
            elif len(line) > longest:
                reason = "line_too_long"
                complaint = f"Max entry size '{longest}' bytes exceeded for stream '{text}' by an entry of '{len(line)}' bytes"
            elif metadata and not limits.allow_structured_metadata:
                reason = "disallowed_structured_metadata"
                complaint = f"stream '{text}' includes structured metadata, but this feature is disallowed (allow_structured_metadata)"
            elif extra > limits.max_metadata_bytes:
                reason = "structured_metadata_too_large"
                complaint = f"stream '{text}' has structured metadata too large: '{extra}' bytes, limit: '{limits.max_metadata_bytes}' bytes"
            elif len(metadata) > limits.max_metadata_pairs:
                reason = "structured_metadata_too_many"
                complaint = f"stream '{text}' has too many structured metadata labels: '{len(metadata)}', limit: '{limits.max_metadata_pairs}'"
            if reason:
                complaints[complaint] += 1
                rejected[reason] += 1
                continue
            valid.append((time, line, tuple((label_text.metadata_name(name), value) for name, value in metadata)))
            size += len(line) + extra
        return valid, size

    def _store_entries(self, tenant, tenant_name, batch, pairs, text, entries, size, now, request, outcome):
        """Stores what of it may be stored. (status, text) when some may not, else None."""
        limits = self._limits
        known = batch.digest in tenant.batches
        tenant.batches.add(batch.digest)
        stream = tenant.streams.get(pairs)
        if stream is None:
            if len(tenant.streams) >= limits.max_streams:
                outcome.rejected["stream_limit"] += len(entries)
                return 429, f"Maximum active stream limit exceeded when trying to create stream {text}, user: {tenant_name}"
            stream = tenant.streams[pairs] = Stream(pairs, text)
        rate, burst = limits.stream_rate_bytes, limits.stream_burst_bytes
        if limits.whole_stream_rate and not stream.bucket.take(size, rate, burst, now):
            outcome.rejected["per_stream_rate_limit"] += len(entries)
            return 429, self._over_rate(text, size, len(entries), len(entries))
        line_by_line = rate and not limits.whole_stream_rate
        window = int(limits.window_seconds * 1e9) if limits.unordered_writes else 0
        keep, add = self._store.keep_lines, stream.add
        stored, refused, error = 0, [], None
        newest = stream.newest
        for time, line, metadata in entries:
            if newest is not None and time < newest - window:
                refused.append(f"entry with timestamp {_when(time)} ignored, reason: 'entry too far behind, entry timestamp is: "
                               f"{_when(time)}, oldest acceptable timestamp is: {_when(newest - window)}'")
                outcome.rejected["too_far_behind"] += 1
                error = 400
            elif line_by_line and not stream.bucket.take(len(line) + metadata_bytes(metadata), rate, burst, now):
                refused.append(self._over_rate(text, len(line), 1, 1))
                outcome.rejected["per_stream_rate_limit"] += 1
                error = 429
            else:
                stored += add(time, line, metadata, keep)
                if newest is None or time > newest:
                    newest = time
        again = len(entries) - len(refused) - stored
        outcome.stored += stored
        outcome.duplicates += again
        if again:
            tenant.resent.append(Resent(request, text, len(entries), again, known))
        if error:
            totals = f"user '{tenant_name}', total ignored: {len(refused)} out of {len(entries)} for stream: {text}"
            return error, ",\n".join([*refused[:_SHOWN], totals])
        return None

    def _over_rate(self, text, size, lost, of):
        return (f"Per stream rate limit exceeded (limit: {int(self._limits.stream_rate_bytes)} bytes/sec) while attempting to ingest for stream "
                f"'{text}' totaling {size} bytes, total ignored: {lost} out of {of} for stream: {text}")
