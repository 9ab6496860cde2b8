"""What every server here begins with: a port, and a thread for each connection to it."""
import socket
import threading


class Listener:
    """Who inherits has serve(sock), on a thread of its own, which closes `sock`. A port of 0 is one that is free, from start() on."""

    def __init__(self, host="127.0.0.1", port=0):
        self.host, self.port = host, port
        self._socket = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self._socket = socket.create_server((self.host, self.port), backlog=512)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._socket,), daemon=True, name=type(self).__name__).start()
        return self

    def stop(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept
        except OSError:
            pass
        self._socket.close()

    def _accept(self, listening):
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()
