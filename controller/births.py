"""How a workflow comes to be: checked, named, begun and advanced once, all before anything is written.

Runs in the writer thread (a firing's workflow is born in the firing's own transaction) and on the loop. Pure but for
ids; what it remembers is only which specs have passed their checks.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from bireme.kit.errors import InvalidManifest, Problem
from bireme.kit.ids import Ids, digest
from bireme.manifests import decode, validate
from controller import codec, merge, sleepers, templates
from controller.dag import model as dag
from controller.dag.advance import advance
from controller.dag.begin import begin
from controller.dag.library import Library
from controller.dag.state import Run
from controller.model import Definition, HistoryRow, Json, RunRow, SleeperRow, cron_key
from controller.submission import CRON, template_label
from controller.templates import TemplateShelf

LARGE = 200_000
"""Bytes of a spec from which on checking it is no work for the database's writer, or the loop: seconds at 10 MB."""
REMEMBERED_BYTES = 4_000_000
"""A spec in memory takes a few times its text."""
LONGEST_NAME = 63
_BEFOREHAND = "beforehand"
Seed = Callable[[Run], list[dag.Change]]
"""Puts nodes into a run that has not begun, and says what that changed."""
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class LiveRun:
    """A run in memory, with what is waiting for it. `n` counts its rows of history; one step at a time (`busy`)."""

    uid: str
    namespace: str
    name: str
    definition: Definition
    created_at: datetime
    run: Any
    cron: str | None = None
    has_metrics: bool = False
    estimate: int | None = None
    n: int = 0
    busy: bool = False
    ready: bool = False
    over: bool = False
    inbox: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Newborn:
    """A run that can be written: its row, its first step (None while it waits for admission) and what that asks."""

    live: LiveRun
    row: RunRow
    entry: HistoryRow | None
    effects: list[dag.Effect]
    rest: SleeperRow | None = None


@dataclass(slots=True)
class _Checked:
    """A spec that passed its checks, as it was then. `lower` are the arguments of its template and of the defaults.

    `library` is set once there has been a run of it.
    """

    spec: Json
    stored_spec: Json | None
    templates: dict[str, Json]
    lower: tuple[Json, ...]
    config_maps: dict[str, dict[str, str]]
    library: Library | None = None

    def definition(self, manifest: Json) -> Definition:
        """What a run of `manifest`, which differs from this spec only in its arguments, is made of.

        Everything but the arguments is shared between such runs, in memory too.
        """
        own = _with_values(self.spec.get("arguments"), manifest["spec"].get("arguments"))
        spec = self.spec if own is None else {**self.spec, "arguments": own}
        stored = self.stored_spec
        if stored is not None:
            stored = {**stored, "arguments": merge.join_arguments([own or {}, *self.lower])}
        return Definition(
            manifest={**manifest, "spec": spec},
            stored_spec=stored,
            templates=self.templates,
            config_maps=self.config_maps,
        )


def _with_values(checked: Json | None, given: Json | None) -> Json | None:
    """The arguments that were checked, with the texts given this time: those are all that may differ."""
    if checked is None or given is None:
        return checked
    parameters = [
        {**parameter, "value": new["value"]} if isinstance(new.get("value"), str) else parameter
        for parameter, new in zip(
            checked.get("parameters") or [], given.get("parameters") or [], strict=True
        )
    ]
    return {**checked, "parameters": parameters}


