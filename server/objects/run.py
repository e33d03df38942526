"""The applied objects of a process: keeps their rows, and gives each to the part that acts on its kind."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import BiremeError, NotFound
from bireme.kit.ids import Ids, digest
from bireme.storage.ports import Database, Transaction
from server.objects import store
from server.objects.check import Checked
from server.objects.model import ACTIVE, Action, Applied, Key, StoredObject, rank

log = structlog.get_logger(__name__)

API = "api"
Submit = Callable[[Transaction, dict[str, Any], str], dict[str, str]]
Prepare = Callable[[dict[str, Any]], Awaitable[None]]


async def _nothing(manifest: dict[str, Any]) -> None:
    """A workflow needs no preparation before it is submitted."""


class ObjectNotFound(NotFound):
    """No applied object of that kind and name."""


class Taker(Protocol):
    """Who acts on the objects of one kind."""

    async def apply(self, stored: StoredObject) -> None:
        """Act on the object from now on, in place of an older one of that name. Raises a UserError to refuse it."""
        ...

    async def remove(self, namespace: str, name: str) -> None: ...


class Objects:
    """Everything that is applied now. Applying is idempotent by content; a Workflow is submitted once per content.

    A row is written after its taker has agreed, so that what is kept can be acted on. What a taker refuses when the
    rows are loaded is reported and left out; it never stops the others.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        takers: Mapping[str, Taker],
        submit: Submit,
        prepare: Prepare = _nothing,
    ) -> None:
        self._database, self._clock, self._ids = database, clock, ids
        self._takers, self._submit, self._prepare = takers, submit, prepare
        self._objects: dict[Key, StoredObject] = {}
        self._turn = asyncio.Lock()

    async def load(self, between: Callable[[], Awaitable[None]]) -> None:
        """Give every kept object to its taker: what others refer to, then `between`, then what acts by itself."""
        kept = await store.load(self._database)
        kept.sort(key=lambda stored: rank(stored.kind))
        self._objects = {stored.key: stored for stored in kept}
        passive = [stored for stored in kept if rank(stored.kind) < ACTIVE]
        for stored in passive:
            await self._give_again(stored)
        await between()
        for stored in kept[len(passive) :]:
            await self._give_again(stored)

    async def _give_again(self, stored: StoredObject) -> None:
        try:
            await self._give(stored)
        except BiremeError as error:
            log.error("object_refused", kind=stored.kind, name=stored.name, error=str(error))

    def get(self, kind: str, namespace: str, name: str) -> StoredObject:
        """Raises ObjectNotFound with the names there are."""
        found = self._objects.get((kind, namespace, name))
        if found is None:
            known = ", ".join(o.name for o in self.of_kind(kind, namespace)[:5])
            hint = f"; there is {known}" if known else ""
            raise ObjectNotFound(f'{kind} "{name}" not found in namespace "{namespace}"{hint}')
        return found

    def of_kind(self, kind: str, namespace: str = "") -> list[StoredObject]:
        """By name; an empty namespace means all."""
        found = [
            o
            for o in self._objects.values()
            if o.kind == kind and (not namespace or o.namespace in ("", namespace))
        ]
        return sorted(found, key=lambda o: (o.namespace, o.name))

    def of_origin(self, wanted: Callable[[str], bool]) -> list[StoredObject]:
        """Those whose origin is wanted."""
        return [stored for stored in self._objects.values() if wanted(stored.origin)]

    async def apply(self, checked: Checked, origin: str = API) -> Applied:
        """Create or change the object. Raises a UserError when its taker refuses it; then nothing has changed."""
        if not checked.kind:
            return _ignored(checked)
        async with self._turn:
            before = self._objects.get(checked.key)
            if before is not None and before.content == checked.content:
                return await self._keep_lines(before, checked, origin)
            stored = self._successor(before, checked, origin)
            if stored.kind == "Workflow":
                return await self._submit_workflow(before, stored)
            await self._give(stored)
            await self._write(before, stored)
        return _applied(stored, "configured" if before else "created")

    async def delete(self, kind: str, namespace: str, name: str) -> Applied:
        """Forget the object. What it has started goes on. Raises ObjectNotFound."""
        stored = self.get(kind, namespace, name)
        async with self._turn:
            if (taker := self._takers.get(kind)) is not None:
                await taker.remove(namespace, name)
            await self._database.write(lambda tx: store.delete(tx, stored.key))
            self._objects.pop(stored.key, None)
        log.info("object_deleted", kind=kind, namespace=namespace, name=name)
        return _applied(stored, "deleted")

    async def _give(self, stored: StoredObject) -> None:
        if (taker := self._takers.get(stored.kind)) is not None:
            await taker.apply(stored)

    def _successor(
        self, before: StoredObject | None, checked: Checked, origin: str
    ) -> StoredObject:
        kind, namespace, name = checked.key
        return StoredObject(
            kind=kind,
            namespace=namespace,
            name=name,
            uid=before.uid if before else self._ids.uid(),
            generation=before.generation + 1 if before else 1,
            origin=origin,
            manifest=checked.manifest,
            status=before.status if before else {},
            created_at=before.created_at if before else self._clock.now().timestamp(),
            lines=checked.lines,
        )

    async def _write(self, before: StoredObject | None, stored: StoredObject) -> None:
        write = store.update if before else store.insert
        await self._database.write(lambda tx: write(tx, stored))
        self._objects[stored.key] = stored
        log.info(
            "object_applied", kind=stored.kind, namespace=stored.namespace, name=stored.name,
            generation=stored.generation,
        )  # fmt: skip

    async def _keep_lines(self, before: StoredObject, checked: Checked, origin: str) -> Applied:
        """Same wishes; but decisions name lines, so a moved block is given again with its new lines."""
        if (before.lines, before.origin) != (checked.lines, origin):
            moved = self._successor(before, checked, origin)
            moved = msgspec.structs.replace(moved, generation=before.generation)
            await self._give(moved)
            await self._database.write(lambda tx: store.update(tx, moved))
            self._objects[moved.key] = moved
        return _applied(before, "unchanged", before.status.get("submitted", ""))

    async def _submit_workflow(self, before: StoredObject | None, stored: StoredObject) -> Applied:
        firing = digest("object", stored.uid, stored.content)

        def submit(tx: Transaction) -> StoredObject:
            made = self._submit(tx, dict(stored.manifest), firing)
            kept = msgspec.structs.replace(stored, status={"submitted": made["name"]})
            (store.update if before else store.insert)(tx, kept)
            return kept

        await self._prepare(dict(stored.manifest))
        kept = await self._database.write(submit)
        self._objects[kept.key] = kept
        return _applied(kept, "submitted", kept.status["submitted"])


def _applied(stored: StoredObject, action: Action, note: str = "") -> Applied:
    return Applied(
        kind=stored.kind, namespace=stored.namespace, name=stored.name, action=action, note=note
    )


def _ignored(checked: Checked) -> Applied:
    kind = str(checked.manifest.get("kind") or "object")
    log.warning("object_ignored", kind=kind, name=checked.name, file=checked.file)
    return Applied(
        kind=kind,
        namespace=checked.namespace,
        name=checked.name,
        action="ignored",
        note="nothing outside Kubernetes acts on this kind",
    )
