"""Loki: a server on a port, with threads, that a test starts and stops, scripts and asks."""
import hashlib
import socket
import ssl
import threading
import time
import zlib

from . import control, faults, oauth, query, snappy_block, wire
from .connection import BadRequest, Connection, Ended
from .ingest import Ingest
from .journal import Journal
from .limits import Clock, Limits
from .listener import Listener
from .media import MediaError, media_type
from .store import Store


class Loki:
    """`with Loki() as loki: … loki.url …`

    Everything may be called from any thread. `stop` and `start` keep the port, the store, the journal and the faults, as a Loki that was
    down has them afterwards. What has a value at the begin may be changed while it runs: `limits`, `clock`, `faults`, `tls`.
    """

    def __init__(self, host="127.0.0.1", port=0, *, limits=None, clock=None, tls=None, keep_lines=True, keep_bodies=False, control_port=None):
        """`tls`: a tls.Tls. `control_port`: a second port, without TLS, that answers /_control whatever is wrong with the first; 0: any."""
        self.host, self.port = host, port
        self.limits = limits or Limits()
        self.clock = clock or Clock()
        self.tls = tls
        self.store = Store(keep_lines)
        self.journal = Journal()
        self.faults = faults.Script()
        self.bodies = {} if keep_bodies else None  # {number of the request: its body as sent}
        self.ready = True
        self.tokens = None  # an oauth.Tokens: pushes need one of them
        self._keep_lines = keep_lines
        self._lock = threading.RLock()
        self._connections = set()
        self._listener = None
        self._accepting = threading.Event()
        self._accepting.set()
        self._control = None
        self._control_port = control_port

    # Life

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    @property
    def push_url(self):
        return self.url + faults.PUSH

    @property
    def control_port(self):
        return self._control.port if self._control else None

    @property
    def control_url(self):
        return f"http://{self.host}:{self._control.port}/_control" if self._control else self.url + "/_control"

    @property
    def connections(self):
        """How many are open."""
        return len(self._connections)

    @property
    def running(self):
        return self._listener is not None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        if self._control:
            self._control.stop()
            self._control = None

    def start(self):
        with self._lock:
            if self._listener:
                return self
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.host, self.port))
            listener.listen(512)
            self.port = listener.getsockname()[1]
            self._listener = listener
            threading.Thread(target=self._accept, args=(listener,), daemon=True, name="loki-accept").start()
            if self._control_port is not None and not self._control:
                self._control = ControlPort(self, self._control_port).start()
        return self

    def stop(self):
        """The port is closed (a connect is refused), every connection reset."""
        with self._lock:
            listener, self._listener = self._listener, None
            if listener is None:
                return
            try:
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept
            except OSError:
                pass
            listener.close()
        self.reset_connections()

    def reset_connections(self):
        """Resets all that are open, hanging ones too."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.kill()

    def mute(self, muted=True):
        """The kernel completes connections, nobody takes them: a connect works, then silence."""
        self._accepting.clear() if muted else self._accepting.set()

    def forget(self):
        """Store and journal as new; limits and faults stay."""
        with self._lock:
            self.store = Store(self._keep_lines)
            self.journal.clear()
            if self.bodies is not None:
                self.bodies.clear()

    # What a test asks

    def fail(self, spec=None, **more):
        """Sets one fault, by the name of a preset or by fields of faults.Fault; its number."""
        return self.faults.add(faults.fault(spec, **more))[0]

    def heal(self, number=None):
        """Takes one fault away, or all, and resets what still hangs by them."""
        self.faults.clear(number)
        self.mute(False)
        with self._lock:
            waiting = [c for c in self._connections if c.silent]
        for connection in waiting:
            connection.kill()

    def audit(self):
        return self.store.audit()

    def stored(self, tenant=None):
        """How many entries Loki would show."""
        with self.store.lock:
            return sum(s.stored for _, s in self.store.streams(tenant))

    def entries(self, selector="{}", tenant=None):
        """[(tenant, labels as a dict, nanoseconds, line as text, metadata as a dict)]: by stream, then time. No time range."""
        with self.store.lock:
            return [(name, dict(stream.labels), time, line.decode("utf-8", "replace"), dict(metadata))
                    for name, stream in query.selected(self.store, selector, tenant) for time, line, metadata in stream.entries()]

    def wait(self, condition, what="a condition", seconds=60):
        """Until `condition()` holds, looked at after each request and now and then besides; its value. Fails with `what`."""
        end = time.monotonic() + seconds
        while not (found := self.journal.wait(condition, 0.1)):
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}")
        return found

    # Connections

    def _accept(self, listener):
        while True:
            self._accepting.wait()
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            if not self._accepting.is_set():  # taken just as it was muted
                serve = self._hold
            else:
                serve = self._serve
            threading.Thread(target=serve, args=(sock,), daemon=True, name="loki-connection").start()

    def _hold(self, sock):
        connection = Connection(sock)
        with self._lock:
            self._connections.add(connection)
        try:
            connection.silence()
        except Ended:
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = self.tls
        connection = Connection(sock, says_goodbye=not (tls and tls.truncates))
        with self._lock:
            if self._listener is None:
                connection.cut()
                return
            self._connections.add(connection)
        try:
            fault = self.faults.choose("connect")
            if fault:
                connection.pause(fault.delay)
                connection.end_as(fault.then)
            if tls:
                connection.sock = tls.context.wrap_socket(sock, server_side=True)
            while self._one(connection):
                pass
            if not connection.killed:
                connection.lazy_close()
        except (Ended, OSError, ssl.SSLError, ValueError):
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _one(self, connection):
        """One request; False when it was the last."""
        try:
            request = connection.read_head()
        except BadRequest as e:
            connection.answer(e.status, f"{e}\n".encode(), keep=False)
            return False
        if request is None:
            return False
        if request.path.startswith("/_control"):
            connection.read_body(request)
            return self._plain(connection, request, *control.answer(self, request))
        tenant = request.header("x-scope-orgid") or "fake"  # the name of nobody in particular
        record = self.journal.open(method=request.method, path=request.path, tenant=tenant, content_type=request.header("content-type"),
                                   encoding=request.header("content-encoding"), headers=request.headers, bytes=0)
        try:
            return self._answer(connection, request, tenant, record)
        finally:
            self.journal.close(record)

    def _plain(self, connection, request, status, body, headers):
        keep = "close" not in request.header("connection").lower()
        if request.method == "HEAD":
            body = b""
        connection.answer(status, body, headers, keep)
        return keep

    def _answer(self, connection, request, tenant, record):
        size = int(request.header("content-length", "0") or 0) if request.header("content-length", "0").isdigit() else 0
        fault = self.faults.choose("request", request.path, tenant, size)
        if fault:
            record["fault"] = fault.name or "unnamed"
            connection.pause(fault.before)
        limit = self.limits.max_body_bytes if fault is None or fault.real else None
        try:
            connection.read_body(request, fault and fault.read_most, fault.read_rate if fault else 0, limit)
        except BadRequest as e:
            record["status"] = e.status
            connection.answer(e.status, f"{e}\n".encode(), keep=False)
            return False
        body = request.body
        record["bytes"], record["sha256"] = len(body), hashlib.sha256(body).hexdigest()
        if self.bodies is not None:
            self.bodies[record["number"]] = body
        if request.path == faults.PUSH:
            fault, reply = self._push(request, tenant, record, fault)
        elif self.tokens and request.path == oauth.PATH and (fault is None or fault.real or fault.store):
            reply = self.tokens.answer(request, self.clock())
        elif fault is None or fault.real:
            reply = query.answer(self, request, tenant)
        else:
            reply = (fault.status or 200, b"", [])
        if fault is None:
            record["status"] = reply[0]
        self.journal.judged(len(body))
        if fault is None:
            return self._plain(connection, request, *reply)
        return self._answer_as(connection, record, fault, reply)

    def _answer_as(self, connection, record, fault, reply):
        status, body, headers = reply
        connection.pause(fault.delay)
        if fault.answer and (fault.read_most is None or fault.status is not None or fault.raw is not None):
            record["status"] = status = status if fault.status is None else fault.status
            connection.answer_as(fault, status, body if fault.status is None else b"", headers)
        connection.end_as(fault.then if fault.answer_most is None or fault.then != "keep" else "close")
        return True

    # Pushes

    def _push(self, request, tenant, record, fault):
        """(the fault that is left to do, the reply). Stores what is to be stored."""
        untouched = fault is None or fault.real
        if untouched:
            refusal = self._refusal(request)
            if refusal:
                record["text"] = refusal[1].decode().strip()
                return fault, refusal
        batches = error = None
        if request.complete and (untouched or fault.store):
            try:
                batches = self._decode(request)
            except (wire.Malformed, MediaError, snappy_block.Corrupt) as e:
                error = (400, f"{e}\n".encode(), [])
            except snappy_block.TooLarge as e:
                error = (413, f"received message larger than max ({e} vs {self.limits.max_body_bytes})\n".encode(), [])
        if batches is not None:
            record["batches"] = [{"labels": b.labels.decode("utf-8", "replace"), "entries": len(b.entries), "sha256": b.digest,
                                  "first": b.entries[0][0] if b.entries else None, "last": b.entries[-1][0] if b.entries else None}
                                 for b in batches]
            record["streams"], record["entries"] = len(batches), sum(len(b.entries) for b in batches)
            if fault is None and self.faults.watches_bodies():
                texts = [b.labels for b in batches] + [line for b in batches for _, line, _ in b.entries]
                fault = self.faults.choose("request", request.path, tenant, len(request.body), texts)
                if fault:
                    record["fault"] = fault.name or "unnamed"
                    if not (fault.real or fault.store):
                        return fault, (fault.status, b"", [])
        if error:
            record["text"] = error[1].decode().strip()
            return fault, error
        if batches is None:
            return fault, (500, b"", [])
        outcome = Ingest(self.store, self.limits, self.clock).push(tenant, batches, record["number"])
        record.update(stored=outcome.stored, duplicates=outcome.duplicates, rejected=dict(outcome.rejected), outcome=outcome.status,
                      text=outcome.text[:1000])
        return fault, (outcome.status, f"{outcome.text}\n".encode("utf-8", "replace") if outcome.text else b"", [])

    def _refusal(self, request):
        limits = self.limits
        if limits.authorization and request.header("authorization") != limits.authorization:
            return 401, b"authorization is wrong or missing\n", [("WWW-Authenticate", "Basic")]
        if self.tokens and not self.tokens.accepts(request.header("authorization"), self.clock()):
            return 401, b"the token is missing, wrong or too old\n", [("WWW-Authenticate", "Bearer")]
        if limits.auth_enabled and not request.header("x-scope-orgid"):
            return 401, b"no org id\n", []
        if limits.tenants and request.header("x-scope-orgid") not in limits.tenants:
            return 403, b"no such tenant\n", []
        if request.method != "POST":
            return 405, b"", [("Allow", "POST")]
        return None

    def _decode(self, request):
        kind = media_type(request.header("content-type"))
        encoding, body, most = request.header("content-encoding"), request.body, self.limits.max_body_bytes
        if encoding not in ("", "snappy", "gzip", "deflate"):
            raise MediaError(f'Content-Encoding "{encoding}" not supported')
        if encoding in ("gzip", "deflate"):
            body = _inflate(body, 31 if encoding == "gzip" else -15, most)
        if kind == "application/json":
            return wire.from_json(body)
        try:
            return wire.from_protobuf(snappy_block.decode(body, most))
        except snappy_block.Corrupt as e:
            raise snappy_block.Corrupt(f"snappy: corrupt input ({e})") from None


def _inflate(body, window, most):
    unpacker = zlib.decompressobj(window)
    try:
        text = unpacker.decompress(body, most + 1)
    except zlib.error as e:
        raise wire.Malformed(f"unexpected EOF or no such stream: {e}") from None
    if len(text) > most:
        raise snappy_block.TooLarge(len(text))
    if not unpacker.eof:
        raise wire.Malformed("unexpected EOF")
    return text


class ControlPort(Listener):
    """Only /_control of a Loki, always there."""

    def __init__(self, loki, port):
        super().__init__(loki.host, port)
        self._loki = loki

    def serve(self, sock):
        connection = Connection(sock)
        try:
            while (request := connection.read_head()) is not None:
                connection.read_body(request)
                connection.answer(*control.answer(self._loki, request))
        except (Ended, BadRequest):
            pass
        finally:
            connection.close()
