"""What a tenant may do, with the figures of a Loki that nobody has configured, and the bucket that rates are measured by."""
import dataclasses
import time


@dataclasses.dataclass
class Limits:
    """Loki's limits_config (the name there behind each). Sizes in bytes, times in seconds."""
    auth_enabled: bool = False                 # auth_enabled: X-Scope-OrgID is needed
    tenants: tuple = ()                        # not Loki's: the tenants that exist, as a gateway would know; () is all
    authorization: str = ""                    # not Loki's: the one value of the header Authorization that is let through
    max_body_bytes: int = 100 << 20            # server.grpc_server_max_recv_msg_size, packed and unpacked
    max_line_bytes: int = 256 << 10            # max_line_size
    truncate_lines: bool = False               # max_line_size_truncate
    max_label_names: int = 15                  # max_label_names_per_series; service_name is not counted
    max_label_name_bytes: int = 1024           # max_label_name_length
    max_label_value_bytes: int = 2048          # max_label_value_length
    enforced_labels: tuple = ()                # enforced_labels
    allow_structured_metadata: bool = True     # allow_structured_metadata
    max_metadata_bytes: int = 64 << 10         # max_structured_metadata_size, names and values
    max_metadata_pairs: int = 128              # max_structured_metadata_entries_count
    reject_old_samples: bool = True            # reject_old_samples
    max_age_seconds: float = 7 * 86400         # reject_old_samples_max_age
    future_seconds: float = 600                # creation_grace_period
    unordered_writes: bool = True              # unordered_writes
    window_seconds: float = 3600               # ingester.max_chunk_age / 2: how far behind the newest of its stream
    rate_bytes: float = 4 << 20                # ingestion_rate_mb, per second; 0 is no limit
    burst_bytes: float = 6 << 20               # ingestion_burst_size_mb
    stream_rate_bytes: float = 3 << 20         # per_stream_rate_limit; 0 is no limit
    stream_burst_bytes: float = 15 << 20       # per_stream_rate_limit_burst
    whole_stream_rate: bool = True             # shard_streams.enabled: all entries of a stream are refused together, or line by line
    max_streams: int = 5000                    # max_global_streams_per_user
    last_stream_answers: bool = True           # not a setting: README.md, "The last stream answers"
    discover_service_name: bool = True         # discover_service_name, with its list of labels
    discover_log_levels: bool = True           # discover_log_levels
    max_query_entries: int = 5000              # max_entries_limit_per_query

    def change(self, **values):
        """Sets some of them; a name that is none is an error."""
        for name, value in values.items():
            if name not in self.__dataclass_fields__:
                raise ValueError(f"no such limit: {name}")
            setattr(self, name, tuple(value) if isinstance(value, list) else value)
        return self

    @classmethod
    def wide(cls, **values):
        """Without rates: for whoever sends as fast as it goes."""
        return cls(rate_bytes=0, stream_rate_bytes=0).change(**values)


# Where a stream's service_name comes from when it has none; the first that is there.
SERVICE_NAMES = ("service", "app", "application", "app_name", "name", "app_kubernetes_io_name", "container", "container_name",
                 "k8s_container_name", "component", "workload", "job", "k8s_job_name")


class Bucket:
    """Full at first; `take` takes all or nothing. Not thread-safe."""

    def __init__(self):
        self._level = None
        self._at = 0

    def take(self, amount, rate, burst, now):
        """`now` in nanoseconds. A rate of 0 refuses nobody."""
        if not rate:
            return True
        level = burst if self._level is None else min(burst, self._level + max(0, now - self._at) * rate / 1e9)
        self._at = now
        enough = amount <= level
        self._level = level - amount if enough else level
        return enough


class Clock:
    """Nanoseconds of the wall, moved or stood still. Thread-safe as far as one setter goes."""

    def __init__(self, now=None):
        self._fixed = now

    def __call__(self):
        return time.time_ns() if self._fixed is None else self._fixed

    def set(self, now):
        """Stands still at `now`; None lets it go with the wall's again."""
        self._fixed = now

    def advance(self, seconds):
        self._fixed = self() + int(seconds * 1e9)
