"""A NATS server in operator mode: its clients show a JWT that an account signed and prove that they have its key.

The JWTs are made here, as `nsc` makes them: version 2, signed by ed25519.
"""

import base64
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import nkeys
import orjson

from tests.servers import nats, process

_LIMITS = {
    "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True,
    "conn": -1, "leaf": -1,
}  # fmt: skip
_CREDS = """-----BEGIN NATS USER JWT-----
{}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.

-----BEGIN USER NKEY SEED-----
{}
------END USER NKEY SEED------

*************************************************************
"""


class Key:
    """A pair of keys of an operator, an account or a user."""

    def __init__(self, prefix: int) -> None:
        self.seed: str = nkeys.encode_seed(os.urandom(32), prefix).decode()
        self._pair = nkeys.from_seed(bytearray(self.seed.encode()))
        self.public: str = self._pair.public_key.decode()

    def signed(self, subject: "Key", **claims: Any) -> str:
        """A JWT about `subject` that this key issues."""
        body = {
            "jti": "J", "iat": 1, "iss": self.public, "name": "n", "sub": subject.public,
            "nats": {**claims, "version": 2},
        }  # fmt: skip
        text = f"{_part({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_part(body)}"
        return f"{text}.{_encoded(self._pair.sign(text.encode()))}"


@dataclass
class Operator:
    """One operator with a system account and an account of ours."""

    key: Key = field(default_factory=lambda: Key(nkeys.PREFIX_BYTE_OPERATOR))
    system: Key = field(default_factory=lambda: Key(nkeys.PREFIX_BYTE_ACCOUNT))
    account: Key = field(default_factory=lambda: Key(nkeys.PREFIX_BYTE_ACCOUNT))

    def creds(self, *, of_stranger: bool = False) -> str:
        """A user's creds file, as `nsc generate creds` prints it; a stranger's account is unknown to the server."""
        user = Key(nkeys.PREFIX_BYTE_USER)
        account = Key(nkeys.PREFIX_BYTE_ACCOUNT) if of_stranger else self.account
        may = {"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}
        return _CREDS.format(account.signed(user, type="user", **may), user.seed)

    def config(self) -> str:
        accounts = "".join(
            f"  {one.public}: {self.key.signed(one, type='account', limits=_LIMITS)}\n"
            for one in (self.system, self.account)
        )
        operator = self.key.signed(self.key, type="operator")
        return (
            f"operator: {operator}\nsystem_account: {self.system.public}\n"
            f"resolver: MEMORY\nresolver_preload: {{\n{accounts}}}\n"
        )


@contextlib.contextmanager
def running(operator: Operator) -> Iterator[process.Server]:
    """A server at `nats://127.0.0.1:<server.port>` that knows the operator's accounts."""
    with process.scratch("operator") as folder:
        (folder / "operator.conf").write_text(operator.config())
        with nats.running("-c", str(folder / "operator.conf")) as server:
            yield server


def _part(value: Any) -> str:
    return _encoded(orjson.dumps(value))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
