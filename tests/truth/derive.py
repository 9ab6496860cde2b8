"""What the packs' metrics have to be for a log of the engines, derived from its lines and nothing else."""
import ast
import collections
import dataclasses
import datetime
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
        self.line = 0    # the record that is being read
        self.first = {}  # by family: the line of the record that gave it its first value

    @staticmethod
    def key(name, labels):
        return name, tuple(sorted((k, str(v)) for k, v in labels.items()))

    def add(self, name, amount=1, **labels):
        self.values[self.key(name, labels)] += Number(amount)
        if Number(amount):
            self.first.setdefault(name, self.line)

    def set(self, name, value, **labels):
        self.values[self.key(name, labels)] = Number(value)
        self.first.setdefault(name, self.line)

    def shift(self, name, amount, **labels):
        """A gauge that never goes below zero."""
        key = self.key(name, labels)
        self.values[key] = max(Number(0), self.values[key] + Number(amount))
        self.first.setdefault(name, self.line)

    def alias(self, name, *others):
        for (family, labels), value in list(self.values.items()):
            if family == name:
                for other in others:
                    self.values[other, labels] = value

    def observe(self, name, value, **labels):
        if isinstance(value, Number) and value.is_finite():
            self.observations[self.key(name, labels)].append(value)
            self.first.setdefault(name, self.line)

    def families(self):
        return {name for name, _ in self.values} | {name for name, _ in self.observations}


# ---------------------------------------------------------------- lines to records

@dataclasses.dataclass
class Record:
    """`shape`: json, bare, or the name of a text shape. `rest`: the lines below the first. `at`: seconds, None without a time."""
    shape: str
    message: str
    logger: str | None = None
    level: str | None = None
    at: Number | None = None
    fields: dict = dataclasses.field(default_factory=dict)
    rest: list = dataclasses.field(default_factory=list)
    line: int = 0

    @property
    def failed(self):
        return (self.level or "").lower() in ("error", "critical")


STAMP = r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?Z?)"
LEVEL = r"(DEBUG|INFO|WARNING|ERROR|CRITICAL)"
# name, regular expression, the meaning of its groups, whether any line without a header belongs to the record above
SHAPES = {
    "aria": [("python", rf"{STAMP} \[([^\] ]+)\] {LEVEL} ?(.*)", "time logger level message", True),
             ("startup", rf"{STAMP} \[{LEVEL}\] (\S+): (.*)", "time level logger message", True),
             ("console", rf"{STAMP} \[(\w+) *\] (.*)", "time level message", False),
             ("uvicorn", rf"{LEVEL}: +(.*)", "level message", False)],
    "skillmeat": [("text", rf"{STAMP} - (\S+) - {LEVEL} - (.*)", "time logger level message", True),
                  ("access", rf'{LEVEL}: +(\S+ - ".* HTTP/.*" \d+ .*)', "level message", False),
                  ("dev", rf"{LEVEL}: +(\S+) - (.*)", "level logger message", True),
                  ("uvicorn", rf"{LEVEL}: +(.*)", "level message", False)],
}


def instant(text):
    """Unix seconds of a time in UTC, exactly."""
    text = text.replace("T", " ").replace(",", ".").removesuffix("Z")
    whole, _, fraction = text.partition(".")
    at = datetime.datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return Number(int(at.timestamp())) + (Number("0." + fraction) if fraction else 0)


