"""What NATS knows a client by, out of secrets: a creds file, or the seed of an nkey. For the source and the trigger.

Looked at before the client library sees it: that one looks for ever for the JWT in a text without one.
"""

import re
from typing import TYPE_CHECKING

from bireme.kit.errors import MissingExtra, UserError

if TYPE_CHECKING:
    from nats.aio.client import RawCredentials

_BLOCK = r"-+BEGIN {}-+\s+(\S+)\s+-+END {}-+"
_JWT = re.compile(_BLOCK.format("NATS USER JWT", "NATS USER JWT"))
_SEED = re.compile(_BLOCK.format("USER NKEY SEED", "USER NKEY SEED"))
_WRITTEN = (
    "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n"
    "-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n"
)


class BadLogin(UserError):
    """The secret holds no such credentials; the message shows nothing of it."""


def creds(text: str) -> "RawCredentials":
    """The content of a creds file, as `nsc` writes it. The server gets a signature, never the seed. Raises BadLogin."""
    from nats.aio.client import RawCredentials

    jwt, key = _JWT.search(text), _SEED.search(text)
    if jwt is None or key is None:
        raise BadLogin("it is no creds file: expected a NATS USER JWT and a USER NKEY SEED in it")
    return RawCredentials(_WRITTEN.format(jwt[1], seed(key[1])))


def seed(text: str) -> str:
    """The seed of an nkey, `SU…`. Raises BadLogin."""
    try:
        import nkeys
    except ImportError as error:
        raise MissingExtra("nats", "an nkey or a creds file of NATS") from error
    given = text.strip()
    try:
        nkeys.from_seed(bytearray(given.encode()))
    except (nkeys.NkeysError, ValueError) as error:
        raise BadLogin("its seed is none: expected SU… of 58 characters") from error
    return given
