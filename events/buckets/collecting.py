"""Changes of a bucket's objects gathered into data sets; each set becomes one event when it is complete.

What is known of a set is durable before anything follows from it, and the set's event carries the set's name as its
delivery id: whatever is cut short is done again, and is one event. A complete set is closed: what happens to its
objects later is logged, and no event, until the set is forgotten.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import orjson
import structlog

from bireme.kit.errors import UserError
from events.aws import AwsError
from events.buckets import closed, datasets, objects
from events.buckets.bucket import TOO_LARGE, Bucket
from events.buckets.catalogue import first_start
from events.buckets.closed import Closed
from events.buckets.datasets import DataSet, Rule
from events.buckets.objects import Change
from events.ports import NewEvent, Publish, Surroundings

log = structlog.get_logger(__name__)

_ITEM = "item/"
_NOT_ALLOWED = frozenset({"AccessDenied", "403", "AccessDeniedException"})
_UNREADABLE = _NOT_ALLOWED | {"NoSuchKey", "404", TOO_LARGE}


class Collector:
    """Gathers by one rule. With a bucket at hand a set is looked through before it is closed, so that its event has
    every object there is; without one it has those that were notified. `listed` says that listings are compared: only
    they show whether a closed set can be forgotten."""

    def __init__(
        self,
        surroundings: Surroundings,
        publish: Publish,
        rule: Rule,
        bucket: Bucket | None,
        *,
        metadata: dict[str, str] | None = None,
        existing: bool = False,
        listed: bool = False,
    ) -> None:
        self._around = surroundings
        self._publish = publish
        self._rule = rule
        self._bucket = bucket
        self._metadata = metadata
        self._existing = existing
        self._open: dict[str, DataSet] = {}
        self._closed: Closed
        self._listed = listed
        self._turn = asyncio.Lock()

    async def open(self) -> bool:
        facts = await self._around.state.facts(self._around.place)
        since, is_new = await first_start(self._around, facts)
        self._closed = Closed(facts, since)
        kept = [
            msgspec.json.decode(fact, type=Change)
            for name, fact in facts.items()
            if name.startswith(_ITEM)
        ]
        await self._settle(self._gather(kept))
        return is_new

    async def take(self, changes: Sequence[Change]) -> None:
        async with self._turn:
            await self._take(changes)

    async def _take(self, changes: Sequence[Change]) -> None:
        touched = self._gather(changes)
        await self._note(touched)
        await self._settle(touched)

    async def compare(self, found: Sequence[Change], now: datetime, grace_s: float | None) -> None:
        async with self._turn:
            known = {
                one.key: one for gathered in self._open.values() for one in gathered.items.values()
            }
            missed = objects.missed(known, self._of_open_sets(found), now, grace_s)
            await self._take(list(missed))
            homes = (datasets.of_key(self._rule, one.key) for one in found)
            await self._forget(now, {home.name for home in homes if home is not None})

    async def begin_with(self, found: Sequence[Change]) -> None:
        """Sets that lie there complete are closed without an event, unless `existing`, or until a notification of
        one of their objects comes: then they are new after all."""
        if self._existing:
            await self.take(found)
            return
        async with self._turn:
            await self._begin_with(found)

    async def _begin_with(self, found: Sequence[Change]) -> None:
        touched = self._gather(found)
        await self._note(touched)
        for name in touched:
            gathered = await self._guided(self._open[name])
            if datasets.verdict(self._rule, gathered).is_complete:
                await self._close(gathered, as_old=True)
        await self._settle(touched)

    def _of_open_sets(self, found: Sequence[Change]) -> list[Change]:
        """Without what belongs to no set, or to one that was closed."""
        wanted = []
        for one in found:
            home = datasets.of_key(self._rule, one.key)
            if home is not None and home.name not in self._closed:
                wanted.append(one)
        return wanted

    def _gather(self, changes: Iterable[Change]) -> dict[str, list[Change]]:
        """Put the changes where they belong; the sets touched, each with what is new in it."""
        touched: dict[str, list[Change]] = {}
        for one in changes:
            home = datasets.of_key(self._rule, one.key)
            if home is None or not (one.is_created or one.is_removed):
                continue
            if one.found_by == "notification":
                self._closed.heard(home.name)
            if home.name in self._closed:
                log.info("data_set_is_closed", data_set=home.name, key=one.key, change=one.event)
                continue
            before = self._open.get(home.name, home)
            after = datasets.step(before, msgspec.structs.replace(one, record=None))
            self._open[home.name] = self._forgotten(after, one)
            touched.setdefault(home.name, []).append(after.items[one.key])
        return touched

    def _forgotten(self, gathered: DataSet, change: Change) -> DataSet:
        """A new manifest is read anew."""
        guide = datasets.guide_of(self._rule, gathered.name)
        return replace(gathered, expected=None) if change.key == guide else gathered

    async def _note(self, touched: dict[str, list[Change]]) -> None:
        facts = {
            _ITEM + one.key: msgspec.json.encode(one) for some in touched.values() for one in some
        }
        await self._around.state.note(self._around.place, facts)

    async def _settle(self, names: Iterable[str]) -> None:
        """Close those of the sets that are complete."""
        for name in names:
            if name not in self._open:
                continue
            gathered = self._open[name] = await self._guided(self._open[name])
            if datasets.verdict(self._rule, gathered).is_complete:
                await self._finish(gathered)
            else:
                waiting = datasets.verdict(self._rule, gathered).waiting
                log.debug("data_set_waits", data_set=name, reason=waiting)

    async def _finish(self, gathered: DataSet) -> None:
        whole = self._open[gathered.name] = await self._looked_through(gathered)
        verdict = datasets.verdict(self._rule, whole)
        if verdict.is_complete:
            await self._publish([self._event(whole, verdict.objects)])
            await self._close(whole)

    async def _looked_through(self, gathered: DataSet) -> DataSet:
        """The set with what a listing shows besides."""
        if self._bucket is None:
            return gathered
        now = self._around.clock.now()
        try:
            found = await self._bucket.list(gathered.name)
        except AwsError as error:
            if error.code not in _NOT_ALLOWED:
                raise
            log.warning("bucket_not_listed", data_set=gathered.name, error=str(error))
            return gathered
        for one in [*objects.missed(gathered.items, found, now, None)]:
            gathered = datasets.step(gathered, one)
        return gathered

    async def _guided(self, gathered: DataSet) -> DataSet:
        """With the keys its manifest names. One that cannot be understood is logged, and waits for a better one."""
        guide = gathered.items.get(datasets.guide_of(self._rule, gathered.name))
        is_there = guide is not None and not guide.is_removed
        if not self._rule.manifest or gathered.expected is not None or not is_there:
            return gathered
        assert guide is not None
        assert self._bucket is not None  # the source's config sees to that
        try:
            text = await self._bucket.read(guide.key)
            keys = datasets.manifest_keys(text, guide.bucket, gathered.name)
        except (UserError, AwsError) as error:
            if isinstance(error, AwsError) and error.code not in _UNREADABLE:
                raise
            log.error("manifest_not_understood", key=guide.key, error=str(error))
            return gathered
        return replace(gathered, expected=keys)

    async def _close(self, gathered: DataSet, *, as_old: bool = False) -> None:
        facts: dict[str, bytes | None] = dict.fromkeys(
            [_ITEM + key for key in gathered.items], None
        )
        now = self._around.clock.now()
        facts |= closed.mark(gathered.name, now, as_old=as_old)
        await self._around.state.note(self._around.place, facts)
        self._closed.close(gathered.name, now, as_old=as_old)
        self._open.pop(gathered.name, None)
        if not self._listed:
            await self._forget(now, ())

    async def _forget(self, now: datetime, shown: Collection[str]) -> None:
        """Closed sets that are outlived, and open ones of which everything was removed as long ago."""
        outlived = self._closed.outlived(now, shown)
        empty = [one for one in self._open.values() if _is_gone(one, now - closed.KEPT)]
        gone = [closed.FACT + name for name in outlived]
        gone += [_ITEM + key for one in empty for key in one.items]
        await self._around.state.note(self._around.place, dict.fromkeys(gone, None))
        self._closed.forget(outlived)
        for one in empty:
            del self._open[one.name]

    def _event(self, gathered: DataSet, members: Sequence[Change]) -> NewEvent:
        payload: dict[str, Any] = {
            "dataSet": gathered.name,
            "values": dict(gathered.values),
            "bucket": members[0].bucket if members else "",
            "count": len(members),
            "size": sum(one.size for one in members),
            "objects": [_shown(one) for one in members],
        }
        if self._metadata:
            payload["metadata"] = self._metadata
        missed = any(one.found_by == "listing" for one in gathered.items.values())
        return NewEvent(
            data=orjson.dumps(payload),
            dedup=f"data set {gathered.name}",
            attributes={"foundby": "listing" if missed else "notification"},
        )


def _is_gone(gathered: DataSet, before: datetime) -> bool:
    return all(one.is_removed and one.time < before for one in gathered.items.values())


def _shown(one: Change) -> dict[str, Any]:
    shown = {
        "key": one.key,
        "size": one.size,
        "eTag": one.etag,
        "versionId": one.version,
        "time": one.time,
        "foundBy": one.found_by,
    }
    return {name: value for name, value in shown.items() if value != ""}
