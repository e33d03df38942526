"""How many may hold a semaphore: a key of a config map, or a row of our own database.

The rows are mirrored in memory, because the lock table decides without waiting; they change only through here.
"""

from collections.abc import Callable
from functools import partial

from bireme.kit.errors import Conflict, NotFound, UserError
from bireme.storage.ports import Database, Transaction
from controller.dag.model import Lock
from controller.locks import UnknownLimit
from controller.templates import TemplateShelf

LARGEST = 2**31 - 1
"""As in Argo's API."""

_CREATE = (
    "INSERT INTO sync_limits (namespace, key, size) VALUES (?,?,?)"
    " ON CONFLICT (namespace, key) DO NOTHING"
)
_UPDATE = "UPDATE sync_limits SET size=? WHERE namespace=? AND key=?"
_DELETE = "DELETE FROM sync_limits WHERE namespace=? AND key=?"


class LimitRefused(UserError):
    """The limit cannot be changed as asked."""


class LimitExists(LimitRefused, Conflict):
    """There is one already; update it instead."""


class LimitNotFound(LimitRefused, NotFound):
    """There is no such limit."""


class SyncLimits:
    """`changed` is called after each change: whoever waits looks again."""

    def __init__(self, database: Database, shelf: TemplateShelf) -> None:
        self._database = database
        self._shelf = shelf
        self._kept: dict[tuple[str, str], int] = {}
        self.changed: Callable[[], None] = lambda: None

    async def load(self) -> None:
        """Read all rows; before any run goes on."""
        rows = await self._database.read("SELECT namespace, key, size FROM sync_limits", ())
        self._kept = {(namespace, key): size for namespace, key, size in rows}

    def of(self, lock: Lock) -> int:
        """How many may hold the lock now. Raises UnknownLimit."""
        if lock.key:
            _, namespace, key = lock.key.split("/", 2)
            found = self._kept.get((namespace, key))
            if found is None:
                raise UnknownLimit(
                    f"failed to initialize semaphore {lock.name}: no limit is kept for it;"
                    f" `bireme sync create {key} --type database --limit N` makes one"
                )
            return found
        return self._of_config_map(lock)

    def _of_config_map(self, lock: Lock) -> int:
        namespace, _, name, key = lock.name.split("/", 3)
        manifest = self._shelf.template("ConfigMap", namespace, name)
        if manifest is None:
            raise UnknownLimit(
                f'failed to initialize semaphore {lock.name}: configmaps "{name}" not found; apply it first'
            )
        text = (manifest.get("data") or {}).get(key)
        if text is None:
            raise UnknownLimit(f"failed to initialize semaphore {lock.name}: it has no key {key}")
        try:
            return int(str(text))
        except ValueError as error:
            raise UnknownLimit(
                f"failed to initialize semaphore {lock.name}: {text!r} is no whole number"
            ) from error

    # --- the rows ---

    def list(self, namespace: str) -> dict[tuple[str, str], int]:
        """(namespace, key) -> limit; of all namespaces for ""."""
        kept = sorted(self._kept.items())
        return {at: size for at, size in kept if namespace in ("", at[0])}

    def get(self, namespace: str, key: str) -> int:
        """The limit kept under the key. Raises LimitNotFound."""
        if (namespace, key) not in self._kept:
            raise _not_found(namespace, key)
        return self._kept[namespace, key]

    async def create(self, namespace: str, key: str, size: int) -> None:
        """Keep a new limit. Raises LimitExists, also when another call has made it meanwhile."""
        _check(namespace, key, size)

        def work(tx: Transaction) -> None:
            if not tx.execute(_CREATE, (namespace, key, size)):
                raise LimitExists(f'sync limit "{key}" already exists in namespace {namespace}')
            tx.on_commit(partial(self._keep, namespace, key, size))

        await self._database.write(work)

    async def update(self, namespace: str, key: str, size: int) -> None:
        """Change a limit; those who hold the lock keep it. Raises LimitNotFound."""
        self.get(namespace, key)
        _check(namespace, key, size)

        def work(tx: Transaction) -> None:
            if not tx.execute(_UPDATE, (size, namespace, key)):
                raise _not_found(namespace, key)
            tx.on_commit(partial(self._keep, namespace, key, size))

        await self._database.write(work)

    async def delete(self, namespace: str, key: str) -> None:
        """Forget a limit: who holds the lock keeps it, who waits for it ends in error. Raises LimitNotFound."""

        def work(tx: Transaction) -> None:
            if not tx.execute(_DELETE, (namespace, key)):
                raise _not_found(namespace, key)
            tx.on_commit(partial(self._forget, namespace, key))

        await self._database.write(work)

    def _keep(self, namespace: str, key: str, size: int) -> None:
        self._kept[namespace, key] = size
        self.changed()

    def _forget(self, namespace: str, key: str) -> None:
        del self._kept[namespace, key]
        self.changed()


def _check(namespace: str, key: str, size: int) -> None:
    if not namespace or "/" in namespace:
        raise LimitRefused(f"namespace: found '{namespace}', expected the name of one")
    if not key:
        raise LimitRefused("key: expected a text that is not empty")
    if not 0 < size <= LARGEST:
        raise LimitRefused(f"limit: found {size}, expected a whole number from 1 to {LARGEST}")


def _not_found(namespace: str, key: str) -> LimitNotFound:
    return LimitNotFound(f'sync limit "{key}" not found in namespace {namespace}')
