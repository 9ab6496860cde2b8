"""/_control: what tests in other processes ask and set, as JSON. The table of routes is at the end; README.md has it too."""
import dataclasses
import json
import urllib.parse

from . import faults, logql

# Bounds of what one answer holds; the asker goes on with since= or offset=.
_RECORDS = 10_000
_ENTRIES = 100_000


def _summary(loki, _query, _body):
    audit = loki.audit()
    streams = audit.pop("streams")
    return {"port": loki.port, "running": loki.running, "requests": loki.journal.requests, "body_bytes": loki.journal.body_bytes,
            "streams": len(streams), "tenants": sorted(loki.store.tenants), **audit, "changed_batches": len(audit["changed_batches"])}


def _audit(loki, _query, _body):
    return loki.audit()


def _journal(loki, query, _body):
    return loki.journal.records(int(query.get("since", 0)), query.get("path"))[:int(query.get("limit", _RECORDS))]


def _entries(loki, query, _body):
    found = loki.entries(query.get("selector", "{}"), query.get("tenant"))
    begin = int(query.get("offset", 0))
    return [{"tenant": tenant, "labels": labels, "time": time, "line": line, "metadata": metadata}
            for tenant, labels, time, line, metadata in found[begin:begin + int(query.get("limit", _ENTRIES))]]


def _body_sent(loki, query, _body):
    sent = (loki.bodies or {}).get(int(query["number"]))
    return None if sent is None else sent.hex()


def _list_faults(loki, _query, _body):
    return loki.faults.list()


def _add_faults(loki, _query, body):
    return {"numbers": loki.faults.add(*(body if isinstance(body, list) else [body]))}


def _clear_faults(loki, query, _body):
    loki.heal(int(query["number"]) if "number" in query else None)
    return {}


def _presets(_loki, _query, _body):
    return {name: {"row": row, "entries": entries, "fault": spec} for name, (row, entries, spec) in faults.PRESETS.items()}


def _limits(loki, _query, body):
    loki.limits.change(**(body or {}))
    return dataclasses.asdict(loki.limits)


def _clock(loki, _query, body):
    if "now" in body:
        loki.clock.set(body["now"])
    if "advance" in body:
        loki.clock.advance(body["advance"])
    return {"now": loki.clock()}


def _port(loki, _query, body):
    """Closed: a connect is refused. Mute: it works, and nobody answers. Only over the control port, except mute's end."""
    state = body["state"]
    if state not in ("open", "closed", "mute"):
        raise ValueError("state is open, closed or mute")
    loki.mute(state == "mute")
    loki.stop() if state == "closed" else loki.start()
    return {"state": state}


def _reset_connections(loki, _query, _body):
    loki.reset_connections()
    return {}


def _forget(loki, _query, _body):
    loki.forget()
    return {}


def _ready(loki, _query, body):
    loki.ready = bool(body["ready"])
    return {"ready": loki.ready}


ROUTES = {
    ("GET", ""): _summary,
    ("GET", "/audit"): _audit,
    ("GET", "/journal"): _journal,
    ("GET", "/entries"): _entries,
    ("GET", "/body"): _body_sent,
    ("GET", "/faults"): _list_faults,
    ("POST", "/faults"): _add_faults,
    ("DELETE", "/faults"): _clear_faults,
    ("GET", "/presets"): _presets,
    ("GET", "/limits"): _limits,
    ("POST", "/limits"): _limits,
    ("POST", "/clock"): _clock,
    ("POST", "/port"): _port,
    ("POST", "/reset_connections"): _reset_connections,
    ("POST", "/forget"): _forget,
    ("POST", "/ready"): _ready,
}


def answer(loki, request):
    """(status, body, headers)."""
    headers = [("Content-Type", "application/json")]
    route = ROUTES.get((request.method, request.path.removeprefix("/_control").rstrip("/")))
    if route is None:
        return 404, b'{"error": "no such route"}', headers
    try:
        query = dict(urllib.parse.parse_qsl(request.query, keep_blank_values=True))
        found = route(loki, query, json.loads(request.body) if request.body else None)
    except (ValueError, TypeError, KeyError, logql.ParseError) as e:
        return 400, json.dumps({"error": f"{type(e).__name__}: {e}"}).encode(), headers
    return 200, json.dumps(found).encode(), headers
