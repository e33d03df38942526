"""Reading a source again from an earlier place: the wish, as it is kept until the source comes to it."""

from datetime import datetime

import msgspec

from bireme.kit.errors import UserError

REWIND = "rewind"
"""The fact a source looks for when it starts. It forgets it in the commit that obeys it."""


class Rewind(msgspec.Struct, frozen=True, omit_defaults=True):
    """To an offset, or to the first message at or after a moment."""

    offset: int | None = None
    time: datetime | None = None

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, fact: bytes | None) -> "Rewind | None":
        return msgspec.json.decode(fact, type=cls) if fact else None


def parse(text: str) -> Rewind:
    """`beginning`, an offset, or a time such as 2026-01-02T03:04:05Z. Raises UserError."""
    if text == "beginning":
        return Rewind(offset=0)
    if text.isdigit():
        return Rewind(offset=int(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(
            f"cannot rewind to '{text}': expected `beginning`, an offset, or a time such as 2026-01-02T03:04:05Z"
        ) from error
    if moment.tzinfo is None:
        raise UserError(f"cannot rewind to '{text}': say the time zone too, such as {text}Z")
    return Rewind(time=moment)