class Nursery:
    """Makes runs out of manifests. The thousandth workflow of one spec is not checked again."""

    def __init__(
        self,
        shelf: TemplateShelf,
        ids: Ids,
        *,
        defaults: Json | None = None,
        waits: bool = False,
        overlooked: Callable[[Json], Collection[str]] = lambda spec: (),
    ) -> None:
        """`overlooked` names the fields of a spec that have no effect where its steps run."""
        self._overlooked = overlooked
        self._shelf = shelf
        self._ids = ids
        self._defaults = defaults
        self._waits = waits
        self._checked: _Remembered[_Checked] = _Remembered()
        self._libraries: _Remembered[Library] = _Remembered()

    def bear(
        self,
        manifest: Json,
        now: datetime,
        *,
        firing: str = "",
        attempt: int = 0,
        seed: Seed | None = None,
    ) -> Newborn:
        """The run that `manifest` asks for. Raises InvalidManifest with every problem.

        `seed` puts nodes into it before it begins. For a firing, uid and name depend only on the firing (and on
        `attempt`, for a name that was taken).
        """
        named = self._named(manifest, firing, attempt)
        checked = self._checked_spec(named)
        uid = str(UUID(hex=digest("run", firing))) if firing else self._ids.uid()
        live = self.revive(checked.definition(named), uid, now, checked.library)
        checked.library = live.run.library
        planted = seed(live.run) if seed else []
        if self._waits:
            entry = _first_entry(live, planted, now) if planted else None
            return Newborn(live, codec.new_row(live, firing), entry, [])
        return self._begun(live, planted, now, firing)

    async def prepare(self, manifest: Json, now: datetime) -> None:
        """Check and compile a large spec in a thread, so that `bear` finds it done. Raises as `bear` does."""
        named = self._named(manifest, _BEFOREHAND, 0)
        namespace, spec = named["metadata"]["namespace"], named.get("spec")
        key = _fingerprint(spec, namespace, self._shelf.version)
        if self._checked.get(key) is not None or not isinstance(spec, dict):
            return
        base = templates.base_spec(spec, self._shelf, namespace)
        if key.size + len(msgspec.json.encode(base)) >= LARGE:
            await asyncio.to_thread(self.bear, manifest, now, firing=_BEFOREHAND)

    def _begun(
        self, live: LiveRun, planted: list[dag.Change], now: datetime, firing: str
    ) -> Newborn:
        first = advance(live.run, [dag.Begin()], now)
        entry = _first_entry(live, [*planted, *first.changes], now)
        rest = sleepers.row_of(live, first.effects, now)
        return Newborn(live, codec.new_row(live, firing), entry, first.effects, rest)

    def revive(
        self,
        definition: Definition,
        uid: str,
        created_at: datetime,
        library: Library | None = None,
    ) -> LiveRun:
        """The run as it was before its first step. `library`: what is compiled of its templates, where it is known."""
        metadata = definition.metadata
        labels = metadata.get("labels") or {}
        namespace = metadata["namespace"]
        source = dag.Source(
            uid=uid,
            name=metadata["name"],
            namespace=namespace,
            spec=definition.spec,
            created=created_at,
            labels=labels,
            annotations=metadata.get("annotations") or {},
            templates=definition.templates,
            config_maps=definition.config_maps,
        )
        cron = cron_key(namespace, labels[CRON]) if CRON in labels else None
        run = begin(source)
        run.library = library or self._library(definition, source)
        return LiveRun(
            uid, namespace, metadata["name"], definition, created_at, run, cron,
            has_metrics=run.library.has_metrics,
        )  # fmt: skip

    def _named(self, manifest: Json, firing: str, attempt: int) -> Json:
        metadata = dict(manifest.get("metadata") or {})
        metadata["namespace"] = metadata.get("namespace") or "default"
        if label := template_label(manifest.get("spec")):
            metadata["labels"] = {**(metadata.get("labels") or {}), **label}
        if not metadata.get("name"):
            if not metadata.get("generateName"):
                raise _nameless()
            suffix = self._suffix(firing, attempt)
            metadata["name"] = metadata["generateName"][: _LONGEST_NAME - len(suffix)] + suffix
        return {**manifest, "metadata": metadata}

    def _suffix(self, firing: str, attempt: int) -> str:
        if not firing:
            return self._ids.suffix()
        number = int(digest("name", firing, str(attempt)), 16)
        letters = ""
        for _ in range(5 + attempt):
            number, place = divmod(number, len(_LETTERS))
            letters += _LETTERS[place]
        return letters

    def _checked_spec(self, manifest: Json) -> _Checked:
        spec = manifest.get("spec")
        key = _fingerprint(spec, manifest["metadata"]["namespace"], self._shelf.version)
        known = self._checked.get(key)
        if known is None or not _is_plain(manifest["metadata"]):
            known = self._check(manifest)
            self._checked.put(key, known)
        return known

    def _check(self, manifest: Json) -> _Checked:
        decoded = decode.decode(manifest)
        problems = validate.validate_workflow(decoded, self._shelf.template, mode="create")
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors:
            raise InvalidManifest(errors)
        namespace, spec = manifest["metadata"]["namespace"], decoded.raw["spec"]
        base = templates.base_spec(spec, self._shelf, namespace)
        layers = [layer for layer in (base, self._defaults) if layer]
        stored = merge.join_specs(spec, base, self._defaults) if layers else None
        whole = spec if stored is None else stored
        reached = templates.closure(whole, self._shelf, namespace)
        return _Checked(
            spec,
            stored,
            reached,
            tuple(layer.get("arguments") or {} for layer in layers),
            templates.config_maps(whole, reached, self._shelf, namespace),
        )

    def _library(self, definition: Definition, source: dag.Source) -> Library:
        """What is compiled of the templates, shared by all runs that have the same ones."""
        rest = {key: value for key, value in definition.spec.items() if key != "arguments"}
        key = Key.of(msgspec.json.encode((rest, definition.templates)))
        known = self._libraries.get(key)
        if known is None:
            specs = {"": source.spec, **source.templates}
            overlooked = [
                f"{name} {path}".strip()
                for name, spec in specs.items()
                for path in self._overlooked(spec)
            ]
            known = Library(source, overlooked)
            self._libraries.put(key, known)
        return known