def plain_lines(path):
    """(number, text): out of docker's wrapper if there is one, without colours."""
    with open(path, encoding="utf-8", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith('{"log": "') and '"stream": "' in line:
                line = json.loads(line)["log"]
            yield number, re.sub("\x1b\\[[0-9;]*m", "", line.rstrip("\r\n"))


def json_record(line, number):
    try:
        r = json.loads(line.lstrip("\ufeff"), parse_float=Number, parse_int=Number, parse_constant=Number)
    except ValueError:
        return None
    if not isinstance(r, dict) or "\0" in line:
        return None
    stamp = next((r[k] for k in ("timestamp", "time", "ts") if isinstance(r.get(k), str)), None)
    return Record("json", str(r.get("message", r.get("event", ""))), r.get("logger"), r.get("level"),
                  instant(stamp) if stamp else None, r, line=number)


def records(path, engine):
    shapes = [(name, re.compile(expression), meaning.split(), joins) for name, expression, meaning, joins in SHAPES[engine]]
    found, joins, traceback = [], False, ""  # traceback: what may come next, see below
    for number, line in plain_lines(path):
        if line.startswith(("{", "\ufeff{")) and (r := json_record(line, number)):
            found.append(r)
            joins, traceback = False, ""
            continue
        for name, expression, meaning, shape_joins in shapes:
            if m := expression.fullmatch(line):
                parts = dict(zip(meaning, m.groups()))
                at = instant(parts["time"]) if "time" in parts else None
                if name == "text":  # the guide's text ends with ids
                    parts["message"] = re.sub(r" \[(trace_id|request_id)=[^]]*\]$", "", parts["message"])
                found.append(Record(name, parts["message"], parts.get("logger"), parts["level"], at, line=number))
                joins, traceback = shape_joins, ""
                break
        else:
            # A traceback: its head, indented frames, one line of the exception; chained ones behind a blank line and a sentence.
            if line.startswith("Traceback (most recent call last):"):
                belongs, traceback = True, "frames"
            elif line.startswith((" ", "\t")):
                belongs = True
            elif traceback == "frames":
                belongs, traceback = True, "chain"
            elif traceback == "chain" and (not line or line.startswith(("During handling of", "The above exception"))):
                belongs = True
            else:
                belongs, traceback = False, ""
            if (joins or belongs) and found and found[-1].shape != "json":
                found[-1].rest.append(line)
            else:
                found.append(Record("bare", line, line=number))
                joins = False
    for r in found:  # a header without a message: its first line with text is the message
        while not r.message and r.rest:
            r.message = r.rest.pop(0)
    return found


def seconds(milliseconds):
    return milliseconds / THOUSAND if isinstance(milliseconds, Number) else None


def last_exception(lines):
    """The class in the line behind the frames of the last traceback; of chained ones the last is the one that ended it."""
    heads = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call last):")]
    for line in lines[heads[-1] + 1:] if heads else []:
        if line and not line.startswith((" ", "\t")):
            return line.split(":")[0].split(".")[-1]
    return None


def class_of(error_type, exception=None, rest=()):
    """A class name without its module; of a free text nothing, since that must not become a label."""
    if isinstance(error_type, str) and error_type.replace(".", "").isidentifier():
        return error_type.split(".")[-1]
    if isinstance(exception, dict):
        return exception["type"].split(".")[-1]
    lines = exception.split("\n") if isinstance(exception, str) else rest
    return last_exception(lines) or "other"


def behind(message, start):
    return message[len(start):] if message.startswith(start) else None



# ---------------------------------------------------------------- Aria

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def skill(t, r, name, function, success, took, error_type):
    status = {True: "success", False: "error"}[success]
    t.add("aria_skill_executions_total", skill_name=name, status=status)
    t.add("aria_skill_invocations_total", skill=name, status=status)
    t.add("aria_skill_calls_total", skill=name, function=function, status=status)
    t.observe("aria_skill_execution_duration_seconds", took, skill_name=name)
    t.observe("aria_skill_duration_seconds", took, skill=name)
    t.observe("aria_skill_latency_seconds", took, skill=name, function=function)
    if not success:
        t.add("aria_skill_errors_total", skill=name, error_type=error_type or "other")


def skills(t, r):
    told = None
    if r.shape == "json" and r.fields.get("event") == "skill_execution":
        told = r.fields
    elif r.message.startswith("skill_execution: {"):
        told = ast.literal_eval(r.message[len("skill_execution: "):])
    elif r.message.startswith("skill_execution "):
        pairs = dict(re.findall(r"(\w+)=('[^']*'|\S+)", r.message))
        told = {**{k: v.strip("'") for k, v in pairs.items()}, "success": pairs["success"] == "True"}
    if told:
        latency = told["latency_ms"]
        skill(t, r, told["skill"], told["operation"], told["success"], seconds(latency if isinstance(latency, Number) else Number(str(latency))),
              told.get("error_type"))
    if (rest := behind(r.message, "API unreachable \u2014 logging skill_invocation locally: ")) is not None:
        told = json.loads(rest, parse_float=Number, parse_int=Number)
        words = re.split(r"\W+", told["error_type"] or "")
        kind = next((w for w in words if w.endswith(("Error", "Exception"))), None)
        skill(t, r, told["skill_name"], told["tool_name"], told["success"], seconds(told["duration_ms"]), kind)


