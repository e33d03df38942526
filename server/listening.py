"""Why a sensor hears nothing: for each of its dependencies whether there is such an event, and how its source fares.
Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from bireme.manifests.names import closest
from events.inlet import SourceStatus
from sensors import compile

Manifest = Mapping[str, Any]
Json = dict[str, Any]


def dependencies(
    sensor: Manifest, sources: Iterable[Manifest], statuses: Iterable[SourceStatus]
) -> list[Json]:
    """Per dependency the event it waits for, whether something can come of it (`isHeard`), and a sentence.

    `sources` are the EventSources of the sensor's namespace, `statuses` those of their events.
    """
    by_name = {source["metadata"]["name"]: source for source in sources}
    of_source: dict[str, dict[str, SourceStatus]] = {name: {} for name in by_name}
    for status in statuses:
        of_source.get(status.name, {})[status.subject] = status
    return [
        _dependency(sensor, source, event, by_name, of_source)
        for source, event in sorted(compile.subscriptions(sensor))
    ]


def _dependency(
    sensor: Manifest,
    source: str,
    event: str,
    by_name: Mapping[str, Manifest],
    of_source: Mapping[str, Mapping[str, SourceStatus]],
) -> Json:
    about = {"event": f"{source}/{event}"}
    if source not in by_name:
        advice = closest(source, sorted(by_name))
        return {**about, "isHeard": False, "says": f"no EventSource '{source}' ({advice})"}
    events = of_source[source]
    if event not in events:
        advice = closest(event, sorted(events))
        says = f"EventSource '{source}' has no event '{event}' ({advice})"
        return {**about, "isHeard": False, "says": says}
    if compile.bus(sensor) != compile.bus(by_name[source]):
        says = "its source is on another event bus than this sensor (eventBusName)"
        return {**about, "isHeard": False, "says": says}
    status = events[event]
    return {**about, "isHeard": status.state == "listening", "says": _fares(status)}


def _fares(status: SourceStatus) -> str:
    counts = [f"{status.accepted} accepted"]
    for count, what in (
        (status.filtered, "turned away by the source's filter"),
        (status.filter_errors, "its filter could not decide"),
        (status.failed, "could not be kept"),
        (status.poison, "set aside as poison"),
        (status.refused, f"refused, last: {status.last_refusal}"),
    ):
        if count:
            counts.append(f"{count} {what}")
    error = f": {status.error}" if status.error else ""
    return f"{status.state}{error}; since it was applied {', '.join(counts)}"
