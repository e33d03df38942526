"""Event source `resource`: objects of a Kubernetes cluster that are added, updated and deleted.

    spec:
      resource:
        pods:
          namespace: shop
          version: v1
          resource: pods
          eventTypes: [ADD, DELETE]
          filter:
            labels: [{key: app, operation: "==", value: web}]
            fields: [{key: status.phase, operation: "!=", value: Pending}]
            afterStart: true

Payload: `{"type": "ADD", "body": {…}, "oldBody": null, "group": "", "version": "v1", "resource": "pods",
"metadata": {…}}`. Existing objects are added once, at the very first start (not with `afterStart`). The place in the
watch is kept with the events, so that a restart tells what happened meanwhile and nothing twice. `cluster: {url, token,
caCertificate}` is ours.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from bireme.lang import gjson
from events import fields
from events.cluster import Cluster, ClusterConfig, Expired, connected
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

_TYPES = {"ADDED": "ADD", "MODIFIED": "UPDATE", "DELETED": "DELETE"}
_SEEN = "object/"
_PLACE = "place"
_BATCH = 500
_PAUSE_S = 0.2  # an API that ends every watch at once is not asked without end
_SYMBOLS = {"gt": ">", "lt": "<"}
_EQUAL = ("", "=", "==")

Thing = Mapping[str, Any]


class Selector(fields.Fields, frozen=True, kw_only=True):
    """What is compared, how, with what."""

    key: str
    operation: str = ""
    value: str = ""


class ObjectFilter(fields.Fields, frozen=True, kw_only=True):
    """All must hold. `fields` are paths into the object; their values are regular expressions found anywhere."""

    prefix: str = ""
    labels: tuple[Selector, ...] = ()
    fields: tuple[Selector, ...] = ()
    created_by: datetime | None = None
    after_start: bool = False


@sources.register("resource")
class ResourceSource:
    """Each change once, in the API's order. A place that the API has forgotten is made up for by listing."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        namespace: str = ""
        group: str = ""
        version: str = ""
        resource: str = ""
        event_types: tuple[str, ...] = ()
        filter: ObjectFilter | None = None
        cluster: ClusterConfig | None = None
        metadata: dict[str, str] | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        _check(config)
        self._config = config
        self._around = surroundings
        self._wanted = config.filter or ObjectFilter()
        self._path = _path(config)
        query = ",".join(requirement(one) for one in self._wanted.labels)
        self._query = {"labelSelector": query} if query else {}
        self._objects: dict[str, Thing] = {}
        self._versions: dict[str, Thing] = {}
        self._publish: Publish

    async def run(self, publish: Publish) -> None:
        self._publish = publish
        facts = await self._around.state.facts(self._around.place)
        place = facts.get(_PLACE, b"").decode()
        self._versions = {
            name.removeprefix(_SEEN): orjson.loads(fact)
            for name, fact in facts.items()
            if name.startswith(_SEEN)
        }
        async with connected(self._config.cluster, self._around) as cluster:
            if not place:
                place = await self._list(cluster, is_first=True)
            self._around.ready()
            while True:
                try:
                    place = await self._watch(cluster, place)
                except Expired:
                    place = await self._list(cluster, is_first=False)
                await self._around.clock.sleep(_PAUSE_S)

    async def _list(self, cluster: Cluster, *, is_first: bool) -> str:
        """Tell the difference between what was known and what is there."""
        found, place = await cluster.list(self._path, self._query)
        there = {_uid(thing) for thing in found}
        gone = [last for uid, last in self._versions.items() if uid not in there]
        changes: list[tuple[str, Thing]] = [(self._change_to(thing), thing) for thing in found]
        changes += [("DELETE", last) for last in gone]
        is_quiet = is_first and self._wanted.after_start
        for start in range(0, len(changes), _BATCH):
            await self._tell(changes[start : start + _BATCH], is_quiet=is_quiet)
        await self._around.state.note(self._around.place, {_PLACE: place.encode()})
        return place

    def _change_to(self, thing: Thing) -> str:
        """What has happened to it since it was last seen; nothing, perhaps."""
        last = self._versions.get(_uid(thing))
        if last is None:
            return "ADD"
        return "" if _version(last) == _version(thing) else "UPDATE"

    async def _watch(self, cluster: Cluster, place: str) -> str:
        async for kind, thing in cluster.watch(self._path, self._query, place):
            place = _version(thing) or place
            if kind in _TYPES:
                await self._tell([(_TYPES[kind], thing)], place)
            else:  # a bookmark
                await self._around.state.note(self._around.place, {_PLACE: place.encode()})
        return place

    async def _tell(
        self, changes: Sequence[tuple[str, Thing]], place: str = "", *, is_quiet: bool = False
    ) -> None:
        """Changes, noted in the commit of their events."""
        wanted = [] if is_quiet else [one for one in changes if self._is_wanted(*one)]
        facts: dict[str, bytes | None] = {
            _SEEN + _uid(thing): None if kind == "DELETE" else orjson.dumps(_compact(thing))
            for kind, thing in changes
        }
        if place:
            facts[_PLACE] = place.encode()
        await self._publish([self._event(*one) for one in wanted], facts)
        for kind, thing in changes:
            self._remember(kind, thing)

    def _remember(self, kind: str, thing: Thing) -> None:
        if kind == "DELETE":
            self._objects.pop(_uid(thing), None)
            self._versions.pop(_uid(thing), None)
        else:
            self._objects[_uid(thing)], self._versions[_uid(thing)] = thing, _compact(thing)

    def _is_wanted(self, kind: str, thing: Thing) -> bool:
        """What the API repeats, as it does after a reconnect, is no change."""
        last = self._versions.get(_uid(thing))
        is_repeated = last is not None and kind != "DELETE" and _version(last) == _version(thing)
        return kind in self._config.event_types and not is_repeated and self._passes(thing)

    def _passes(self, thing: Thing) -> bool:
        about = thing["metadata"]
        wanted = self._wanted
        if wanted.created_by is not None and _created(thing) > wanted.created_by:
            return False
        return about.get("name", "").startswith(wanted.prefix) and matches(thing, wanted.fields)

    def _event(self, kind: str, thing: Thing) -> NewEvent:
        config = self._config
        payload = {
            "type": kind,
            "body": thing,
            "oldBody": self._objects.get(_uid(thing)) if kind == "UPDATE" else None,
            "group": config.group,
            "version": config.version,
            "resource": config.resource,
        }
        if config.metadata:
            payload["metadata"] = config.metadata
        return NewEvent(data=orjson.dumps(payload), dedup=f"{_uid(thing)}/{kind}/{_version(thing)}")


