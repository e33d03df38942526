"""`config` of a Kafka source: the settings of Argo's client (sarama) as YAML text, and what they are to ours. Pure.

Names count in any spelling of upper and lower case. Lengths of time are such as `10s`; bare numbers are nanoseconds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from bireme.lang import goduration
from bireme.lang.errors import LangError
from events.ports import BadSourceConfig

_MILLISECOND = 1_000_000
_REQUEST_MS = 40_000
_MARGIN_MS = 5_000
_OLDEST, _NEWEST = -2, -1


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of the client, whether a group begins at the oldest message, and by their paths the settings that have no
    effect here."""

    options: dict[str, Any]
    oldest: bool
    unused: tuple[str, ...]


class _Meaning(NamedTuple):
    option: str
    read: Callable[[str, Any], Any]


def parse(text: str) -> Settings:
    """Raises BadSourceConfig for what is no YAML, and for names and values that the client does not have."""
    try:
        given = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())[:200]
        raise BadSourceConfig(f"config is no YAML: {told}") from error
    if given is None:
        return Settings({}, False, ())
    if not isinstance(given, dict):
        raise BadSourceConfig("config is no YAML mapping such as `consumer: {fetch: {min: 1}}`")
    options: dict[str, Any] = {}
    unused = []
    for path, value in _settings(given, ""):
        meaning = _MEANINGS.get(path.lower())
        if meaning is None:
            unused.append(path)
        else:
            options[meaning.option] = meaning.read(path, value)
    oldest = options.pop(_INITIAL, _NEWEST) == _OLDEST
    return Settings(_agreeing(options), oldest, tuple(unused))


def _settings(given: dict[Any, Any], above: str) -> Iterator[tuple[str, Any]]:
    """Path and value. Raises BadSourceConfig for what the client has no setting of."""
    for name, value in given.items():
        path = f"{above}{name}"
        known = path.lower()
        if known in _ELSEWHERE and value not in ({}, None):
            raise BadSourceConfig(f"config.{path} is not read: write {_ELSEWHERE[known]}")
        if known in _SECTIONS:
            if value is not None and not isinstance(value, dict):
                raise BadSourceConfig(f"config.{path} has settings in it and is none")
            yield from _settings(value or {}, f"{path}.")
        elif known in _MEANINGS or known in _UNUSED or known in _ELSEWHERE:
            yield path, value
        else:
            raise BadSourceConfig(f"config.{path} is no setting of Argo's client")


def _agreeing(options: dict[str, Any]) -> dict[str, Any]:
    """What depends on each other. A request waits for longer than the broker may take to answer it."""
    session = options.get("session_timeout_ms", 10_000)
    if options.get("heartbeat_interval_ms", min(3_000, session - 1)) >= session:
        raise BadSourceConfig(
            "config.consumer.group.heartbeat.interval must be shorter than session.timeout"
        )
    waits = [options.get(name, 0) for name in ("rebalance_timeout_ms", "fetch_max_wait_ms")]
    longest = max(*waits, session) + _MARGIN_MS
    if longest > options.get("request_timeout_ms", _REQUEST_MS):
        options["request_timeout_ms"] = longest
    if session <= 3_000:  # our client's own default would be too long
        options.setdefault("heartbeat_interval_ms", max(session // 3, 1))
    return options


def _whole(path: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 31:
        raise BadSourceConfig(f"config.{path} is {value!r}, expected a whole number above 0")
    return value


def _limit(path: str, value: Any) -> int:
    """0 is none."""
    return (1 << 31) - 1 if value == 0 and value is not False else _whole(path, value)


def _milliseconds(path: str, value: Any) -> int:
    try:
        length = goduration.nanoseconds(value) if isinstance(value, str) else int(value)
    except (LangError, ValueError, TypeError, OverflowError) as error:
        raise BadSourceConfig(f"config.{path} is {value!r}, expected a time such as 10s") from error
    if not _MILLISECOND <= length < (1 << 31) * _MILLISECOND:
        raise BadSourceConfig(
            f"config.{path} is {value!r}, expected a time such as 10s; bare numbers are nanoseconds"
        )
    return length // _MILLISECOND


def _words(path: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise BadSourceConfig(f"config.{path} is {value!r}, expected a text")
    return value


def _start(path: str, value: Any) -> int:
    if value not in (_OLDEST, _NEWEST):
        raise BadSourceConfig(f"config.{path} is {value!r}, expected -1 (newest) or -2 (oldest)")
    return int(value)


_INITIAL = "initial"
_MEANINGS = {
    "clientid": _Meaning("client_id", _words),
    "rackid": _Meaning("client_rack", _words),
    "consumer.fetch.min": _Meaning("fetch_min_bytes", _whole),
    "consumer.fetch.default": _Meaning("max_partition_fetch_bytes", _whole),
    "consumer.fetch.max": _Meaning("fetch_max_bytes", _limit),
    "consumer.maxwaittime": _Meaning("fetch_max_wait_ms", _milliseconds),
    "consumer.retry.backoff": _Meaning("retry_backoff_ms", _milliseconds),
    "consumer.group.session.timeout": _Meaning("session_timeout_ms", _milliseconds),
    "consumer.group.heartbeat.interval": _Meaning("heartbeat_interval_ms", _milliseconds),
    "consumer.group.rebalance.timeout": _Meaning("rebalance_timeout_ms", _milliseconds),
    "consumer.group.instanceid": _Meaning("group_instance_id", _words),
    "consumer.offsets.initial": _Meaning(_INITIAL, _start),
    "metadata.refreshfrequency": _Meaning("metadata_max_age_ms", _milliseconds),
    "net.readtimeout": _Meaning("request_timeout_ms", _milliseconds),
}
_ELSEWHERE = {"net.tls": "`tls` of the source", "net.sasl": "`sasl` of the source"}
"""To pass over these would be to connect in another way than was meant."""
_UNUSED = {
    "version", "channelbuffersize", "apiversionsrequest", "producer", "admin",
    "net.maxopenrequests", "net.dialtimeout", "net.writetimeout", "net.keepalive", "net.localaddr", "net.proxy",
    "net.resolvecanonicalbootstrapservers", "metadata.retry", "metadata.full", "metadata.timeout",
    "metadata.allowautotopiccreation", "metadata.singleflight", "consumer.group.rebalance.strategy",
    "consumer.group.rebalance.groupstrategies", "consumer.group.rebalance.retry", "consumer.group.member",
    "consumer.group.resetinvalidoffsets", "consumer.maxprocessingtime", "consumer.return", "consumer.isolationlevel",
    "consumer.interceptors", "consumer.offsets.commitinterval", "consumer.offsets.autocommit",
    "consumer.offsets.retention", "consumer.offsets.retry",
}  # fmt: skip
_SECTIONS = {
    path[:at] for path in {*_MEANINGS, *_UNUSED} for at in range(len(path)) if path[at] == "."
}
