"""What the two sides of the sandbox say to each other: a header of fixed size, then so many bytes. No I/O; the child
starts with little more than this imported."""

from struct import Struct

DEFINE, COMPILE, RUN = 1, 2, 3
"""Put a program into a slot (no answer); compile the program of a slot; run it on data."""

DONE, FAILED, TOO_MUCH = 0, 1, 2
"""Answers: the result; the program's error; more output than allowed, or memory that ran out."""

SLOTS = 256
"""How many programs a child keeps compiled."""

_REQUEST = Struct("<BHI")
_REPLY = Struct("<BI")
REQUEST_SIZE, REPLY_SIZE = _REQUEST.size, _REPLY.size


def request(action: int, slot: int, body: bytes = b"") -> bytes:
    return _REQUEST.pack(action, slot, len(body)) + body


def request_head(head: bytes) -> tuple[int, int, int]:
    """Action, slot and size of the body."""
    action, slot, size = _REQUEST.unpack(head)
    return action, slot, size


def reply(status: int, body: bytes) -> bytes:
    return _REPLY.pack(status, len(body)) + body


def reply_head(head: bytes) -> tuple[int, int]:
    """Status and size of the body."""
    status, size = _REPLY.unpack(head)
    return status, size


def packed(kind: str, text: str) -> bytes:
    return f"{kind}\n{text}".encode(errors="replace")


def unpacked(body: bytes) -> tuple[str, str]:
    """Kind and text of a program."""
    kind, _, text = body.decode().partition("\n")
    return kind, text
