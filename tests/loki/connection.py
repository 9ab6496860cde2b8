"""HTTP/1.1 of one connection, by hand: whatever a fault wants of it has to be possible, and no library may mend it."""
import base64
import socket
import struct
import threading
import time

_MOST_HEAD = 1 << 20
_BLOCK = 1 << 18
REASONS = {100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints", 200: "OK", 202: "Accepted", 204: "No Content",
           260: "", 300: "Multiple Choices", 302: "Found", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized",
           403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout", 411: "Length Required",
           413: "Request Entity Too Large", 422: "Unprocessable Entity", 429: "Too Many Requests", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


class Ended(Exception):
    """The connection is at its end, by the client's will or by a fault's."""


class BadRequest(Exception):
    """`status` and what to say; the connection is of no further use."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Request:
    """The head; the body when it has been read."""
    __slots__ = ("method", "target", "path", "query", "headers", "body", "began", "complete")

    def __init__(self, method, target, headers):
        self.method, self.target, self.headers = method, target, headers
        self.path, _, self.query = target.partition("?")
        self.body, self.began, self.complete = b"", time.time(), False

    def header(self, name, default=""):
        return self.headers.get(name, default)


class Connection:
    """Lives on its own thread; `kill` may be called from any other."""

    def __init__(self, sock, says_goodbye=True):
        """`says_goodbye`: TLS ends with close_notify, as it should."""
        self.sock, self.says_goodbye = sock, says_goodbye
        self._ahead = bytearray()
        self._over = threading.Event()
        self.silent = False  # it hangs because of a fault
        self.killed = self._sending = False

    # Reading

    def read_head(self):
        """The next request, without its body; None at the end of the connection."""
        ahead, found = self._ahead, -1
        while found < 0:
            found = ahead.find(b"\r\n\r\n", 0)
            if found < 0:
                if len(ahead) > _MOST_HEAD:
                    raise BadRequest(400, "the head is too long")
                if not self._more():
                    return None
        head = bytes(ahead[:found]).decode("latin-1")
        del ahead[:found + 4]
        first, *lines = head.split("\r\n")
        parts = first.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequest(400, f"not a request line: {first!r}")
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BadRequest(400, f"not a header: {line!r}")
            name, value = name.lower(), value.strip()
            if name in headers and name in ("content-length", "host"):
                raise BadRequest(400, f"{name} twice")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if "host" not in headers and parts[2] == "HTTP/1.1":
            raise BadRequest(400, "missing required Host header")
        return Request(parts[0], parts[1], headers)

    def _more(self):
        try:
            block = self.sock.recv(_BLOCK)
        except (OSError, ValueError):
            return False
        self._ahead += block
        return bool(block)

    def _take(self, size):
        """Exactly so many bytes."""
        ahead = self._ahead
        if size <= len(ahead):
            taken = bytes(ahead[:size])
            del ahead[:size]
            return taken
        taken = bytearray(size)
        have = len(ahead)
        taken[:have] = ahead
        ahead.clear()
        view = memoryview(taken)
        try:
            while have < size:
                got = self.sock.recv_into(view[have:], size - have)
                if not got:
                    raise Ended
                have += got
        except (OSError, ValueError):
            raise Ended from None
        return bytes(taken)

    def _line(self):
        while (end := self._ahead.find(b"\r\n")) < 0:
            if not self._more():
                raise Ended
        line = bytes(self._ahead[:end])
        del self._ahead[:end + 2]
        return line

    def read_body(self, request, most=None, rate=0, limit=None):
        """Fills `request.body`; no more than `most` bytes of it, and then `request.complete` stays False. 413 beyond `limit`."""
        if request.header("expect").lower() == "100-continue" and most != 0:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.header("transfer-encoding"):
            if request.header("transfer-encoding").lower() != "chunked" or "content-length" in request.headers:
                raise BadRequest(400, "a transfer encoding that is not chunked alone")
            self._read_chunks(request, most, limit)
            return
        length = request.header("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise BadRequest(400, "a content length that is no number")
        size = int(length)
        if limit is not None and size > limit:
            raise BadRequest(413, f"request body too large, over {limit} bytes")
        wanted = size if most is None else min(size, most)
        if rate:
            read = bytearray()
            while len(read) < wanted:
                read += self._take(min(wanted - len(read), max(1, int(rate / 20))))
                self.pause(min(0.05, len(read) / rate))
            request.body = bytes(read)
        else:
            request.body = self._take(wanted)
        request.complete = wanted == size

    def _read_chunks(self, request, most, limit):
        body = bytearray()
        while most is None or len(body) < most:
            try:
                size = int(self._line().split(b";")[0], 16)
            except ValueError:
                raise BadRequest(400, "a chunk without its size") from None
            if limit is not None and len(body) + size > limit:
                raise BadRequest(413, f"request body too large, over {limit} bytes")
            if size == 0:
                while self._line():
                    pass
                request.complete = True
                break
            body += self._take(size)
            if self._take(2) != b"\r\n":
                raise BadRequest(400, "a chunk without its end")
        request.body = bytes(body)

    # Waiting

    def pause(self, seconds):
        """Less when the server goes down or the connection is cut."""
        if seconds > 0 and self._over.wait(seconds):
            raise Ended

    def silence(self):
        """Neither reads nor answers until somebody ends it."""
        self.silent = True
        self._over.wait()
        raise Ended

    # Writing

    def send(self, data, rate=0):
        """All of it, or Ended. `rate`: bytes per second."""
        self._sending = True
        try:
            if not rate:
                self.sock.sendall(data)
                return
            step = max(1, int(rate / 20))
            for at in range(0, len(data), step):
                self.sock.sendall(data[at:at + step])
                self.pause(step / rate)
        except (OSError, ValueError):
            raise Ended from None
        finally:
            self._sending = False

    def answer(self, status, body=b"", headers=(), keep=True, reason=None):
        """A well-formed one."""
        self.send(render(status, body, headers, keep, reason))

    def answer_as(self, fault, status, body, headers):
        """One as the fault wants it. Ended, when the connection is to be of no more use."""
        if fault.raw is not None:
            data = base64.b64decode(fault.raw)
        else:
            body += fault.body.encode("latin-1", "replace")
            headers = [(k, v) for k, v in headers if k.lower() not in {name.lower() for name in fault.headers}] + list(fault.headers.items())
            data = _framed(fault.framing, status, body, headers, fault.then == "keep", fault.reason, fault.body_bytes)
        for interim in fault.interim:
            self.send(f"HTTP/1.1 {interim} {REASONS.get(interim, 'Interim')}\r\n\r\n".encode(), fault.answer_rate)
        if fault.answer_most is not None:
            data = data[:fault.answer_most]
        self.send(data, fault.answer_rate)
        if fault.body_bytes and fault.answer_most is None:
            block = b"x" * min(fault.body_bytes, _BLOCK)
            left = fault.body_bytes
            while left:
                self.send(block[:left], fault.answer_rate)
                left -= min(left, len(block))

    def end_as(self, how):
        """`how` of a fault: returns only for keep."""
        if how == "keep":
            return
        if how == "mute":
            self.silence()
        if how == "half_close":
            self.shut(socket.SHUT_WR)
            self.drain()
        elif how == "reset":
            self.cut()
        else:
            self.lazy_close()
        raise Ended

    def drain(self, seconds=None):
        """Reads and forgets until the client closes, at most so long."""
        try:
            self.sock.settimeout(seconds)
            while self.sock.recv(_BLOCK):
                pass
        except (OSError, ValueError):
            pass

    def lazy_close(self):
        """A FIN behind the answer. What the client still sends is read for a moment: with bytes unread the kernel would reset."""
        if self.says_goodbye and hasattr(self.sock, "unwrap"):
            try:
                self.sock.settimeout(0.2)
                self.sock = self.sock.unwrap()
            except (OSError, ValueError):
                pass
        self.shut(socket.SHUT_WR)
        self.drain(0.2)

    def shut(self, how):
        try:
            self.sock.shutdown(how)
        except (OSError, ValueError):
            pass

    def close(self):
        self._over.set()
        try:
            self.sock.close()
        except OSError:
            pass

    def cut(self):
        """A reset: with a linger of nothing the kernel throws away what is under way. On the connection's own thread."""
        self._reset_on_close()
        self.close()

    def kill(self):
        """From another thread: whatever the connection waits for is over, and its own thread resets it."""
        self.killed = True
        self._over.set()
        self._reset_on_close()
        self.shut(socket.SHUT_RDWR if self._sending else socket.SHUT_RD)  # what sends into a full window wakes by its own end only

    def _reset_on_close(self):
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (OSError, ValueError):
            pass


def render(status, body=b"", headers=(), keep=True, reason=None):
    return _framed("length", status, body, headers, keep, reason, 0)


def _framed(framing, status, body, headers, keep, reason, more):
    reason = REASONS.get(status, "Status") if reason is None else reason
    lines = [f"HTTP/1.1 {status} {reason}"]
    names = {name.lower() for name, _ in headers}
    if (body or more) and "content-type" not in names:
        lines.append("Content-Type: text/plain; charset=utf-8")
    lines += [f"{name}: {value}" for name, value in headers]
    if not keep and "connection" not in names:
        lines.append("Connection: close")
    length = len(body) + more
    bare = status == 204 or 100 <= status < 200
    if framing in ("length", "length_and_chunked") and not (bare and not length):
        lines.append(f"Content-Length: {length}")
    if framing == "short":
        lines.append(f"Content-Length: {length + 100}")
    if framing == "long":
        lines.append(f"Content-Length: {max(0, length - 1)}")
    if framing in ("chunked", "length_and_chunked", "huge_chunk", "bad_chunk"):
        lines.append("Transfer-Encoding: chunked")
        size = {"huge_chunk": b"FFFFFFFFFFFFFFFF", "bad_chunk": b"-3"}.get(framing, b"%x" % len(body))
        body = (size + b"\r\n" + body + b"\r\n" if body else b"") + b"0\r\n\r\n"
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body