def scheduler(t, r):
    words = r.message.split(" ")
    if r.logger == "aria_engine" and r.message == "Logging initialized":
        t.add("aria_engine_starts_total")
    if r.logger != "aria.engine.scheduler":
        return
    if words[0] == "Loaded" and r.message.endswith("enabled cron jobs"):
        loaded, configured = map(int, words[1].split("/"))
        t.set("aria_scheduler_jobs_total", loaded, status="registered")
        t.set("aria_scheduler_jobs_total", configured - loaded, status="failed")
    if words[:2] in (["Added", "job:"], ["Removed", "job:"]):
        t.shift("aria_scheduler_jobs_total", 1 if words[0] == "Added" else -1, status="registered")
    if words[0] != "Job" or len(words) < 4:
        return
    job, cycle = words[1], words[1] == "work_cycle"
    if words[2:4] == ["completed", "in"]:
        took = seconds(Number(words[4].removesuffix("ms")))
        t.add("aria_scheduler_executions_total", job_id=job, status="success")
        t.observe("aria_scheduler_execution_duration_seconds", took, job_id=job)
        t.set("aria_scheduler_last_run_timestamp", r.at, job_id=job)
        if cycle:
            t.add("aria_work_cycles_total", status="success")
            t.observe("aria_work_cycle_duration_seconds", took)
    if words[2:4] == ["failed", "after"]:
        t.add("aria_scheduler_executions_total", job_id=job, status="failed")
        if cycle:
            t.add("aria_work_cycles_total", status="failed")
    if job.endswith(":") and words[2] == "completed":
        told = dict(pair.split("=") for pair in r.message[r.message.index("(") + 1:-1].split(", "))
        if told["model"] not in ("?", "None"):
            labels = {"job_id": job[:-1], "model": told["model"]}
            for name, text in (("tokens", told["tokens"]), ("cost_usd", told["cost"].removeprefix("$"))):
                if re.fullmatch(r"[0-9.e-]+", text):  # else a placeholder
                    t.add(f"aria_scheduler_job_{name}_total", text, **labels)


class Chat:
    """Sessions: the model of a turn and the age of a session are told by an earlier line."""

    def __init__(self):
        self.sessions = {}

    def read(self, t, r):
        words = r.message.split(" ")
        if r.logger == "uvicorn.error" and r.shape == "python" and r.message == "Application startup complete.":
            t.set("aria_sessions_active", 0)
        if r.message.startswith("Reactivated ended session "):
            t.shift("aria_sessions_active", 1)
        if r.logger == "aria.engine.session_manager" and r.message.startswith("Deleted session "):
            t.shift("aria_sessions_active", -1)
        gone = re.match(r"(?:Closed|Stale-pruned|prune_old_sessions: closed|Pruned|Type purge: archived\+deleted|Ghost purge: deleted) (\d+) .*sessions", r.message)
        if gone:
            t.shift("aria_sessions_active", -int(gone[1]))
        if r.logger != "aria.engine.chat":
            return
        told = dict(w.split("=", 1) for w in words if "=" in w)
        if r.message.startswith("Created session "):
            self.sessions[words[2]] = (told["model"], r.at)
            t.add("aria_sessions_created_total")
            t.shift("aria_sessions_active", 1)
        if r.message.startswith("Message in session "):
            model = self.sessions.get(words[3].rstrip(":"), ("unknown", None))[0]
            t.add("aria_llm_requests_total", model=model, status="success")
            t.observe("aria_llm_request_duration_seconds", seconds(Number(told["latency"].removesuffix("ms"))), model=model)
            t.add("aria_llm_tokens_input_total", told["in"], model=model)
            t.add("aria_llm_tokens_output_total", told["out"], model=model)
            t.add("aria_llm_token_cost_estimate_total", told["cost"], model=model)
            t.add("aria_tokens_total", told["in"], type="input")
            t.add("aria_tokens_total", told["out"], type="output")
            t.add("aria_sessions_messages_total", role="user")
            t.add("aria_sessions_messages_total", role="assistant")
            t.add("aria_sessions_messages_total", told["tools"], role="tool")
        if r.message.startswith("Ended session "):
            t.shift("aria_sessions_active", -1)
            if words[2] in self.sessions:
                t.observe("aria_session_duration_seconds", r.at - self.sessions.pop(words[2])[1])


