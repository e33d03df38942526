"""What happens to objects in buckets, and the words S3 and its kin have for it. Pure.

One change may be told in many forms: a bucket notification as it is, in an SNS envelope, as an EventBridge event, by
MinIO; or by nobody, and a listing shows it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import unquote_plus

import msgspec
import orjson

from bireme.kit.errors import UserError

FoundBy = Literal["notification", "listing"]
CREATED = "s3:ObjectCreated:"
_REMOVED = ("s3:ObjectRemoved:", "s3:LifecycleExpiration:")
_TEST = "s3:TestEvent"
_NESTED = 3  # an envelope in an envelope is as deep as it gets
# EventBridge's own words -> those of notifications.
_REASONS = {
    "PutObject": "Put",
    "CopyObject": "Copy",
    "POST Object": "Post",
    "CompleteMultipartUpload": "CompleteMultipartUpload",
}
_BRIDGED = {
    "Object Restore Initiated": "s3:ObjectRestore:Post",
    "Object Restore Completed": "s3:ObjectRestore:Completed",
    "Object Restore Expired": "s3:ObjectRestore:Delete",
    "Object Tags Added": "s3:ObjectTagging:Put",
    "Object Tags Deleted": "s3:ObjectTagging:Delete",
    "Object ACL Updated": "s3:ObjectAcl:Put",
    "Object Storage Class Changed": "s3:LifecycleTransition",
    "Object Access Tier Changed": "s3:IntelligentTiering",
}


class NotANotification(UserError):
    """The text does not speak of objects in buckets."""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to one object. `event` is S3's name of it, always with `s3:` in front.

    `sequencer` orders the changes of one key; where there is none, `time` does. `record` is the notification's own
    form, None when a listing found the change.
    """

    bucket: str
    key: str
    event: str
    time: datetime
    size: int = 0
    etag: str = ""
    version: str = ""
    sequencer: str = ""
    found_by: FoundBy = "notification"
    record: dict[str, Any] | None = None

    @property
    def is_created(self) -> bool:
        return self.event.startswith(CREATED)

    @property
    def is_removed(self) -> bool:
        return self.event.startswith(_REMOVED)

    @property
    def identity(self) -> str:
        """The same for every delivery of this change, and for no other change."""
        when = self.sequencer or self.time.isoformat()
        what = "removed" if self.is_removed else "created" if self.is_created else self.event
        return orjson.dumps([self.bucket, self.key, self.version, when, what, self.etag]).decode()


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which changes a source is for. `events` are S3's names, `*` at the end stands for any rest."""

    bucket: str = ""
    events: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""

    def concerns(self, change: Change) -> bool:
        """Whether the object is one of ours, whatever happened to it."""
        return (
            self.bucket in ("", change.bucket)
            and change.key.startswith(self.prefix)
            and change.key.endswith(self.suffix)
        )

    def tells(self, change: Change) -> bool:
        """Whether what happened is to be told."""
        return any(_is_named(pattern, change) for pattern in self.events)


def _is_named(pattern: str, change: Change) -> bool:
    """A listing cannot tell a Put from a Copy: what it finds is in every pattern of its family."""
    if not pattern.startswith("s3:"):
        pattern = f"s3:{pattern}"
    if pattern.endswith("*") and change.event.startswith(pattern[:-1]):
        return True
    if change.found_by == "listing":
        return pattern.startswith(change.event.rpartition(":")[0] + ":")
    return change.event == pattern


def changes(text: bytes | str) -> list[Change]:
    """What a message tells, in its order; nothing for S3's test message. Raises NotANotification."""
    try:
        return _changes(text, 0)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise NotANotification(f"not a notification of a bucket: {what}") from error


def _changes(text: bytes | str, depth: int) -> list[Change]:
    told = orjson.loads(text)
    # What is nested too deeply for a payload, some levels further down, must not be found out once it is remembered.
    orjson.dumps([[[[told]]]])
    if told.get("Event") == _TEST:
        return []
    if "Records" in told:
        return [_from_record(record) for record in told["Records"] or ()]
    if "detail-type" in told:
        return [_from_bridge(told)]
    if isinstance(told.get("Message"), str) and depth < _NESTED:
        return _changes(told["Message"], depth + 1)
    raise ValueError("neither Records nor detail-type is in it")


