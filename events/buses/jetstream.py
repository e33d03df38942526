"""Event bus `jetstream`: a stream of a NATS server. `spec.jetstreamExotic` of an EventBus chooses it.

    spec:
      jetstreamExotic:
        url: nats://nats:4222
        accessSecret: {name: nats, key: auth}    # YAML with username and password, or a plain token
        streamConfig: |
          maxAge: 72h

One stream per EventBus, `bireme-<namespace>-<name>`, whose sequence numbers are the places. A repeated delivery id is
recognised by the server within its window (`duplicates`, 5 minutes by default).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from bireme.kit.errors import MissingExtra
from bireme.lang import goduration
from bireme.manifests import yaml
from events import envelope, fields, sizes
from events.model import Event
from events.ports import Also, BadSourceConfig, BusAway, BusSurroundings
from events.registry import buses
from events.store import dedup_key
from events.tls import Tls, context

if TYPE_CHECKING:
    from nats.js import JetStreamContext

log = structlog.get_logger(__name__)

_ANSWER_S = 5.0
_BEAT_S = 5.0
_LARGER = "raise max_payload of the NATS server, or have the source send a reference instead"


class StreamSettings(fields.Fields, frozen=True, kw_only=True):
    """`streamConfig` as Argo writes it. Nothing is thrown away before `maxAge` unless a limit is set."""

    max_msgs: int = -1
    max_age: str = "168h"
    max_bytes: int = -1
    replicas: int = 1
    duplicates: str = "300s"
    retention: int = 0
    discard: int = 0


@buses.register("jetstream")
class JetStreamBus:
    """One stream. Connects when first used, again and again by itself; `publish` waits for the server's word."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        url: str = ""
        access_secret: fields.SecretRef | None = None
        stream_config: str = ""
        tls: Tls | None = None

    def __init__(self, config: Config, around: BusSurroundings) -> None:
        if not config.url:
            raise BadSourceConfig("url is missing: write the address of the NATS server")
        self._config = config
        self._around = around
        self._settings = _settings(config.stream_config)
        self._stream = f"bireme-{around.namespace}-{around.name}"
        self._subject = f"bireme.{around.namespace}.{around.name}"
        self._client: Any = None
        self._opening = asyncio.Lock()

    async def publish(self, events: Sequence[Event], also: Also | None = None) -> Sequence[Event]:
        now = self._around.clock.now()
        events = [msgspec.structs.replace(event, received_at=now) for event in events]
        if not events:
            return events
        with _speaking(self._config.url):
            stream = await self._open()
            if not self._client.is_connected:
                # The client would keep it and send it later, after the sender was told that it failed.
                raise BusAway(f"the NATS server {self._config.url}: connection lost")
            # A larger one is no error to the server: it hangs up.
            sizes.check(events, _size, self._client.max_payload, _LARGER)
            sent = [await self._send(stream, event) for event in events]
            async with asyncio.timeout(_ANSWER_S):
                # What waits together costs as much as a third of a publication: one alone goes without.
                acks = await asyncio.gather(*sent) if len(sent) > 1 else [await sent[0]]
            return [
                await self._accepted(stream, event, ack)
                for event, ack in zip(events, acks, strict=True)
            ]

    async def read(
        self, consumer: str, after: int, *, batch: int = 500
    ) -> AsyncIterator[Sequence[Event]]:
        """Batches in order. Ends with BusAway when the server is lost: what follows `after` can be read again."""
        with _speaking(self._config.url):
            stream = await self._open()
            subscription = await self._subscribe(stream, after)
        try:
            while True:
                with _speaking(self._config.url):
                    found = [await self._next(subscription)]
                    while subscription.pending_msgs and len(found) < batch:
                        found.append(await subscription.next_msg())
                if events := envelope.read(map(_parts, found), self._stream):
                    yield events
        finally:
            with suppress(Exception):
                await subscription.unsubscribe()

    async def close(self) -> None:
        """Hang up. A task that was cancelled while it waited for the same has cancelled that for everybody."""
        if self._client is None:
            return
        try:
            await self._client.close()
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise

    async def _send(self, stream: "JetStreamContext", event: Event) -> "asyncio.Future[Any]":
        return await stream.publish_async(self._subject, event.data, headers=_headers(event))

    async def _accepted(self, stream: "JetStreamContext", event: Event, ack: Any) -> Event:
        """A repeated delivery stands for the event that came first."""
        if not ack.duplicate:
            return msgspec.structs.replace(event, seq=ack.seq)
        first = await stream.get_msg(self._stream, ack.seq)
        return envelope.event_of(first.headers or {}, first.data or b"", ack.seq)

    async def _next(self, subscription: Any) -> Any:
        """The next message; between two beats of silence, a look whether the server is there."""
        while True:
            try:
                return await subscription.next_msg(timeout=_BEAT_S)
            except TimeoutError:
                if not self._client.is_connected:
                    raise
                await subscription.consumer_info()

    async def _subscribe(self, stream: "JetStreamContext", after: int) -> Any:
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        config = ConsumerConfig(
            ack_policy=AckPolicy.NONE,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=await self._start(stream, after),
        )
        return await stream.subscribe(self._subject, ordered_consumer=True, config=config)

    async def _start(self, stream: "JetStreamContext", after: int) -> int:
        """Where to begin. A stream that has lost what comes next, or was made anew, is read from its beginning."""
        state = (await stream.stream_info(self._stream)).state
        if state.first_seq <= after + 1 <= state.last_seq + 1:
            return after + 1
        if after or state.first_seq > 1:
            known = {"oldest": state.first_seq, "newest": state.last_seq}
            log.error("bus_has_lost_events", bus=self._stream, after=after, **known)
        return max(int(state.first_seq), 1)

    async def _open(self) -> "JetStreamContext":
        async with self._opening:
            if self._client is None:
                client = await self._connect()
                stream = client.jetstream(timeout=_ANSWER_S)
                await self._declare(stream)
                self._client, self._js = client, stream
            js: JetStreamContext = self._js
            return js

    async def _connect(self) -> Any:
        try:
            import nats
        except ModuleNotFoundError as missing:
            raise MissingExtra("nats", "the event bus jetstream") from missing
        around, config = self._around, self._config

        async def complain(error: Exception) -> None:
            log.debug("nats_connection_error", error=str(error))

        secure = context(config.tls, around.secrets, around.namespace)
        return await nats.connect(
            servers=[one.strip() for one in config.url.split(",")],
            name=f"bireme {around.namespace}/{around.name}",
            error_cb=complain,
            connect_timeout=int(_ANSWER_S),
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            allow_reconnect=True,
            **({"tls": secure} if secure else {}),
            **_access(config, around),
        )

    async def _declare(self, stream: "JetStreamContext") -> None:
        """Make the stream, or give the one there is the settings of now."""
        from nats.js.api import DiscardPolicy, RetentionPolicy, StreamConfig
        from nats.js.errors import NotFoundError

        given = self._settings
        config = StreamConfig(
            name=self._stream,
            subjects=[self._subject],
            max_msgs=given.max_msgs,
            max_bytes=given.max_bytes,
            max_age=goduration.parse(given.max_age).total_seconds(),
            duplicate_window=goduration.parse(given.duplicates).total_seconds(),
            num_replicas=given.replicas,
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.NEW if given.discard else DiscardPolicy.OLD,
        )
        try:
            await stream.stream_info(self._stream)
        except NotFoundError:
            await stream.add_stream(config)
        else:
            await stream.update_stream(config)


