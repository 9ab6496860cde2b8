"""What the packs' metrics have to be for a JSON log of the engines, derived from its lines and nothing else.

Text lines between the JSON ones carry none of these metrics yet and are passed over.
"""
import collections
import decimal
import json
import re
import sys

decimal.getcontext().prec = 60
Number = decimal.Decimal
THOUSAND = Number(1000)


class Totals:
    """Counters and gauges by (name, labels), observations of histograms likewise; labels as sorted pairs."""

    def __init__(self):
        self.values = collections.defaultdict(Number)
        self.observations = collections.defaultdict(list)

    @staticmethod
    def key(name, labels):
        return name, tuple(sorted((k, str(v)) for k, v in labels.items()))

    def add(self, name, amount=1, **labels):
        self.values[self.key(name, labels)] += Number(amount)

    def set(self, name, value, **labels):
        self.values[self.key(name, labels)] = Number(value)

    def observe(self, name, value, **labels):
        if isinstance(value, Number) and value.is_finite():
            self.observations[self.key(name, labels)].append(value)

    def families(self):
        return {name for name, _ in self.values} | {name for name, _ in self.observations}


def records(path):
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("{"):
                yield json.loads(line, parse_float=Number, parse_int=Number, parse_constant=Number)


def seconds(milliseconds):
    return milliseconds / THOUSAND if isinstance(milliseconds, Number) else None


def class_of(error_type, exception):
    """A class name without its module; of a free text nothing, since that must not become a label."""
    if isinstance(error_type, str) and error_type.replace(".", "").isidentifier():
        return error_type.split(".")[-1]
    if isinstance(exception, dict):
        return exception["type"].split(".")[-1]
    if isinstance(exception, str):
        # A traceback as one string. Of chained ones the last is the one that ended the request; its last unindented line is
        # `module.Class: message`, unless the message has further lines.
        last = exception.split("Traceback (most recent call last):\n")[-1]
        for line in last.split("\n"):
            if line and not line.startswith(" "):
                return line.split(":")[0].split(".")[-1]
    return "other"


# ---------------------------------------------------------------- Aria

def aria(path):
    t = Totals()
    for r in records(path):
        if r.get("event") != "skill_execution":
            continue
        skill, function = r["skill"], r["operation"]
        status = {True: "success", False: "error"}[r["success"]]
        took = seconds(r["latency_ms"])
        t.add("aria_skill_executions_total", skill_name=skill, status=status)
        t.add("aria_skill_invocations_total", skill=skill, status=status)
        t.add("aria_skill_calls_total", skill=skill, function=function, status=status)
        t.observe("aria_skill_execution_duration_seconds", took, skill_name=skill)
        t.observe("aria_skill_duration_seconds", took, skill=skill)
        t.observe("aria_skill_latency_seconds", took, skill=skill, function=function)
        if not r["success"]:
            t.add("aria_skill_errors_total", skill=skill, error_type=r["error_type"])
    return t


# ---------------------------------------------------------------- SkillMeat