class Breakers:
    """Nothing says that a breaker closed: an open one is taken to be closed after its cool-down, or with the next turn."""

    def __init__(self):
        self.states, self.now = {}, None

    def read(self, t, r):
        if r.at is not None:
            self.now = r.at if self.now is None else max(self.now, r.at)
        words = r.message.split(" ")
        if r.logger in ("aria.engine.circuit_breaker", None) and words[:2] == ["Circuit", "breaker"]:
            if words[3:5] == ["OPEN", "after"]:
                self.states[words[2]] = (1, r.at, 30 if words[2] == "llm" else 60)
            if words[3:5] == ["half-open", "after"]:
                self.states[words[2]] = (2, r.at, 60)
        opened = re.match(r"LLM circuit opened for model=(\S+) \((\d+)s cooldown", r.message)
        if opened and r.logger in ("aria.skills.llm", None):
            self.states[opened[1]] = (1, r.at, int(opened[2]))
        if self.states:
            t.first.setdefault("aria_llm_circuit_breaker_state", r.line)
        if r.logger == "aria.engine.chat" and r.message.startswith("Message in session "):
            self.states["llm"] = (0, r.at, None)

    def tell(self, t):
        for model, (state, since, hold) in self.states.items():
            over = hold is not None and since is not None and self.now >= since + hold
            t.set("aria_llm_circuit_breaker_state", 0 if over else state, model=model)


def aria_requests(t, r):
    if r.logger in ("aria.engine.llm", None):
        timeout = re.match(r"LLM call timed out after (\d+)s \(failures=", r.message)
        if timeout or r.message.startswith("LLM call failed (failures="):
            t.add("aria_llm_requests_total", model="unknown", status="error")
        if timeout:
            t.observe("aria_llm_request_duration_seconds", Number(timeout[1]), model="unknown")
    if r.logger in ("aria.perf", "aria.api", None):
        slow = re.fullmatch(r"Slow request: (\S+) .* took (\S+)ms \(status=(\S+)\)", r.message)
        failed = re.match(r"(?:Unhandled exception|Database \S+ error) on (\S+) .*: ", r.message)
        if slow or failed:
            method = (slow or failed)[1]
            method = method if method in METHODS else "other"
            t.add("aria_requests_total", method=method, status=slow[3] if slow else "500")
            if slow:
                t.observe("aria_request_duration_seconds", seconds(Number(slow[2])), method=method)


def agents(t, r):
    words = r.message.split(" ")
    if r.logger == "aria.engine.routing" and r.message.startswith("Routed message to "):
        t.add("aria_agent_routing_total", selected_agent=words[3])
    if r.logger == "aria.engine.routing" and r.message.startswith("Route score "):
        t.set("aria_agent_pheromone_score", words[3].removeprefix("pheromone="), agent_id=words[2].rstrip(":"))
    done = re.fullmatch(r"(?:Updated|Agent) (\S+): (\S+) \([0-9.]+ms\) (?:->|\u2192) score=(\S+)", r.message)
    if done and r.logger in ("aria.engine.routing", "aria.scoring"):
        status = {"OK": "success", "FAIL": "failed", "\u2713": "success", "\u2717": "failed"}.get(done[2], "unknown")
        t.add("aria_agent_tasks_total", agent_id=done[1], status=status)
        t.set("aria_agent_pheromone_score", done[3], agent_id=done[1])
    failed = re.match(r"Agent (\S+) (?:process failed|failed in round \S+|failed in swarm iteration \S+): ", r.message)
    if failed and r.logger in ("aria.engine.agent_pool", "aria.engine.roundtable", "aria.engine.swarm", None):
        t.add("aria_agent_tasks_total", agent_id=failed[1], status="failed")
    if r.logger == "aria.engine.agent_pool":
        if words[0] == "Loaded" and r.message.endswith("agents from database"):
            t.set("aria_agents_active", words[1])
        if words[0] == "Spawned":
            t.shift("aria_agents_active", 1)
        if words[0] == "Terminated":
            t.shift("aria_agents_active", -1)
        if r.message == "Agent pool shutdown complete":
            t.set("aria_agents_active", 0)
    if r.logger == "aria.engine.roundtable":
        if r.message.startswith("Roundtable started: "):
            t.add("aria_roundtable_sessions_total")
            t.shift("aria_roundtable_active_sessions", 1)
        if r.message.startswith("Roundtable complete: "):
            t.shift("aria_roundtable_active_sessions", -1)
            t.observe("aria_roundtable_duration_seconds", Number(words[-1].removesuffix("s")))


