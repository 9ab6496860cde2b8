"""OAuth2's client credentials (RFC 6749 §4.4), as a gateway in front of a Loki has them: POST /oauth/token gives a bearer token."""
import base64
import binascii
import itertools
import json
import threading
import urllib.parse

PATH = "/oauth/token"


class Tokens:
    """`lifetime` in seconds by the Loki's clock. `given`: all tokens so far; `revoke` makes them worthless. Thread-safe."""

    def __init__(self, client, secret, scope=None, lifetime=3600):
        self.client, self.secret, self.scope, self.lifetime = client, secret, scope, lifetime
        self.given = []
        self._valid = {}  # {token: until, in nanoseconds}
        self._serial = itertools.count(1)
        self._lock = threading.Lock()

    def revoke(self):
        with self._lock:
            self._valid.clear()

    def accepts(self, authorization, now):
        kind, _, token = authorization.partition(" ")
        with self._lock:
            return kind.lower() == "bearer" and self._valid.get(token, -1) > now

    def answer(self, request, now):
        """(status, body, headers) of a request to PATH."""
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        form = dict(urllib.parse.parse_qsl(request.body.decode("utf-8", "replace")))
        if request.method != "POST" or form.get("grant_type") != "client_credentials":
            return 400, b'{"error": "unsupported_grant_type"}', headers
        if self._who(request, form) != (self.client, self.secret):
            return 401, b'{"error": "invalid_client"}', headers + [("WWW-Authenticate", "Basic")]
        if self.scope is not None and form.get("scope") != self.scope:
            return 400, b'{"error": "invalid_scope"}', headers
        with self._lock:
            token = f"token-{next(self._serial)}"
            self.given.append(token)
            self._valid[token] = now + int(self.lifetime * 1e9)
        return 200, json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": int(self.lifetime)}).encode(), headers

    def _who(self, request, form):
        kind, _, packed = request.header("authorization").partition(" ")
        if kind.lower() != "basic":
            return form.get("client_id"), form.get("client_secret")
        try:
            client, _, secret = base64.b64decode(packed, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return urllib.parse.unquote_plus(client), urllib.parse.unquote_plus(secret)
