"""Identity: random ids for what is born by chance, digests for what must collide when it happens twice."""

import hashlib
import random
import uuid
from typing import Protocol

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class Ids(Protocol):
    """`uid` is a new UUID; `suffix` the five characters that complete a generateName."""

    def uid(self) -> str: ...
    def suffix(self) -> str: ...


class RandomIds:
    """Ids nobody can guess."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def uid(self) -> str:
        return str(uuid.uuid4())

    def suffix(self) -> str:
        return "".join(self._random.choices(_LETTERS, k=5))


class CountedIds:
    """Ids in a row (`00000000-…-1`, `aaaa1`): for tests and recorded runs."""

    def __init__(self) -> None:
        self._n = 0

    def uid(self) -> str:
        self._n += 1
        return str(uuid.UUID(int=self._n))

    def suffix(self) -> str:
        self._n += 1
        return f"{self._n:05d}"


def digest(*parts: str) -> str:
    """32 hex characters that depend on every part and on where one part ends and the next begins."""
    return digest_of(b"".join(map(framed, parts)))


def digest_of(frames: bytes) -> str:
    """`digest` of parts framed before: what is the same each time is framed once."""
    return hashlib.blake2b(frames, digest_size=16).hexdigest()


def framed(part: str) -> bytes:
    """A part of a digest: its length, and then itself."""
    raw = part.encode("utf-8", "surrogatepass")
    return len(raw).to_bytes(8, "big") + raw
