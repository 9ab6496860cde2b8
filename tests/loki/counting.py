"""A server that reads bodies and answers 204: nothing of it should show in a benchmark. It knows bytes and requests, nothing else.

The kernel throws the bodies away where they are (MSG_TRUNC on a TCP socket), so that no byte is copied to this process.
"""
import json
import mmap
import socket
import threading

from .listener import Listener

_BLOCK = 8 << 20
_WASTE = mmap.mmap(-1, _BLOCK)  # never written to, so it takes no memory
_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Counting(Listener):
    def __init__(self, host="127.0.0.1", port=0):
        super().__init__(host, port)
        self.requests = self.body_bytes = 0
        self._lock = threading.Lock()

    def serve(self, sock):
        try:
            with sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ahead = b""
                while True:
                    while (end := ahead.find(b"\r\n\r\n")) < 0:
                        block = sock.recv(65536)
                        if not block:
                            return
                        ahead += block
                    head, ahead = ahead[:end].lower(), ahead[end + 4:]
                    if head.startswith(b"get "):
                        ahead = self._tell(sock, ahead)
                        continue
                    at = head.find(b"\r\ncontent-length:")
                    size = int(head[at + 17:].split(b"\r\n", 1)[0]) if at >= 0 else 0
                    if b"\r\nexpect:" in head and not ahead:
                        sock.sendall(_CONTINUE)
                    left = size - len(ahead)
                    ahead = ahead[size:]
                    while left > 0:
                        got = sock.recv_into(_WASTE, min(left, _BLOCK), socket.MSG_TRUNC)
                        if not got:
                            return
                        left -= got
                    with self._lock:
                        self.requests += 1
                        self.body_bytes += size
                    sock.sendall(_ANSWER)
        except (OSError, ValueError):
            pass

    def _tell(self, sock, ahead):
        body = json.dumps({"requests": self.requests, "body_bytes": self.body_bytes}).encode()
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return ahead