def aria_errors(t, r):
    """Each failure once: these are told by another line too."""
    kind = re.search(r"litellm\.(\w+)", r.message)
    kind = kind[1] if kind else class_of(r.fields.get("error_type"), r.fields.get("exception"), r.rest)
    if r.failed and "module" not in r.fields and not (r.logger or "").startswith("skillmeat."):
        again = re.match(r"LLM call failed in session \S+ LLM completion failed|Summary call failed in session|Job \S+ failed \(attempt|Exception in ASGI application", r.message)
        if again:
            return
        component = r.logger.split(".")[-1] if r.logger else "unknown"
    elif r.shape == "bare":
        starts = {"LLM call failed (failures=": "llm", "LLM call timed out after ": "llm", "Unhandled exception on ": "api", "Database ": "api",
                  "Tool execution failed: ": "tools", "Agent ": "agent_pool", "LLM call failed in session ": "chat"}
        component = next((c for start, c in starts.items() if r.message.startswith(start)), None)
        if component == "agent_pool" and " process failed: " not in r.message:
            component = None
        if r.message.startswith("Database ") and " error on " not in r.message:
            component = None
        if component == "chat" and ": Circuit breaker open" not in r.message:
            component = None
        if component is None:
            return
    else:
        return
    t.add("aria_errors_total", component=component, error_type=kind)
    t.add("aria_engine_errors_total", error_type=kind)


def aria(path):
    t, chat, breakers = Totals(), Chat(), Breakers()
    for r in records(path, "aria"):
        t.line = r.line
        skills(t, r)
        scheduler(t, r)
        chat.read(t, r)
        breakers.read(t, r)
        aria_requests(t, r)
        agents(t, r)
        aria_errors(t, r)
        started = re.fullmatch("\U0001f9e0 Aria Brain API v(.*) starting up\u2026", r.message)
        if started:
            t.set("aria_build_info", 1, version=started[1], python="", engine="aria")
        if r.logger == "sqlalchemy.engine.Engine" and r.message.split(" ")[0].rstrip(";").isupper():
            t.add("aria_db_queries_total", operation=r.message.split(" ")[0].lower())
    breakers.tell(t)
    t.alias("aria_agents_active", "aria_active_agents", "aria_agent_pool_size")
    t.alias("aria_sessions_active", "aria_active_sessions")
    return t


# ---------------------------------------------------------------- SkillMeat