def _settings(text: str) -> StreamSettings:
    documents = yaml.load(text) if text.strip() else []
    value = documents[0].value if documents else {}
    found: StreamSettings = fields.decode(StreamSettings, value, "streamConfig")
    if found.retention:
        raise BadSourceConfig("streamConfig.retention: only 0 (limits) serves several readers")
    return found


def _access(config: JetStreamBus.Config, around: BusSurroundings) -> dict[str, Any]:
    """Argo's secret is YAML with username and password; its documentation shows a plain token. Both work."""
    ref = config.access_secret
    if ref is None:
        return {}
    text = around.secrets.secret(around.namespace, ref.name, ref.key).decode()
    value = yaml.load(text)[0].value if text.strip() else None
    if isinstance(value, dict):
        return {"user": str(value.get("username")), "password": str(value.get("password"))}
    return {"token": text.strip()}


def _headers(event: Event) -> dict[str, str]:
    return {**envelope.headers(event), "Nats-Msg-Id": dedup_key(event) or event.id}


def _size(event: Event) -> int:
    """As the server counts: the block of headers (a first line, a line each, an empty line) and the data."""
    lines = sum(len(name) + len(text) + 4 for name, text in _headers(event).items())
    return len("NATS/1.0\r\n") + lines + len("\r\n") + len(event.data)


def _parts(message: Any) -> tuple[dict[str, str], bytes, int]:
    return message.headers or {}, message.data, message.metadata.sequence.stream


@contextmanager
def _speaking(url: str) -> Any:
    """The client's complaints as ours."""
    from nats.errors import Error

    try:
        yield
    except (Error, OSError, TimeoutError) as error:
        raise BusAway(f"the NATS server {url}: {error or type(error).__name__}") from error
