"""`bireme send` to sources of messages: finds the one that is meant, and sends as whom its manifest says."""

import asyncio
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bireme.kit.clock import SystemClock
from bireme.kit.errors import BiremeError, MissingExtra, NotFound
from server import local, settings
from server.cli import client
from server.cli.client import Failed

KINDS = {
    "kafka": "kafka",
    "s3": "s3",
    "nats": "nats",
    "redis": "redis",
    "redis-stream": "redisStream",
    "mqtt": "mqtt",
    "amqp": "amqp",
    "sqs": "sqs",
}
"""As it is typed -> the key in an EventSource's spec. The module of `server.senders` has the typed name, with `_`."""


@dataclass(frozen=True, slots=True)
class Found:
    """One event of an applied EventSource."""

    source: str
    event: str
    config: dict[str, Any]


def send(engine: client.Client, kind: str, source: str, event: str, to: str, body: bytes) -> str:
    """Send to the event that is meant; says where the message lies. Raises Failed with what to do."""
    found = chosen(engine, KINDS[kind], source, event)
    told = f"eventsource/{found.source} spec.{KINDS[kind]}.{found.event}"
    try:
        return f"{told}: {_sent(engine, kind, found, told, to, body)}"
    except NotFound as error:
        raise Failed(
            f"{told}: {error}. Secrets that are applied stay with the engine: to send, the file or the"
            " variable is needed"
        ) from error
    except MissingExtra as error:  # it speaks of the event source, which is the engine's
        raise Failed(f"{told}: {MissingExtra(error.extra, f'bireme send {kind}')}") from error
    except BiremeError as error:
        raise Failed(f"{told}: {error}") from error


def is_any(engine: client.Client, kind: str) -> bool:
    """Whether a source of that kind is applied."""
    return any(_applied(engine, KINDS[kind]))


def chosen(engine: client.Client, kind: str, source: str, event: str) -> Found:
    """The event of that kind; names narrow it down. Raises Failed when that leaves none, or more than one."""
    applied = list(_applied(engine, kind))
    left = [one for one in applied if source in ("", one.source) and event in ("", one.event)]
    if len(left) == 1:
        return left[0]
    among = ", ".join(f"{one.source}/{one.event}" for one in left or applied)
    if left:
        raise Failed(
            f"{len(left)} {kind} events are applied: {among}; choose by --source and --event"
        )
    if applied:
        raise Failed(f"no {kind} event is {source or '*'}/{event or '*'}; applied: {among}")
    raise Failed(
        f"no {kind} source is applied in namespace {engine.namespace}; apply an EventSource first"
    )


def _applied(engine: client.Client, kind: str) -> Iterator[Found]:
    for item in engine.get(f"/api/v1/event-sources/{engine.namespace}")["items"] or ():
        for event, config in (item["spec"].get(kind) or {}).items():
            yield Found(item["metadata"]["name"], event, config)


def _sent(engine: client.Client, kind: str, found: Found, told: str, to: str, body: bytes) -> str:
    from events import fields
    from events.ports import Place

    sender: Any = importlib.import_module(f"server.senders.{kind.replace('-', '_')}")
    config = fields.decode(sender.Config, found.config, told)
    place = Place(engine.namespace, found.source, KINDS[kind], found.event)
    asker = Asker(place, _secrets(engine), SystemClock())
    said: str = asyncio.run(sender.send(asker, config, to, body))
    return said


@dataclass(frozen=True, slots=True)
class Asker:
    """Who sends, as clients want to know it."""

    place: Any
    secrets: Any
    clock: Any


def _secrets(engine: client.Client) -> Any:
    """Those of the engine on this machine that lie in files, and those of this environment."""
    from server.secrets import KeptSecrets

    known = settings.from_environment()
    running = local.find(known.data_dir, known.state_dir)
    here = running is not None and running.server == engine.server
    data = running.data_dir if running is not None and here else known.data_dir
    return KeptSecrets(known.secrets_dir or data / "secrets", known.secret_values)
