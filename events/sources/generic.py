"""Event source `generic`: events of a gRPC server of one's own, which implements Argo's `generic.Eventing`.

    spec:
      generic:
        own:
          url: my-source:50051
          config: "text for the server"
          insecure: true
          jsonBody: true
          authSecret: {name: own, key: token}

Payload: `{"body": …, "metadata": {…}}`.

The service has one call, `StartEventSource(EventSource{string name = 1; bytes config = 2}) returns (stream Event{string
name = 1; bytes payload = 2})`. It knows no acknowledgements: the next event is taken only once this one is durable, but
what the connection holds when it ends is gone.
"""

from collections.abc import Iterator

from events import fields, streams
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

_CALL = "/generic.Eventing/StartEventSource"
_BYTES = 2  # the wire type of texts and bytes
_MOST_ANSWER = 64 << 20  # larger messages end the stream; those up to it are refused one by one


@sources.register("generic")
class GenericSource:
    """At most once, in the server's order. Without `insecure` the server is spoken to with TLS."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        url: str = ""
        config: str = ""
        insecure: bool = False
        json_body: bool = False
        auth_secret: fields.SecretRef | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if not config.url:
            raise BadSourceConfig("url is missing: write the server's address, host:port")
        if not config.config:
            raise BadSourceConfig("config is missing: the text that the server is given")
        self._config = config
        self._around = surroundings
        self._forward = streams.Forwarder[bytes](surroundings, self._event, lambda _: {})

    async def run(self, publish: Publish) -> None:
        try:
            from grpc import aio, ssl_channel_credentials
        except ImportError as error:
            raise streams.missing("grpc", "generic") from error
        config = self._config
        options = [("grpc.max_receive_message_length", _MOST_ANSWER)]
        if config.insecure:
            channel = aio.insecure_channel(config.url, options=options)
        else:
            channel = aio.secure_channel(config.url, ssl_channel_credentials(), options=options)
        request = encode({1: self._around.place.subject.encode(), 2: config.config.encode()})
        async with channel:
            try:
                call = channel.unary_stream(_CALL)(request, metadata=self._metadata())
                await call.wait_for_connection()
                self._around.ready()
                async for message in call:
                    await self._forward(publish, [message])
            except aio.AioRpcError as error:
                raise streams.ServerAway(f"{config.url}: {error.details()}") from error
        raise streams.ServerAway(f"{config.url}: the server ended the stream")

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        token = streams.text(self._around.secrets, self._around.place, self._config.auth_secret)
        return (("authorization", f"Bearer {token}"),) if token else ()

    def _event(self, message: bytes) -> NewEvent:
        try:
            raw = dict(decode(message)).get(2, b"")
        except ValueError as error:
            raise streams.Poison(str(error), message) from error
        return streams.event(
            {"body": streams.body(raw, self._config.json_body)}, self._config.metadata
        )


def encode(values: dict[int, bytes]) -> bytes:
    """A protobuf message of byte fields."""
    parts = (
        _varint(number << 3 | _BYTES) + _varint(len(value)) + value
        for number, value in values.items()
    )
    return b"".join(parts)


def decode(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The byte fields of a protobuf message. Raises ValueError for anything else."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        if key & 7 != _BYTES:
            raise ValueError(f"field {key >> 3} of the event is neither text nor bytes")
        size, at = _read_varint(message, at)
        if at + size > len(message):
            raise ValueError("the event ends too early")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
    raise ValueError("the event ends too early")
