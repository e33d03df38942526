"""What Argo's API has no word for: events, decisions, firings, explanations, kinds, applying any object."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from controller import happenings
from events import poison
from events.model import Event
from sensors import compile, explain, lease_store, pages
from sensors import store as decided
from server import bindings, listening, log
from server.api import replies
from server.api.routes import Ask, BadRequest, Routes
from server.deck import Deck
from server.objects import check
from server.objects.model import CLUSTER_SCOPED

routes = Routes()
BASE = "/api/v1/bireme"


@routes.add("GET", BASE + "/events", "list", "events")
async def events(ask: Ask) -> web.StreamResponse:
    found = await log.newest(
        ask.deck.database,
        namespace=ask.query("namespace"),
        source=ask.query("source"),
        limit=min(ask.number("limit", 50), 1000),
    )
    return replies.reply({"items": [log.shown(event) for event in found]})


@routes.add("GET", BASE + "/events/{event}", "get", "events")
async def event(ask: Ask) -> web.StreamResponse:
    return replies.reply(log.shown(await log.find(ask.deck.database, ask.part("event"))))


@routes.add("GET", BASE + "/poison", "list", "events")
async def poisonous(ask: Ask) -> web.StreamResponse:
    """Messages that could be no event, oldest first, the last `limit` of them."""
    found = await poison.listed(
        ask.deck.database,
        namespace=ask.query("namespace"),
        source=ask.query("source"),
        limit=min(ask.number("limit", 50), 1000),
    )
    return replies.reply({"items": found})


@routes.add("GET", BASE + "/poison/{message}", "get", "events")
async def one_poisonous(ask: Ask) -> web.StreamResponse:
    """One of them, with its body as far as it was kept."""
    return replies.reply(await poison.find(ask.deck.database, ask.part("message")))


@routes.add("DELETE", BASE + "/poison/{message}", "delete", "events")
async def discard_poison(ask: Ask) -> web.StreamResponse:
    await poison.discard(ask.deck.database, ask.part("message"))
    return replies.reply({})


@routes.add("GET", BASE + "/stream/events", "watch", "events")
async def tail(ask: Ask) -> web.StreamResponse:
    """Events from now on (or after `after`), as they are accepted."""
    namespace, source = ask.query("namespace"), ask.query("source")
    after = ask.number("after", -1)
    if after < 0:
        last = await log.newest(ask.deck.database, limit=1)
        after = last[0].seq if last else 0

    async def results() -> AsyncIterator[Any]:
        async for batch in ask.deck.bus.read("tail", after):
            for event in batch:
                if namespace in ("", event.namespace) and source in ("", event.source):
                    yield log.shown(event)

    return await replies.stream(ask.request, results())


@routes.add("GET", BASE + "/decisions", "list", "decisions")
async def decisions(ask: Ask) -> web.StreamResponse:
    """The last decisions, oldest first: of an event, a firing, a sensor (with its namespace), or of all."""
    database, limit = ask.deck.database, min(ask.number("limit", 200), 1000)
    namespace, sensor = ask.query("namespace"), ask.query("sensor")
    if ask.query("event"):
        seqs = [(await log.find(database, ask.query("event"))).seq]
        found = await decided.decisions(database, seqs=seqs, limit=limit)
    elif ask.query("firing"):
        found = await decided.decisions(database, firing=ask.query("firing"), limit=limit)
    elif sensor:
        home = namespace or ask.deck.settings.namespace
        found = await decided.decisions(database, namespace=home, sensor=sensor, limit=limit)
    else:
        seqs = await log.last_decided(database, limit)
        found = await decided.decisions(database, seqs=seqs, limit=limit) if seqs else []
    kept = [d for d in found if namespace in ("", d["namespace"])]
    return replies.reply({"items": kept})


@routes.add("GET", BASE + "/workers", "list", "workers")
async def workers(ask: Ask) -> web.StreamResponse:
    """Which sensor workers are alive, and which sensor each holds; nothing where this engine decides itself."""
    database = ask.deck.database
    if ask.deck.settings.role == "all":
        return replies.reply({"items": [], "leases": []})
    found = {
        "items": await lease_store.workers(database),
        "leases": await lease_store.shown(database),
    }
    return replies.reply(found)


@routes.add("GET", BASE + "/firings", "list", "firings")
async def firings(ask: Ask) -> web.StreamResponse:
    """Firings, newest first, by pages."""
    limit = max(1, min(ask.number("limit", 200), 1000))
    found = await decided.firings(
        ask.deck.database,
        namespace=ask.query("namespace"),
        sensor=ask.query("sensor"),
        status=ask.query("status"),
        after=pages.mark(ask.query("continue")),
        limit=limit + 1,
    )
    return replies.reply(pages.answer(found, limit))


@routes.add("GET", BASE + "/explain/event/{event}", "explain", "events")
async def explain_event(ask: Ask) -> web.StreamResponse:
    found = await log.find(ask.deck.database, ask.part("event"))
    made = await decided.decisions(ask.deck.database, seqs=[found.seq])
    listeners = [
        f"{stored.namespace}/{stored.name}"
        for stored in ask.deck.objects.of_kind("Sensor", found.namespace)
        if _listens(stored.manifest, found)
    ]
    fired = await _firings_of(ask.deck, made)
    return replies.reply(explain.event(log.shown(found), made, fired, listeners))


def _listens(manifest: Mapping[str, Any], event: Event) -> bool:
    heard = (event.source, event.subject) in compile.subscriptions(manifest)
    return heard and compile.bus(manifest) == event.bus


async def _firings_of(deck: Deck, decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = sorted({d["firing"] for d in decisions if d["firing"]})
    return await decided.firings(deck.database, ids=ids) if ids else []


@routes.add("GET", BASE + "/explain/sensor/{namespace}/{name}", "explain", "sensors")
async def explain_sensor(ask: Ask) -> web.StreamResponse:
    namespace, name = ask.namespace, ask.part("name")
    binding = bindings.binding_of(name)
    kind = "WorkflowEventBinding" if binding else "Sensor"
    stored = ask.deck.objects.get(kind, namespace, binding or name)
    database = ask.deck.database
    made = await decided.decisions(database, namespace=namespace, sensor=name)
    fired = await decided.firings(database, namespace=namespace, sensor=name)
    problems = ask.deck.sensors.problems(namespace, name)
    hears = [] if binding else _listens_to(ask.deck, namespace, stored.manifest)
    return replies.reply(explain.sensor(namespace, name, made, fired, problems, hears))


def _listens_to(deck: Deck, namespace: str, sensor: Mapping[str, Any]) -> list[dict[str, Any]]:
    sources = [stored.manifest for stored in deck.objects.of_kind("EventSource", namespace)]
    statuses = [status for status in deck.sources.status() if status.namespace == namespace]
    return listening.dependencies(sensor, sources, statuses)


@routes.add("GET", BASE + "/explain/workflow/{namespace}/{name}", "explain", "workflows")
async def explain_workflow(ask: Ask) -> web.StreamResponse:
    """Where a workflow comes from (a firing with its events and decisions, a schedule, a person) and how it stands."""
    deck = ask.deck
    row = await deck.controller.reading.row(ask.namespace, ask.part("name"))
    found = await deck.controller.get(row.namespace, row.name)
    made = await decided.decisions(deck.database, firing=row.firing) if row.firing else []
    caused = await log.by_seqs(deck.database, sorted({d["seq"] for d in made if d["seq"]}))
    fired = await decided.firings(deck.database, ids=[row.firing]) if row.firing else []
    causes: list[dict[str, Any]] = []
    if fired:
        shown = [log.shown(event, with_data=False) for event in caused]
        causes = explain.firing(fired[0], made, shown)["causes"]
    nodes = (found["status"].get("nodes") or {}).values()
    return replies.reply(
        {
            "workflow": {"namespace": row.namespace, "name": row.name, "phase": row.phase},
            "origin": _origin(row, found, fired),
            "causes": causes,
            "nodes": [
                {
                    "name": n["displayName"],
                    "phase": n.get("phase") or "",
                    "message": n.get("message") or "",
                    "startedAt": n.get("startedAt"),
                }
                for n in nodes
                if _is_telling(n)
            ],
        }
    )


def _is_telling(node: Mapping[str, Any]) -> bool:
    """What failed, what has something to say, and what the workflow is at or waits for."""
    is_busy = node.get("type") in ("Pod", "Suspend", "HTTP", "Plugin")
    phases = ("Failed", "Error", "Running", "Pending") if is_busy else ("Failed", "Error")
    return bool(node.get("message")) or node.get("phase") in phases


def _origin(row: Any, found: Mapping[str, Any], fired: list[dict[str, Any]]) -> str:
    if fired:
        first = fired[0]
        return f"fired by sensor {first['namespace']}/{first['sensor']}, trigger {first['trigger']}"
    if row.cron:
        return f"started by CronWorkflow {row.cron}"
    labels = found["metadata"].get("labels") or {}
    if sensor := labels.get("events.argoproj.io/sensor"):
        return f"fired by sensor {sensor}; the firing and its events are kept no longer"
    before = labels.get("workflows.argoproj.io/resubmitted-from-workflow")
    if before:
        return f"resubmitted from workflow {before}"
    return "applied from a manifest" if row.firing else "submitted by hand"


@routes.add("GET", BASE + "/workflow-events/{namespace}/{name}", "list", "workflows")
async def workflow_events(ask: Ask) -> web.StreamResponse:
    """What happened to a workflow, as Argo's events tell it; the last `limit` of them, oldest first."""
    steps = await ask.deck.controller.reading.history(ask.namespace, ask.part("name"))
    limit = max(ask.number("limit", 1000), 1)
    return replies.reply({"items": list(happenings.of_history(steps))[-limit:]})