def endpoint_of(path):
    path = re.sub(r"/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "/{id}", path, flags=re.IGNORECASE)
    path = re.sub(r"/[0-9a-f]{6,}", "/{id}", path, flags=re.IGNORECASE)
    path = re.sub(r"/[0-9]+", "/{id}", path)
    return re.sub(r"/[a-zA-Z0-9_-]{20,}", "/{id}", path)


def request(t, r, message, extra):
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
        kind = class_of(extra.get("error_type"), r.fields.get("exception"), r.rest)
        t.add("skillmeat_api_errors_total", method=method, endpoint=endpoint_of(path), error_type=kind)


class Waiting:
    """First in, first out: starts that wait for their ends, by key."""

    def __init__(self):
        self.starts = collections.defaultdict(list)

    def begin(self, key, at, said=None):
        self.starts[key].append((at, said))

    def end(self, key, at):
        """(seconds since the start or None, what the start said or None)"""
        if not self.starts[key]:
            return None, None
        since, said = self.starts[key].pop(0)
        return (at - since if at is not None and since is not None else None), said


class Spans:
    """The full shape has ids and says how long; elsewhere the time is between the first start of that name and the end."""

    def __init__(self):
        self.open = Waiting()

    def read(self, t, r, extra):
        full = r.fields.get("span_id") is not None
        name = behind(r.message, "Starting span: ")
        if name is not None and not full:
            self.open.begin(name, r.at)
        name = behind(r.message, "Span completed: ")
        if name is None:
            return
        name, _, status = name.rpartition(" ")
        status = status.strip("[]")
        took = seconds(extra.get("duration_ms")) if full else self.open.end(name, r.at)[0]
        attributes = extra.get("attributes") or {}
        method, _, endpoint = name.partition(" ")
        if endpoint and attributes.get("response_size"):
            t.observe("skillmeat_api_response_size_bytes", attributes["response_size"], method=method, endpoint=endpoint)
        if endpoint and not full:
            t.observe("skillmeat_api_request_duration_seconds", took, method=method, endpoint=endpoint)
        area, _, operation = name.partition(".")
        if area == "memory":
            t.add("skillmeat_memory_operations_total", operation=operation, status=status)
            t.observe("skillmeat_memory_operation_duration_seconds", took, operation=operation)
        if area == "context_pack":
            t.observe("skillmeat_context_pack_generation_duration_seconds", took, mode=operation)


class Memory:
    """A later line tells an item's id alone."""

    def __init__(self):
        self.items = {}

    def read(self, t, r, extra):
        words = r.message.split(" ")
        item = words[3].rstrip(":") if len(words) > 3 and words[1:3] == ["memory", "item"] else None
        if r.logger != "skillmeat.core.services.memory_service" or item is None:
            return
        kind, project, status = self.items.get(item, ("unknown", "unknown", None))
        if words[0] == "Created":
            told = dict(w.strip("(),").split("=") for w in words[4:6])
            self.items[item] = told["type"], told["project"], extra.get("status") or "candidate"
            self.count(t, 1, item)
        if words[0] in ("Promoted", "Deprecated"):
            was, now = (words[4], words[6]) if words[0] == "Promoted" else (words[5].rstrip(")"), extra.get("status") or "deprecated")
            t.shift("skillmeat_memory_items_total", -1, status=was, type=kind)
            if was == "candidate":
                t.shift("skillmeat_memory_inbox_size", -1, project_id=project)
            self.items[item] = kind, project, now
            t.shift("skillmeat_memory_items_total", 1, status=now, type=kind)
        if words[0] == "Deleted" and item in self.items:
            self.count(t, -1, item)
            del self.items[item]

    def count(self, t, change, item):
        kind, project, status = self.items[item]
        t.shift("skillmeat_memory_items_total", change, status=status, type=kind)
        if status == "candidate":
            t.shift("skillmeat_memory_inbox_size", change, project_id=project)


class Marketplace:
    def __init__(self):
        self.failures, self.scans, self.publishes, self.bundles = Waiting(), {}, Waiting(), Waiting()

    def read(self, t, r, message, extra):
        logger, words = r.logger or "", message.split(" ")
        if logger == "skillmeat.core.marketplace.observability" and message.startswith("Unexpected error: "):
            self.failures.begin("", r.at, class_of(extra.get("error_type"), r.fields.get("exception"), r.rest))
        if logger == "skillmeat.core.marketplace.observability" and words[0] == "Completed":
            took = seconds(Number(words[4].removesuffix("ms")))
            t.observe("skillmeat_marketplace_operation_duration_seconds", took, broker="", operation=words[1])
            if r.level == "ERROR":
                kind = self.failures.end("", r.at)[1] or "other"
                t.add("skillmeat_marketplace_errors_total", broker="", operation=words[1], error_type=kind)
        if logger.startswith("skillmeat.marketplace.brokers.") and words[0] == "Fetched":
            broker = {"Claude": "claudehub", "SkillMeat": "skillmeat", "custom": "custom"}[words[4]]
            t.set("skillmeat_marketplace_listings_total", Number(words[1]), broker=broker, type="")
        if message.startswith("Listing marketplace items (broker="):
            broker = message.split("broker=")[1].split(",")[0]
            t.add("skillmeat_marketplace_search_total", broker="all" if broker == "None" else broker)
        if message.startswith("Imported ") and " artifacts from bundle: " in message:
            t.add("skillmeat_marketplace_installs_total", broker="", listing_id="", status="success")
        if message.startswith("Import completed for source "):
            for n, what, name in ((5, "imported,", "imported"), (7, "skipped,", "skipped"), (9, "errors", "error")):
                assert words[n + 1] == what
                t.add("skillmeat_marketplace_import_total", words[n], source_id=words[4].rstrip(":"), status=name)
        self.routers(t, r, message)
        self.scan(t, r, message, extra)
        if message == "Clone operation completed" and "duration_seconds" in extra:
            t.observe("skillmeat_clone_duration_seconds", extra["duration_seconds"], strategy=extra["strategy"])
            t.observe("skillmeat_github_clone_duration_seconds", extra["duration_seconds"])
        if message.startswith("Batch frontmatter extraction complete for ") and "duration_seconds" in extra:
            t.observe("skillmeat_extraction_duration_seconds", extra["duration_seconds"], artifact_count_bucket=extra.get("artifact_count_bucket", "unknown"))

    def routers(self, t, r, message):
        if r.logger == "skillmeat.api.routers.marketplace":
            if message.startswith(("Error installing listing: ", "Failed to import bundle: ")):
                t.add("skillmeat_marketplace_installs_total", broker="", listing_id="", status="error")
            if message.startswith("Publishing bundle: "):
                self.publishes.begin("", r.at, message.split(" ")[-1])
            if message.startswith(("Bundle published: ", "Error publishing bundle: ")):
                status = message.split("status=")[1] if message.startswith("Bundle") else "error"
                t.add("skillmeat_marketplace_publishes_total", broker=self.publishes.end("", r.at)[1] or "unknown", status=status)
        if r.logger != "skillmeat.api.routers.bundles":
            return
        if message.startswith("Importing bundle: "):
            self.bundles.begin("import", r.at, message.split("strategy=")[1].split(",")[0])
        if message.startswith("Exporting bundle: "):
            self.bundles.begin("export", r.at)
        for way in ("import", "export"):
            status = {"successful": "success", "failed": "error"}.get((behind(message, f"Bundle {way} ") or "").split(":")[0])
            if status is None:
                continue
            took, strategy = self.bundles.end(way, r.at)
            t.observe("skillmeat_bundle_operation_duration_seconds", took, operation=way)
            if way == "import":
                t.add("skillmeat_bundle_imports_total", status=status, strategy=strategy or "unknown", format="")
            else:
                t.add("skillmeat_bundle_exports_total", status=status, format="")
            if message.startswith("Bundle export successful: "):
                artifacts, size = message.rpartition("(")[2].removesuffix(" bytes)").split(" artifacts, ")
                t.observe("skillmeat_bundle_artifacts_count", Number(artifacts))
                t.observe("skillmeat_bundle_size_bytes", Number(size), format="")

    def scan(self, t, r, message, extra):
        if message.startswith("Scanning repository: "):
            self.scans[message.split(" ")[2]] = r.at
        done, failed = message.startswith("Scan completed for "), message.startswith("Scan failed for ")
        if not done and not failed:
            return
        words = message.split(" ")
        since = self.scans.pop(words[3].removesuffix(":"), None)
        took = extra.get("scan_duration_seconds")
        if took is None and since is not None and r.at is not None:
            took = r.at - since
        strategy = extra.get("scan_strategy") or "unknown"
        t.observe("skillmeat_scan_total_duration_seconds", took, strategy=strategy, status="success" if done else "error")
        if done:
            t.add("skillmeat_marketplace_scan_artifacts_total", Number(words[4]), source_id="", artifact_type="")
            t.observe("skillmeat_marketplace_scan_duration_seconds", took, source_id="")
            if extra.get("api_calls") is not None:
                t.add("skillmeat_github_requests_total", extra["api_calls"], operation="scan", status="success")
        else:
            kind = class_of(extra.get("error_type"), r.fields.get("exception"), r.rest)
            t.add("skillmeat_marketplace_scan_errors_total", source_id="", error_type=kind)


def mcp(t, r, message, extra):
    if message.startswith("Retrieved ") and message.endswith(" MCP servers"):
        t.set("skillmeat_mcp_servers_total", message.split(" ")[1], status="")
    verbs = {"deploying": "deploy", "undeploying": "undeploy", "checking": "health", "creating": "create", "updating": "update",
             "deleting": "delete", "getting": "get"}
    words = message.split(" ")
    if words[0] == "Error" and "'" in message and "': " in message:  # without a name in quotes it concerns no server
        kind = class_of(extra.get("error_type"), r.fields.get("exception"), r.rest)
        t.add("skillmeat_mcp_errors_total", server=message.split("'")[1], operation=verbs[words[1]], error_type=kind)


def artifacts(t, message):
    result = {"successful": "success", "successfully": "success", "failed": "error"}
    deployed = re.match(r"Artifact '.*' deployed (\S+) to |Deployment (\S+) for '.*': ", message)
    if deployed:
        t.add("skillmeat_artifact_operations_total", operation="deploy", type="unknown", status=result[deployed[1] or deployed[2]])
    synced = re.match(r"Artifact '.*' sync completed: status=(\S+), conflicts=", message)
    if synced:
        t.add("skillmeat_artifact_operations_total", operation="sync", type="unknown", status=synced[1])


def deployments(t, message):
    words = message.split(" ")
    if words[0] == "Deployment" and words[1] == "successful:":
        kind = message.split("(")[1].split(")")[0]
        t.add("skillmeat_artifact_operations_total", operation="deploy", type=kind, status="success")
    if words[:2] == ["Undeploy", "successful:"]:
        t.add("skillmeat_artifact_operations_total", operation="undeploy", type=message.split("(")[1].split(")")[0], status="success")
    if words[:2] in (["Deployment", "failed:"], ["Undeploy", "failed:"]):
        t.add("skillmeat_artifact_operations_total", operation="deploy" if words[0] == "Deployment" else "undeploy", type="unknown", status="error")


def github_and_caches(t, logger, message):
    where = logger.split(".")[-1]
    if message.startswith("GitHub API: Token configured ("):
        t.set("skillmeat_github_rate_limit_remaining", message.split("(")[1].split("/")[0])
    if message.startswith("GitHub API rate limit exceeded"):
        t.add("skillmeat_github_errors_total", operation="metadata", error_type="rate_limit")
        t.set("skillmeat_github_rate_limit_remaining", 0)  # for an hour, which no sample lasts
    if where == "github_metadata":
        if message == "Fetching metadata from GitHub":
            t.add("skillmeat_github_requests_total", operation="metadata", status="success")
            t.add("skillmeat_cache_misses_total", cache_name=where)
        if message.startswith("Failed to fetch ") and " from " in message:
            t.add("skillmeat_github_errors_total", operation="metadata", error_type="fetch")
        if message == "Cache hit for GitHub metadata":
            t.add("skillmeat_cache_hits_total", cache_name=where)
    if message.startswith("Cache metrics: total="):
        t.set("skillmeat_cache_entries_total", message.split("total=")[1].split(",")[0], cache_name="artifacts")
    found = None
    if message.startswith("Similar artifacts for '"):
        found = "(cache HIT)" in message
    elif message.startswith("Cache HIT for '") and message.endswith(" cached result(s)"):
        found = True
    elif where == "projects" and message.startswith("Retrieved ") and "(cache_hit=" in message:
        found = message.split("(cache_hit=")[1].startswith("True")
    elif message.startswith("Upstream cache hit: ") or (message.startswith("Cache hit: ") and " (age=" in message):
        found = True
    if found is not None:
        t.add("skillmeat_cache_hits_total" if found else "skillmeat_cache_misses_total", cache_name=where)


def skillmeat(path):
    t, spans, memory, market = Totals(), Spans(), Memory(), Marketplace()
    for r in records(path, "skillmeat"):
        t.line = r.line
        logger, message, extra = r.logger or "", r.message, r.fields.get("extra") or {}
        if logger == "skillmeat.api.middleware.observability":
            request(t, r, message, extra)
        if logger == "skillmeat.observability.tracing":
            spans.read(t, r, extra)
        if logger == "skillmeat.api.routers.mcp":
            mcp(t, r, message, extra)
        if logger == "skillmeat.api.routers.deployments":
            deployments(t, message)
        if logger == "skillmeat.api.routers.artifacts":
            artifacts(t, message)
        if logger == "skillmeat.perf" and message.startswith("perf.deployment."):
            t.observe("skillmeat_artifact_operation_duration_seconds", seconds(extra.get("elapsed_ms")), operation=message.split(".")[2], type="")
        if message.startswith("Preview pack: "):
            words = message.split(" ")
            t.observe("skillmeat_context_pack_items_selected", Number(words[2].split("/")[0]))
            t.observe("skillmeat_context_pack_token_utilization", Number(words[6].strip("(%")) / 100)
        memory.read(t, r, extra)
        market.read(t, r, message, extra)
        github_and_caches(t, logger, message)
    return t


DERIVE = {"aria": aria, "skillmeat": skillmeat}

if __name__ == "__main__":
    derived = DERIVE[sys.argv[1]](sys.argv[2])
    for (name, labels), value in sorted(derived.values.items()):
        print(name, dict(labels), value)
    for (name, labels), seen in sorted(derived.observations.items()):
        print(name, dict(labels), "count", len(seen), "sum", sum(seen))