def endpoint_of(path):
    path = re.sub(r"/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "/{id}", path, flags=re.IGNORECASE)
    path = re.sub(r"/[0-9a-f]{6,}", "/{id}", path, flags=re.IGNORECASE)
    path = re.sub(r"/[0-9]+", "/{id}", path)
    return re.sub(r"/[a-zA-Z0-9_-]{20,}", "/{id}", path)


def behind(message, start):
    return message[len(start):] if message.startswith(start) else None


def request(t, message, extra, r):
    if (rest := behind(message, "Request completed: ")) is not None:
        rest, _, status = rest.rpartition(" - ")
        method, _, path = rest.partition(" ")
        endpoint = extra.get("normalized_path") or endpoint_of(path)
        t.add("skillmeat_api_requests_total", method=method, endpoint=endpoint, status=status)
        t.observe("skillmeat_api_request_duration_seconds", seconds(extra.get("duration_ms")), method=method, endpoint=endpoint)
        if extra.get("request_size"):
            t.observe("skillmeat_api_request_size_bytes", extra["request_size"], method=method, endpoint=endpoint)
        parts = path.split("/")
        if parts[:5] == ["", "api", "v1", "mcp", "servers"] and len(parts) == 7 and parts[6] in ("deploy", "undeploy", "health"):
            outcome = "success" if status[0] in "23" else "error"
            name = {"health": "skillmeat_mcp_health_checks_total", "deploy": "skillmeat_mcp_deployments_total"}.get(parts[6])
            if name:
                t.add(name, server=parts[5], status=outcome)
            t.observe("skillmeat_mcp_operation_duration_seconds", seconds(extra.get("duration_ms")), operation=parts[6])
    elif (rest := behind(message, "Request failed: ")) is not None:
        method, _, path = rest.partition(" ")
        kind = class_of(extra.get("error_type"), r.get("exception"))
        t.add("skillmeat_api_errors_total", method=method, endpoint=endpoint_of(path), error_type=kind)


def span(t, message, extra):
    name = behind(message, "Span completed: ")
    if name is None:
        return
    name, _, status = name.rpartition(" ")
    status = status.strip("[]")
    attributes = extra.get("attributes") or {}
    if " " in name and attributes.get("response_size"):
        method, _, endpoint = name.partition(" ")
        t.observe("skillmeat_api_response_size_bytes", attributes["response_size"], method=method, endpoint=endpoint)
    area, _, operation = name.partition(".")
    if area == "memory":
        t.add("skillmeat_memory_operations_total", operation=operation, status=status)
        t.observe("skillmeat_memory_operation_duration_seconds", seconds(extra.get("duration_ms")), operation=operation)
    if area == "context_pack":
        t.observe("skillmeat_context_pack_generation_duration_seconds", seconds(extra.get("duration_ms")), mode=operation)


def marketplace(t, logger, message, extra, r):
    words = message.split(" ")
    if logger == "skillmeat.core.marketplace.observability" and words[0] == "Completed":
        t.observe("skillmeat_marketplace_operation_duration_seconds", seconds(Number(words[4].removesuffix("ms"))), broker="", operation=words[1])
        if r["level"] == "ERROR":
            t.add("skillmeat_marketplace_errors_total", broker="", operation=words[1], error_type="other")
    if logger.startswith("skillmeat.marketplace.brokers.") and words[0] == "Fetched":
        broker = {"Claude": "claudehub", "SkillMeat": "skillmeat", "custom": "custom"}[words[4]]
        t.set("skillmeat_marketplace_listings_total", Number(words[1]), broker=broker, type="")
    took = extra.get("scan_duration_seconds")
    strategy = extra.get("scan_strategy") or "unknown"
    if message.startswith("Scan completed for "):
        t.add("skillmeat_marketplace_scan_artifacts_total", Number(words[4]), source_id="", artifact_type="")
        if extra.get("api_calls") is not None:
            t.add("skillmeat_github_requests_total", extra["api_calls"], operation="scan", status="success")
        t.observe("skillmeat_marketplace_scan_duration_seconds", took, source_id="")
        t.observe("skillmeat_scan_total_duration_seconds", took, strategy=strategy, status="success")
    if message.startswith("Scan failed for "):
        kind = class_of(extra.get("error_type"), r.get("exception"))
        t.add("skillmeat_marketplace_scan_errors_total", source_id="", error_type=kind)
        t.observe("skillmeat_scan_total_duration_seconds", took, strategy=strategy, status="error")
    if message == "Clone operation completed" and "duration_seconds" in extra:
        t.observe("skillmeat_clone_duration_seconds", extra["duration_seconds"], strategy=extra["strategy"])
        t.observe("skillmeat_github_clone_duration_seconds", extra["duration_seconds"])


def bundles(t, message):
    if message.startswith("Bundle export successful: "):
        artifacts, size = message.rpartition("(")[2].removesuffix(" bytes)").split(" artifacts, ")
        t.add("skillmeat_bundle_exports_total", status="success", format="")
        t.observe("skillmeat_bundle_artifacts_count", Number(artifacts))
        t.observe("skillmeat_bundle_size_bytes", Number(size), format="")


def mcp(t, message, extra, r):
    verbs = {"deploying": "deploy", "undeploying": "undeploy", "checking": "health", "creating": "create", "updating": "update",
             "deleting": "delete", "getting": "get"}
    words = message.split(" ")
    if words[0] == "Error" and "'" in message and "': " in message:  # without a name in quotes it concerns no server
        kind = class_of(extra.get("error_type"), r.get("exception"))
        t.add("skillmeat_mcp_errors_total", server=message.split("'")[1], operation=verbs[words[1]], error_type=kind)


def deployments(t, message):
    words = message.split(" ")
    if words[0] == "Deployment" and words[1] == "successful:":
        kind = message.split("(")[1].split(")")[0]
        t.add("skillmeat_artifact_operations_total", operation="deploy", type=kind, status="success")


def github_and_caches(t, logger, message):
    where = logger.split(".")[-1]
    if message.startswith("GitHub API rate limit exceeded"):
        t.add("skillmeat_github_errors_total", operation="metadata", error_type="rate_limit")
    if where == "github_metadata":
        if message == "Fetching metadata from GitHub":
            t.add("skillmeat_github_requests_total", operation="metadata", status="success")
            t.add("skillmeat_cache_misses_total", cache_name=where)
        if message.startswith("Failed to fetch ") and " from " in message:
            t.add("skillmeat_github_errors_total", operation="metadata", error_type="fetch")
        if message == "Cache hit for GitHub metadata":
            t.add("skillmeat_cache_hits_total", cache_name=where)
    found = None
    if message.startswith("Similar artifacts for '"):
        found = "(cache HIT)" in message
    elif message.startswith("Cache HIT for '") and message.endswith(" cached result(s)"):
        found = True
    elif message.startswith("Upstream cache hit: ") or (message.startswith("Cache hit: ") and " (age=" in message):
        found = True
    if found is not None:
        t.add("skillmeat_cache_hits_total" if found else "skillmeat_cache_misses_total", cache_name=where)


def skillmeat(path):
    t = Totals()
    for r in records(path):
        logger, message, extra = r["logger"], r["message"], r.get("extra") or {}
        if logger == "skillmeat.api.middleware.observability":
            request(t, message, extra, r)
        if logger == "skillmeat.observability.tracing":
            span(t, message, extra)
        if logger == "skillmeat.api.routers.bundles":
            bundles(t, message)
        if logger == "skillmeat.api.routers.mcp":
            mcp(t, message, extra, r)
        if logger == "skillmeat.api.routers.deployments":
            deployments(t, message)
        if logger == "skillmeat.perf" and message.startswith("perf.deployment."):
            t.observe("skillmeat_artifact_operation_duration_seconds", seconds(extra.get("elapsed_ms")), operation=message.split(".")[2], type="")
        if message.startswith("Preview pack: "):
            words = message.split(" ")
            t.observe("skillmeat_context_pack_items_selected", Number(words[2].split("/")[0]))
            t.observe("skillmeat_context_pack_token_utilization", Number(words[6].strip("(%")) / 100)
        marketplace(t, logger, message, extra, r)
        github_and_caches(t, logger, message)
    return t


DERIVE = {"aria": aria, "skillmeat": skillmeat}

if __name__ == "__main__":
    derived = DERIVE[sys.argv[1]](sys.argv[2])
    for (name, labels), value in sorted(derived.values.items()):
        print(name, dict(labels), value)
    for (name, labels), seen in sorted(derived.observations.items()):
        print(name, dict(labels), "count", len(seen), "sum", sum(seen))