def _from_record(record: dict[str, Any]) -> Change:
    found = record["s3"]["object"]
    return Change(
        bucket=_word(record["s3"]["bucket"]["name"]),
        key=unquote_plus(found["key"]),
        event=_named(record["eventName"]),
        time=_time(record["eventTime"]),
        size=_size(found.get("size")),
        etag=str(found.get("eTag") or "").strip('"'),
        version=str(found.get("versionId") or ""),
        sequencer=str(found.get("sequencer") or ""),
        record=record,
    )


def _from_bridge(told: dict[str, Any]) -> Change:
    detail = told["detail"]
    found = detail["object"]
    return Change(
        bucket=_word(detail["bucket"]["name"]),
        key=_word(found["key"]),
        event=_bridged(told["detail-type"], detail),
        time=_time(told["time"]),
        size=_size(found.get("size")),
        etag=str(found.get("etag") or "").strip('"'),
        version=str(found.get("version-id") or ""),
        sequencer=str(found.get("sequencer") or ""),
        record=told,
    )


def _bridged(kind: str, detail: Mapping[str, Any]) -> str:
    if kind == "Object Created":
        return CREATED + _REASONS.get(detail.get("reason", ""), "Put")
    if kind == "Object Deleted":
        is_marker = detail.get("deletion-type") == "Delete Marker Created"
        return "s3:ObjectRemoved:" + ("DeleteMarkerCreated" if is_marker else "Delete")
    return _BRIDGED.get(kind, f"s3:{kind.replace(' ', '')}")


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a bucket or a key is no text")
    return value


def _size(given: Any) -> int:
    size = int(given or 0)
    if not 0 <= size < 2**63:
        raise ValueError(f"an object cannot have a size of {given}")
    return size


def _named(name: str) -> str:
    return name if name.startswith("s3:") else f"s3:{name}"


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    # The first and the last year could not be told in another zone, or be followed by a later time.
    if not 1 < time.year < 9999:
        raise ValueError(f"the time {text[:40]} is not of our days")
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def is_newer(one: Change, other: Change) -> bool:
    """Whether `one` happened after `other`, both of the same key. Sequencers are hexadecimal, of different lengths."""
    if one.sequencer and other.sequencer:
        width = max(len(one.sequencer), len(other.sequencer))
        return one.sequencer.ljust(width, "0") > other.sequencer.ljust(width, "0")
    return one.time > other.time


def listed(bucket: str, found: Mapping[str, Any]) -> Change:
    """An object of a listing as the change that made it."""
    return Change(
        bucket=bucket,
        key=found["Key"],
        event=f"{CREATED}Put",
        time=found["LastModified"],
        size=int(found.get("Size") or 0),
        etag=str(found.get("ETag") or "").strip('"'),
        found_by="listing",
    )


def is_same_object(known: Change, seen: Change) -> bool:
    """Whether the listing's object `seen` is what `known` made, or something older than it.

    A listing shows when an object was made, in whole seconds and never later than its notification says.
    """
    if known.is_removed:
        return seen.time <= known.time
    if known.etag == seen.etag:
        return seen.time <= known.time
    return seen.time < known.time.replace(microsecond=0)


def missed(
    known: Mapping[str, Change], found: Sequence[Change], now: datetime, grace_s: float | None
) -> Iterator[Change]:
    """What a whole listing, begun at `now`, shows and nobody told: objects made and objects gone.

    What is younger than the grace is left to the notifications on their way; without a grace there are none.
    """
    before = None if grace_s is None else now - timedelta(seconds=grace_s)
    names = {one.key for one in found}
    for one in found:
        last = known.get(one.key)
        if _is_due(one, before) and (last is None or not is_same_object(last, one)):
            yield one
    for key, last in known.items():
        if key not in names and not last.is_removed and _is_due(last, before):
            yield _gone(last, now)


def _is_due(change: Change, before: datetime | None) -> bool:
    return before is None or change.time < before


def _gone(last: Change, now: datetime) -> Change:
    """Gone before the listing's second: what is made again in that second is newer."""
    moment = timedelta(microseconds=1)
    return Change(
        bucket=last.bucket,
        key=last.key,
        event="s3:ObjectRemoved:Delete",
        time=max(last.time + moment, now.replace(microsecond=0) - moment),
        found_by="listing",
    )
