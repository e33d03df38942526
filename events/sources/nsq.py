"""Event source `nsq`: messages of a topic, from every nsqd that has it.

    spec:
      nsq:
        orders:
          hostAddress: nsqlookupd:4161     # the lookup daemon's HTTP address
          topic: orders
          channel: ship
          jsonBody: true

Payload: `{"body": …, "timestamp": "1527000000000000000", "nsqdAddress": "host:4150", "metadata": {…}}`.

A message is finished after its event is durable, and is one event however often it is delivered.
"""

import asyncio
from typing import Any

import structlog

from bireme.kit.supervise import TaskScope
from events import fields, nsq, rest, streams, tls
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources
from events.tls import Tls

log = structlog.get_logger(__name__)

_IN_FLIGHT = 200
_LOOKUP_S = 60.0
_AGAIN_S = 5.0


@sources.register("nsq")
class NsqSource:
    """Each message once. An nsqd that is away does not stop the others; it is tried again."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        host_address: str = ""
        topic: str = ""
        channel: str = ""
        json_body: bool = False
        connection_backoff: dict[str, Any] | None = None
        tls: Tls | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        for field, value in (
            ("hostAddress", config.host_address),
            ("topic", config.topic),
            ("channel", config.channel),
        ):
            if not value:
                raise BadSourceConfig(f"{field} is missing")
            if any(letter.isspace() for letter in value):
                raise BadSourceConfig(f"{field} is {value!r}: it has no spaces")
        self._config = config
        self._around = surroundings

    async def run(self, publish: Publish) -> None:
        scope = TaskScope("nsq")
        try:
            await self._follow(scope, publish)
        finally:
            await scope.close()

    async def _follow(self, scope: TaskScope, publish: Publish) -> None:
        """Stay connected to every nsqd the lookup daemon knows. Raises the last one's error when none is left."""
        running: dict[str, asyncio.Task[None]] = {}
        while True:
            for address in await self._known(is_needed=not running):
                if address not in running:
                    running[address] = scope.start(address, self._consume(address, publish))
            if not running:
                self._around.ready()  # an nsqd keeps what is sent before its topic has a channel
            pause = scope.start("pause", self._around.clock.sleep(_LOOKUP_S))
            await asyncio.wait([pause, *running.values()], return_when=asyncio.FIRST_COMPLETED)
            pause.cancel()
            if any(task.done() for task in running.values()):
                _drop_ended(running)
                await self._around.clock.sleep(_AGAIN_S)

    async def _known(self, is_needed: bool) -> list[str]:
        """A lookup daemon that is away is an error only while nobody is connected."""
        config = self._config
        base = (
            config.host_address if "://" in config.host_address else f"http://{config.host_address}"
        )
        try:
            async with rest.session() as session:
                found = await rest.Api(session, base).call(
                    "GET", "/lookup", query={"topic": config.topic}
                )
        except rest.ApiError as error:
            if error.status == 404:  # nobody has sent to the topic yet
                return []
            if is_needed:
                raise
            log.warning("lookup_failed", error=str(error))
            return []
        found = found.get("data", found)  # as daemons before 1.0 wrap it
        return [f"{one['broadcast_address']}:{one['tcp_port']}" for one in found["producers"]]

    async def _consume(self, address: str, publish: Publish) -> None:
        config, around = self._config, self._around
        nsqd = nsq.Nsqd(address, _IN_FLIGHT)
        forward = streams.Forwarder[nsq.Message](
            around, lambda message: self._event(address, message), _where
        )
        context = tls.context(config.tls, around.secrets, around.place.namespace)
        scope = TaskScope(f"nsqd {address}")
        try:
            async with nsqd.connected(f"bireme-{around.place.name}", context):
                await nsqd.subscribe(config.topic, config.channel)
                around.ready()
                scope.start("receive", nsqd.receive())
                while True:
                    messages = await nsqd.inbox.batch()
                    await forward(publish, messages)
                    for message in messages:
                        await nsqd.finish(message)
        finally:
            await scope.close()

    def _event(self, address: str, message: nsq.Message) -> NewEvent:
        payload = {
            "body": streams.body(message.body, self._config.json_body),
            "timestamp": str(message.timestamp),
            "nsqdAddress": address,
        }
        dedup = f"{address}:{message.id}:{message.timestamp}"
        return streams.event(payload, self._config.metadata, dedup=dedup)


def _drop_ended(running: dict[str, asyncio.Task[None]]) -> None:
    """Raises what is worse than one nsqd that is away, or the error of the last of them."""
    ended = [address for address, task in running.items() if task.done()]
    for address in ended:
        error = running.pop(address).exception()
        if error is not None and not (running and isinstance(error, streams.ServerAway)):
            raise error


def _where(message: nsq.Message) -> dict[str, Any]:
    return {"message": message.id, "attempts": message.attempts}
