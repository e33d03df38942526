"""Objects that belong together: a data set is complete when its rule says so, and then it is told once, whole. Pure.

State and one change in, state out; what has become of an object is decided by its newest change, in whatever order the
changes come and however often.
"""

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import orjson

from bireme.kit.errors import UserError
from events.buckets.objects import Change, is_newer

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LISTS = ("entries", "files", "objects", "keys")
_NAMES = ("key", "url", "path", "name", "uri")


class BadRule(UserError):
    """The rule cannot work; the message names the field."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a set is complete. Exactly one of marker, manifest, count, patterns says so.

    `prefix` is where a set's objects lie: `{name}` stands for one part of the path, and the text of the whole prefix is
    the set's name. The others are relative to it.
    """

    prefix: str
    marker: str = ""
    manifest: str = ""
    count: int = 0
    patterns: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises BadRule."""
        given = [bool(self.marker), bool(self.manifest), self.count > 0, bool(self.patterns)]
        if sum(given) != 1:
            raise BadRule("dataSet: give exactly one of marker, manifest, count and patterns")
        names = _PLACE.findall(self.prefix)
        if len(names) != len(set(names)):
            raise BadRule("dataSet.prefix: every {name} may stand in it once")


@dataclass(frozen=True, slots=True)
class DataSet:
    """One set as it is known. `items` holds the newest change of every key, removals too; `expected` are the keys its
    manifest names, None until that is read."""

    name: str
    values: Mapping[str, str]
    items: Mapping[str, Change] = field(default_factory=dict)
    expected: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`objects` is the whole list when the set is complete; else `waiting` says for what."""

    objects: tuple[Change, ...] = ()
    waiting: str = ""

    @property
    def is_complete(self) -> bool:
        return not self.waiting


def of_key(rule: Rule, key: str) -> DataSet | None:
    """The set a key belongs to, empty; None when it belongs to none."""
    found = _compiled(rule.prefix).match(key)
    return None if found is None else DataSet(found[0], found.groupdict())


@lru_cache(maxsize=256)
def _compiled(prefix: str) -> re.Pattern[str]:
    parts = _PLACE.split(prefix)
    return re.compile(
        "".join(
            f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part)
            for number, part in enumerate(parts)
        )
    )


def step(known: DataSet, change: Change) -> DataSet:
    """The set after this change. The same set when it was known already, or is older than what is known."""
    last = known.items.get(change.key)
    if last is not None and not is_newer(change, last):
        return known
    return replace(known, items={**known.items, change.key: change})


def verdict(rule: Rule, known: DataSet) -> Verdict:
    live = {key: one for key, one in known.items.items() if not one.is_removed}
    guide = guide_of(rule, known.name)
    objects = tuple(live[key] for key in sorted(live) if key != guide)
    return Verdict(objects, waiting=_missing(rule, known, live))


def guide_of(rule: Rule, name: str) -> str:
    """The key of the set's marker or manifest; empty for rules without one."""
    guide = rule.marker or rule.manifest
    return name + guide if guide else ""


def _missing(rule: Rule, known: DataSet, live: Mapping[str, Change]) -> str:
    guide = guide_of(rule, known.name)
    if guide and guide not in live:
        return f"{guide} is not there"
    if rule.manifest:
        return _absent(known.expected, live)
    if rule.count and len(live) < rule.count:
        return f"{len(live)} of {rule.count} objects are there"
    names = [key.removeprefix(known.name) for key in live]
    unmatched = [one for one in rule.patterns if not any(map(_glob(one), names))]
    return f"nothing matches {', '.join(unmatched)}" if unmatched else ""


@lru_cache(maxsize=256)
def _glob(pattern: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(pattern)).match


def _absent(expected: Sequence[str] | None, live: Mapping[str, Change]) -> str:
    if expected is None:
        return "the manifest is not read"
    absent = [key for key in expected if key not in live]
    return (
        f"{len(absent)} of the manifest's objects are not there, {absent[0]} first"
        if absent
        else ""
    )


def manifest_keys(text: bytes, bucket: str, name: str) -> tuple[str, ...]:
    """The keys a manifest names: JSON (a list, or an object with one of `entries`, `files`, `objects`, `keys`), or one
    name a line. Names are keys, `s3://bucket/key`, or relative to the set. Raises BadRule."""
    names = _listed(text) if text.lstrip()[:1] in (b"{", b"[") else _lines(text)
    return tuple(dict.fromkeys(_key(one, bucket, name) for one in names))


def _lines(text: bytes) -> list[str]:
    try:
        lines = [line.strip() for line in text.decode().splitlines()]
    except UnicodeDecodeError as error:
        raise BadRule(f"the manifest is no text: {error}") from error
    return [line for line in lines if line and not line.startswith("#")]


def _listed(text: bytes) -> list[str]:
    try:
        whole = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRule(f"the manifest is not valid JSON: {error}") from error
    if isinstance(whole, dict):
        whole = next((whole[word] for word in _LISTS if word in whole), None)
    if not isinstance(whole, list):
        raise BadRule(f"the manifest has no list: expected one of {', '.join(_LISTS)}")
    return [_name(entry) for entry in whole]


def _name(entry: Any) -> str:
    if isinstance(entry, dict):
        entry = next((entry[word] for word in _NAMES if word in entry), None)
    if not isinstance(entry, str) or not entry:
        raise BadRule(
            f"an entry of the manifest names no object: expected one of {', '.join(_NAMES)}"
        )
    return entry


def _key(name: str, bucket: str, prefix: str) -> str:
    for scheme in ("s3://", "s3a://", "s3n://"):
        if name.startswith(scheme):
            place, _, key = name.removeprefix(scheme).partition("/")
            if place != bucket:
                raise BadRule(f"the manifest names {name}, which is not in the bucket {bucket}")
            return key
    return name if name.startswith(prefix) else prefix + name