class Key(NamedTuple):
    """What a remembered value is known by, and how many bytes of manifest it stands for."""

    digest: str
    size: int

    @classmethod
    def of(cls, encoded: bytes) -> "Key":
        return cls(digest(encoded.decode()), len(encoded))


class _Remembered(Generic[T]):
    """The values put last, as many as `REMEMBERED_BYTES` of manifests made. Two threads may use it."""

    def __init__(self) -> None:
        self._values: OrderedDict[Key, T] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: Key) -> T | None:
        return self._values.get(key)

    def put(self, key: Key, value: T) -> None:
        with self._lock:
            if key not in self._values:
                self._size += key.size
            self._values[key] = value
            while self._size > REMEMBERED_BYTES and len(self._values) > 1:
                self._size -= self._values.popitem(last=False)[0].size


_LONGEST_NAME = 63
"""As the Kubernetes API server does it, a long generateName is cut to make room for its suffix."""

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def _first_entry(live: LiveRun, changes: list[dag.Change], now: datetime) -> HistoryRow:
    live.n = 1
    return HistoryRow(live.uid, 0, now.timestamp(), codec.encode_entry(changes))


def _fingerprint(spec: Any, namespace: str, version: int) -> "Key":
    """Equal for specs that differ only in the values of their arguments: those are not what is checked."""
    if not isinstance(spec, dict) or not isinstance(spec.get("arguments"), dict):
        masked = spec
    else:
        parameters = [_masked(item) for item in spec["arguments"].get("parameters") or []]
        masked = {**spec, "arguments": {**spec["arguments"], "parameters": parameters}}
    return Key.of(msgspec.json.encode((namespace, version, masked)))


def _is_plain(metadata: Json) -> bool:
    """Whether the metadata needs no closer look: what can be wrong with it is its length and its labels' types."""
    notes = [metadata.get("labels"), metadata.get("annotations")]
    held = [value for note in notes if isinstance(note, dict) for value in note.values()]
    return len(metadata["name"]) <= LONGEST_NAME and all(type(value) is str for value in held)


def _masked(parameter: Any) -> Any:
    if isinstance(parameter, dict) and isinstance(parameter.get("value"), str):
        return {**parameter, "value": ""}
    return parameter


def _nameless() -> InvalidManifest:
    problem = Problem(
        message="name or generateName is required", path="metadata", expected="a name",
        advice="add metadata.generateName",
    )  # fmt: skip
    return InvalidManifest([problem])


def born_at(row: RunRow) -> datetime:
    """When the run was created."""
    return datetime.fromtimestamp(row.created_at, UTC)
