"""Firing a trigger by hand: what the outbox does, without rows."""

from typing import Any

from bireme.kit.clock import FixedClock
from bireme.kit.errors import NotFound
from bireme.kit.ids import CountedIds
from bireme.kit.reach import EVERYWHERE, Reach
from sensors.model import Firing, Origin, Receipt
from sensors.ports import Completes
from sensors.registry import triggers
from sensors.surroundings import Surroundings

ORIGIN = Origin("default", "s", "t", 1.5)


class Kept:
    """Secrets by key, whatever their name."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def secret(self, namespace: str, name: str, key: str) -> bytes:
        if key not in self.values:
            raise NotFound(f'secret "{name}" key "{key}" not found')
        return self.values[key].encode()

    def config(self, namespace: str, name: str, key: str) -> str:
        return self.secret(namespace, name, key).decode()


def ref(key: str) -> dict[str, str]:
    return {"name": "s", "key": key}


def payload(key: str = "body.n", dest: str = "n") -> list[dict[str, Any]]:
    return [{"src": {"dependencyName": "a", "dataKey": key, "useRawData": True}, "dest": dest}]


class Actor:
    """One trigger of `kind` and what it is given. `close` it."""

    def __init__(
        self, kind: str, reach: Reach = EVERYWHERE, cluster: Any = None, **secrets: str
    ) -> None:
        self.kind = kind
        workflows: Any = None
        self.clock = FixedClock()
        self.around = Surroundings(
            self.clock, CountedIds(), workflows, Kept(**secrets), reach, None, cluster
        )
        self.trigger: Any = triggers[kind](self.around)

    def prepared(self, events: Any, policy: Any = None, **block: Any) -> dict[str, Any]:
        definition = {"template": {"name": "t", self.kind: block}, "policy": policy}
        spec: dict[str, Any] = self.trigger.prepare(definition, events, ORIGIN)
        return spec

    def firing(self, spec: dict[str, Any], id: str = "f1") -> Firing:
        return Firing(
            id=id, namespace="default", sensor="s", trigger="t", kind=self.kind, spec=spec
        )

    async def fire(
        self, events: Any, policy: Any = None, *, id: str = "f1", **block: Any
    ) -> Receipt:
        firing = self.firing(self.prepared(events, policy, **block), id)
        for secret in self.around.secrets.values.values():  # type: ignore[attr-defined]
            assert secret not in str(firing), "a secret is in the row"
        return await self.act(firing)

    async def act(self, firing: Firing) -> Receipt:
        if isinstance(self.trigger, Completes) and not self.trigger.is_complete(firing):
            firing = await self.trigger.complete(firing)
        receipt: Receipt = await self.trigger.fire(firing)
        return receipt

    async def __aenter__(self) -> "Actor":
        return self

    async def __aexit__(self, *what: object) -> None:
        await self.trigger.close()
