"""A forward proxy: CONNECT for TLS, absolute addresses for the rest. It notes who asked for what, and passes bytes on."""
import socket
import threading
import urllib.parse

from .connection import BadRequest, Connection, Ended
from .listener import Listener


class Proxy(Listener):
    """`authorization`: the one value of Proxy-Authorization that is let through. `asked`: [(method, address, headers)].

    `refuse`: a status for everybody, 502 for instance. One request a connection: it ends with the server's.
    """

    def __init__(self, host="127.0.0.1", port=0, authorization=None):
        super().__init__(host, port)
        self.authorization, self.refuse = authorization, None
        self.asked = []

    @property
    def url(self):
        return f"http://{self.host}:{self.port}"

    def serve(self, sock):
        connection = Connection(sock)
        try:
            request = connection.read_head()
            if request is not None:
                self._pass_on(connection, request)
        except BadRequest as e:
            connection.answer(e.status, f"{e}\n".encode(), keep=False)
        except (Ended, OSError, ValueError):
            pass
        finally:
            connection.close()

    def _pass_on(self, connection, request):
        self.asked.append((request.method, request.target, request.headers))
        if self.authorization and request.header("proxy-authorization") != self.authorization:
            connection.answer(407, b"", [("Proxy-Authenticate", "Basic")], keep=False)
            return
        if self.refuse:
            connection.answer(self.refuse, b"refused by the proxy\n", keep=False)
            return
        if request.method == "CONNECT":
            host, _, port = request.target.rpartition(":")
            first = b""
        else:
            address = urllib.parse.urlsplit(request.target)
            host, port = address.hostname, address.port or 80
            connection.read_body(request)
            path = address._replace(scheme="", netloc="").geturl() or "/"
            headers = {k: v for k, v in request.headers.items() if k not in ("proxy-authorization", "proxy-connection", "connection", "transfer-encoding")}
            headers.update({"content-length": str(len(request.body)), "connection": "close"})
            first = "".join([f"{request.method} {path} HTTP/1.1\r\n", *(f"{k}: {v}\r\n" for k, v in headers.items()), "\r\n"]).encode("latin-1") + request.body
        try:
            server = socket.create_connection((host.strip("[]"), int(port)), timeout=30)
        except OSError:
            connection.answer(502, b"no such server\n", keep=False)
            return
        with server:
            server.settimeout(None)
            if request.method == "CONNECT":
                connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=_pour, args=(connection.sock, server), daemon=True).start()
            server.sendall(first)
            _pour(server, connection.sock)


def _pour(source, target):
    """Until either ends, then both."""
    try:
        while block := source.recv(1 << 16):
            target.sendall(block)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
