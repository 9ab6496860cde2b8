"""Per metric of the engines' contract: the line that fills it first, or the reason why none can.

    python3 tests/truth/coverage.py SAMPLES > fixtures/coverage.txt

A captured line counts before one that was rendered from a template, and one that is visible by default before one that needs the
log configuration of deploy/engines or DEBUG. Where no sample has such a line, a line of fixtures/packs stands for it.
"""
import json
import pathlib
import sys

import derive

SOURCE = pathlib.Path(__file__).resolve().parents[2]

NEVER = {
    "aria_requests_in_progress": "no line tells that a request began",
    "aria_llm_thinking_duration_seconds": "thinking is never logged",
    "aria_agent_routing_duration_seconds": "no line tells how long routing took",
    "aria_db_query_duration_seconds": "the seconds of SQLAlchemy's `[generated in ...]` are the age of its cache",
    "aria_db_pool_size": "no line tells the pool's size; it shows in the text of an error when it is exhausted",
    "aria_db_pool_available": "no line tells how many connections are free",
    "aria_memory_rss_bytes": "no line tells the process' memory; `logtally exec` and `run --engine-pid` read it themselves",
    "aria_memory_gc_objects": "no line tells what the collector holds",
    "skillmeat_collections_total": "no line tells how many there are",
    "skillmeat_artifacts_total": "no line tells how many there are",
    "skillmeat_cache_size_bytes": "no line tells a cache's size",
    "skillmeat_app_info": "no line tells what the application is",
}

# By the beginning of a sample's name: what an operator has to do to get such lines; the first that fits.
VISIBLE = [
    ("aria_all_templates", "template"), ("aria_api_lastresort_templates", "template"), ("skillmeat_templates", "template"),
    ("edge_cases", "template"),
    ("aria_api_roothandler", "log configuration"), ("skillmeat_structured", "log configuration"),
    ("aria_api_debug", "debug"), ("aria_routing_debug", "debug"),
    ("skillmeat_text", "log_format=text"),
    ("aria_skill_execution", "no caller yet"), ("aria_structlog_edge", "no caller yet"),
    ("", "default"),
]
RANK = ["default", "log_format=text", "log configuration", "debug", "no caller yet", "template"]


def visibility(name):
    return next(how for start, how in VISIBLE if name.startswith(start))


def first_lines(paths, engine):
    """{family: (path, line)} of the first of the paths that fills it."""
    found = {}
    for path in paths:
        for family, line in derive.DERIVE[engine](path).first.items():
            found.setdefault(family, (path, line))
    return found


def rows(samples):
    """(metric, state, where or why) in the contract's order."""
    contract = json.loads((SOURCE / "fixtures" / "contract.json").read_text())
    for engine in ("aria", "skillmeat"):
        logs = [p for p in samples.glob("*") if p.suffix != ".json" and p.name.startswith(engine)]
        captured = first_lines(sorted(logs, key=lambda p: (RANK.index(visibility(p.name)), p.name)), engine)
        stand_ins = first_lines(sorted((SOURCE / "fixtures" / "packs").glob(engine + "_*/input.log")), engine)
        for metric in contract[engine]:
            name = metric["name"]
            if name in captured:
                path, line = captured[name]
                yield name, visibility(path.name), f"{path.name}:{line}"
            elif name in stand_ins:
                path, line = stand_ins[name]
                yield name, "no sample", f"{path.relative_to(SOURCE)}:{line}"
            else:
                yield name, "never", NEVER.get(name, "?")


def report(samples):
    lines = [f"{name:<52} {state:<18} {where}" for name, state, where in rows(samples)]
    return "# metric, how its lines become visible, the line that fills it first or why none can (tests/truth/coverage.py)\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(report(pathlib.Path(sys.argv[1])))
