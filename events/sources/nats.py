"""Event source `nats`: messages of a subject, from NATS itself or from a JetStream stream.

    spec:
      nats:
        orders:
          url: nats://nats:4222
          subject: orders.*
          jsonBody: true
          auth: {token: {name: nats, key: token}}
          jetstream: {durable: ship, oldest: true}   # ours: acknowledged after durable; without it at most once

Payload: `{"subject": …, "body": …, "header": {name: [value]}, "metadata": {…}}`; `header` only when there is one.

Plain NATS keeps nothing: what is sent while nobody is connected is gone. With `jetstream` a durable consumer waits for
us, and a message is one event however often it is delivered.
"""

import re
from typing import TYPE_CHECKING, Any

from events import fields, nats, streams
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

_FETCH_S = 5.0
_ACK_WAIT_S = 60.0
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")


class JetStream(fields.Fields, frozen=True, kw_only=True):
    """Ours. `stream` is found by the subject when it is not named; `oldest` counts when the consumer is made."""

    stream: str = ""
    durable: str = ""
    oldest: bool = False


@sources.register("nats")
class NatsSource:
    """With `jetstream` each message once; without, at most once, as the protocol has it."""

    class Config(nats.Server, frozen=True, kw_only=True):
        subject: str = ""
        queue: str | None = None
        jetstream: JetStream | None = None
        json_body: bool = False
        connection_backoff: dict[str, Any] | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if not config.url:
            raise BadSourceConfig("url is missing: write the address of the server")
        if not config.subject:
            raise BadSourceConfig("subject is missing: write what to listen to")
        if config.queue == "":
            raise BadSourceConfig("queue group cannot be empty if specified: name it or remove it")
        self._config = config
        self._around = surroundings
        self._forward = streams.Forwarder["Msg"](surroundings, self._event, _where)

    async def run(self, publish: Publish) -> None:
        inbox = streams.Inbox["Msg"]()
        async with nats.connected(self._config, self._around, inbox.close) as client:
            if self._config.jetstream is None:
                await self._listen(client, inbox, publish)
            else:
                await self._consume(client, self._config.jetstream, publish)

    async def _listen(
        self, client: "Client", inbox: "streams.Inbox[Msg]", publish: Publish
    ) -> None:
        await client.subscribe(self._config.subject, queue=self._config.queue or "", cb=inbox.put)
        await client.flush()
        self._around.ready()
        while True:
            await self._forward(publish, await inbox.batch())

    async def _consume(self, client: "Client", wanted: JetStream, publish: Publish) -> None:
        from nats.errors import TimeoutError as NothingCame
        from nats.js.api import ConsumerConfig, DeliverPolicy

        policy = DeliverPolicy.ALL if wanted.oldest else DeliverPolicy.NEW
        place = self._around.place
        ours = f"bireme-{place.namespace}-{place.name}-{place.subject}"
        pull = await client.jetstream().pull_subscribe(
            self._config.subject,
            durable=wanted.durable or _NOT_IN_A_NAME.sub("-", ours),
            stream=wanted.stream or None,
            config=ConsumerConfig(deliver_policy=policy, ack_wait=_ACK_WAIT_S),
        )
        self._around.ready()
        while True:
            try:
                messages = await pull.fetch(streams.BATCH, timeout=_FETCH_S)
            except (TimeoutError, NothingCame):
                if client.is_closed or not client.is_connected:
                    raise streams.ServerAway(
                        f"{self._config.url}: the connection is gone"
                    ) from None
                continue
            for poison in await self._forward(publish, messages):
                await poison.term()
            for message in messages:
                if not message.is_acked:
                    await message.ack()

    def _event(self, message: "Msg") -> NewEvent:
        payload: dict[str, Any] = {
            "subject": message.subject,
            "body": streams.body(message.data, self._config.json_body),
        }
        if message.headers:
            payload["header"] = {name: [value] for name, value in message.headers.items()}
        dedup = ""
        if self._config.jetstream is not None:
            found = message.metadata
            dedup = f"{found.stream}:{found.sequence.stream}:{found.timestamp.timestamp()}"
        return streams.event(payload, self._config.metadata, dedup=dedup)


def _where(message: "Msg") -> dict[str, Any]:
    return {"nats_subject": message.subject}
