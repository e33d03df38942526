"""Workflows made of a seed, out of everything that can be interrupted: retries, loops, hooks, locks, caches, pauses."""

from random import Random
from typing import Any

Json = dict[str, Any]
BODY = {"container": {"image": "x", "command": ["true"], "args": ["{{node.name}}"]}}
MUTEX = {"mutexes": [{"name": "m"}]}
SEMAPHORE = {"semaphores": [{"database": {"key": "k"}}]}
LIMITS = {"m": 1, "k": 2}
"""How many may hold each lock of these workflows at a time; every other lock is a mutex."""

LEAVES: tuple[Json, ...] = (
    {"name": "leaf", **BODY},
    {"name": "retried", **BODY, "retryStrategy": {"limit": 2}},
    {"name": "waiting", **BODY, "retryStrategy": {"limit": 1, "backoff": {"duration": "5s"}}},
    {"name": "alone", **BODY, "synchronization": MUTEX},
    {"name": "alone-again", **BODY, "synchronization": MUTEX, "retryStrategy": {"limit": 2}},
    {"name": "few", **BODY, "synchronization": SEMAPHORE},
    {"name": "both", **BODY, "synchronization": {**MUTEX, **SEMAPHORE}},
    {
        "name": "kept",
        **BODY,
        "memoize": {"key": "kept", "cache": {"configMap": {"name": "cache"}}},
        "outputs": {"parameters": [{"name": "p", "valueFrom": {"path": "/tmp/p"}}]},
    },
    {
        "name": "kept-alone",
        **BODY,
        "memoize": {"key": "alone", "cache": {"configMap": {"name": "cache"}}},
        "synchronization": MUTEX,
        "outputs": {"parameters": [{"name": "p", "valueFrom": {"path": "/tmp/p"}}]},
    },
    {"name": "nap", "suspend": {"duration": "7s"}},
    {"name": "approval", "suspend": {}},
    {
        "name": "set",
        "containerSet": {"containers": [{"name": "main", **BODY["container"]}]},
    },
)
DAEMON: Json = {"name": "daemon", **BODY, "daemon": True}


def random_spec(rng: Random) -> Json:
    """A spec with one level of nesting. `inner` and the whole run may need locks of their own, `outer` and `wf`."""
    names = [leaf["name"] for leaf in LEAVES]
    inner = _body(rng, "inner", names)
    if rng.random() < 0.3:
        inner["synchronization"] = {"mutexes": [{"name": "outer"}]}
    if rng.random() < 0.2:
        inner["retryStrategy"] = {"limit": 1}
    daemons = ["daemon"] if rng.random() < 0.2 else []
    main = _body(rng, "main", [*names, *["inner"] * 4, *daemons])
    if rng.random() < 0.2:
        main["parallelism"] = rng.randint(1, 2)
    spec: Json = {"entrypoint": "main", "templates": [main, inner, *LEAVES, DAEMON]}
    if rng.random() < 0.3:
        spec["parallelism"] = rng.randint(1, 3)
    if rng.random() < 0.3:
        spec["onExit"] = rng.choice(("leaf", "alone", "inner"))
    if rng.random() < 0.2:
        spec["synchronization"] = {"mutexes": [{"name": "wf"}]}
    if rng.random() < 0.2:
        spec["hooks"] = {"seen": {"template": "leaf", "expression": 'workflow.status == "Running"'}}
    return spec


def _body(rng: Random, name: str, templates: list[str]) -> Json:
    made = _steps(rng, templates) if rng.random() < 0.5 else _dag(rng, templates)
    return {"name": name, **made}


def _steps(rng: Random, templates: list[str]) -> Json:
    sizes = [rng.randint(1, 3) for _ in range(rng.randint(1, 3))]
    groups = [[_one(rng, f"s{g}{i}", templates) for i in range(n)] for g, n in enumerate(sizes)]
    return {"steps": groups}


def _dag(rng: Random, templates: list[str]) -> Json:
    tasks = []
    for i in range(rng.randint(1, 5)):
        task = _one(rng, f"t{i}", templates)
        needs = sorted(rng.sample(range(i), rng.randint(0, min(i, 2))))
        if needs:
            words = ("", "", ".Succeeded", ".Failed")
            task["depends"] = " && ".join(f"t{j}{rng.choice(words)}" for j in needs)
        tasks.append(task)
    if any("depends" in task for task in tasks):
        tasks = [{k: v for k, v in task.items() if k != "continueOn"} for task in tasks]
    return {"dag": {"tasks": tasks, "failFast": rng.random() < 0.5}}


def _one(rng: Random, name: str, templates: list[str]) -> Json:
    """A step or task: a template, perhaps looped, conditional, tolerant or hooked."""
    found: Json = {"name": name, "template": rng.choice(templates)}
    if rng.random() < 0.25:
        found["withItems"] = rng.choice(([], ["a"], ["a", "b", "c"]))
    if rng.random() < 0.15:
        found["when"] = rng.choice(("true", "1 == 2"))
    if rng.random() < 0.2:
        found["continueOn"] = {"failed": True}
    if rng.random() < 0.2:
        found["hooks"] = {"exit": {"template": rng.choice(("leaf", "alone"))}}
    if rng.random() < 0.15:
        root, phase = "steps" if name[0] == "s" else "tasks", rng.choice(("Running", "Succeeded"))
        seen = {"template": "leaf", "expression": f'{root}.{name}.status == "{phase}"'}
        found.setdefault("hooks", {})["seen"] = seen
    return found