@routes.add("GET", BASE + "/kinds", "list", "kinds")
async def kinds(ask: Ask) -> web.StreamResponse:
    from server import families

    return replies.reply(families.kinds())


@routes.add("POST", BASE + "/objects/apply", "apply", "objects")
async def apply(ask: Ask) -> web.StreamResponse:
    """Apply one manifest of any kind. `lines` and `file` say where its fields stand, for decisions and complaints."""
    body: Any = await ask.body()
    if not isinstance(body.get("manifest"), dict):
        raise BadRequest('the body needs an object "manifest"')
    namespace = (body["manifest"].get("metadata") or {}).get("namespace")
    checked = check.value(body["manifest"], namespace or ask.deck.settings.namespace)
    lines = {str(k): int(v) for k, v in (body.get("lines") or {}).items()}
    checked = replace(checked, lines=lines, file=str(body.get("file") or ""))
    check.validate(checked, ask.deck.template)
    return replies.reply(await ask.deck.objects.apply(checked))


@routes.add("GET", BASE + "/objects/{namespace}/{kind}", "list", "objects")
async def objects(ask: Ask) -> web.StreamResponse:
    found = ask.deck.objects.of_kind(ask.part("kind"), ask.namespace)
    return replies.listing(f"{ask.part('kind')}List", [stored.as_manifest() for stored in found])


@routes.add("DELETE", BASE + "/objects/{namespace}/{kind}/{name}", "delete", "objects")
async def delete(ask: Ask) -> web.StreamResponse:
    kind = ask.part("kind")
    namespace = "" if kind in CLUSTER_SCOPED else ask.namespace
    return replies.reply(await ask.deck.objects.delete(kind, namespace, ask.part("name")))