def requirement(selector: Selector) -> str:
    """One label selector in the API's own language. Raises BadSourceConfig."""
    key, operation, value = selector.key, selector.operation, selector.value
    if not key:
        raise BadSourceConfig("filter.labels: key is missing")
    if operation in _EQUAL:
        return f"{key}={value}"
    if operation == "!=":
        return f"{key}!={value}"
    if operation == "exists":
        return key
    if operation == "!":
        return f"!{key}"
    if operation in ("in", "notin"):
        return f"{key} {operation} ({value})"
    if operation in _SYMBOLS:
        return f"{key}{_SYMBOLS[operation]}{value}"
    raise BadSourceConfig(
        f"filter.labels: unknown operation {operation!r}; known: = == != exists ! in notin gt lt"
    )


def matches(thing: Thing, selectors: tuple[Selector, ...]) -> bool:
    """Whether all the fields hold. A missing one holds nothing, `!=` neither."""
    text = orjson.dumps(thing)
    for selector in selectors:
        found = gjson.get(text, selector.key)
        if not found.exists:
            return False
        is_found = re.search(selector.value, found.text) is not None
        if is_found is (selector.operation == "!="):
            return False
    return True


def _check(config: ResourceSource.Config) -> None:
    if not config.version or not config.resource:
        raise BadSourceConfig("version and resource are needed, e.g. v1 and pods")
    if not config.event_types:
        raise BadSourceConfig("eventTypes is missing: write some of ADD, UPDATE, DELETE")
    if unknown := sorted(set(config.event_types) - set(_TYPES.values())):
        raise BadSourceConfig(f"eventTypes: unknown {unknown[0]!r}; known: ADD, UPDATE, DELETE")
    for selector in config.filter.fields if config.filter else ():
        if selector.operation not in (*_EQUAL, "!="):
            raise BadSourceConfig(
                f"filter.fields: unknown operation {selector.operation!r}; known: = == !="
            )
        try:
            re.compile(selector.value)
        except re.error as error:
            raise BadSourceConfig(f"filter.fields: {selector.value!r}: {error}") from error


def _path(config: ResourceSource.Config) -> str:
    base = f"/apis/{config.group}/{config.version}" if config.group else f"/api/{config.version}"
    place = f"/namespaces/{config.namespace}" if config.namespace else ""
    return f"{base}{place}/{config.resource}"


def _compact(thing: Thing) -> Thing:
    """What is remembered of an object, and told of it when it went while nobody watched."""
    about = thing["metadata"]
    names = ("name", "namespace", "uid", "labels", "resourceVersion", "creationTimestamp")
    kept = {name: about[name] for name in names if name in about}
    rest = {name: thing[name] for name in ("apiVersion", "kind") if name in thing}
    return {**rest, "metadata": kept}


def _uid(thing: Thing) -> str:
    about = thing["metadata"]
    return str(about.get("uid") or f"{about.get('namespace', '')}/{about.get('name', '')}")


def _version(thing: Thing) -> str:
    return str(thing["metadata"].get("resourceVersion", ""))


def _created(thing: Thing) -> datetime:
    return datetime.fromisoformat(thing["metadata"]["creationTimestamp"])
