"""What senders share."""

from typing import Any, Protocol

from bireme.kit.errors import UserError
from events.ports import Asker


class NobodyThere(UserError):
    """The server took the message, and nobody was there to have it."""


class NoText(UserError):
    """The body is bytes where the server takes text only."""


class Sender(Protocol):
    """A module of this folder."""

    Config: Any

    async def send(self, asker: Asker, config: Any, to: str, body: bytes) -> str:
        """Send once; says where the message lies. `to` is the place when not the one of `config`.

        Raises ServerAway, KafkaAway, AwsError, NobodyThere, NoText, MissingExtra, NotFound (a secret).
        """
        ...


def concrete(pattern: str, separator: str, *, one: str, rest: str) -> str:
    """A place that the pattern covers: each wildcard is the word `sent`."""
    words = pattern.split(separator)
    return separator.join("sent" if word in (one, rest) else word for word in words)
