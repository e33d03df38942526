"""How many workflows may run at once: pure bookkeeping, newest limits win, higher priority first, then the older."""

import heapq
from dataclasses import dataclass, field
from datetime import datetime

Order = tuple[int, float, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """0 is no limit. `namespaces` overrides `per_namespace` by name."""

    total: int = 0
    per_namespace: int = 0
    namespaces: dict[str, int] = field(default_factory=dict)

    def of(self, namespace: str) -> int:
        return self.namespaces.get(namespace, self.per_namespace)

    @property
    def any(self) -> bool:
        return bool(self.total or self.per_namespace or any(self.namespaces.values()))


class Throttle:
    """Who is running and who waits. Order of admission depends only on what was added, never on who asks first."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._running: dict[str, str] = {}
        self._per_namespace: dict[str, int] = {}
        self._waiting: list[tuple[Order, str]] = []
        self._namespaces: dict[str, str] = {}

    def add(self, key: str, namespace: str, *, priority: int, created: datetime) -> None:
        """`key` wants to run. Adding again changes nothing."""
        if key in self._running or key in self._namespaces:
            return
        self._namespaces[key] = namespace
        heapq.heappush(self._waiting, ((-priority, created.timestamp(), key), key))

    def enter(self, key: str, namespace: str) -> None:
        """`key` runs already (a restart): it counts, whatever the limits say."""
        if key not in self._running:
            self._running[key] = namespace
            self._per_namespace[namespace] = self._per_namespace.get(namespace, 0) + 1

    def remove(self, key: str) -> None:
        """`key` has ended or is gone."""
        self._namespaces.pop(key, None)
        if (namespace := self._running.pop(key, None)) is not None:
            self._per_namespace[namespace] -= 1

    def admit(self) -> list[str]:
        """Those that may start now, in order; they count as running from here on."""
        admitted: list[str] = []
        kept: list[tuple[Order, str]] = []
        while self._waiting and self._has_room():
            order, key = heapq.heappop(self._waiting)
            namespace = self._namespaces.get(key)
            if namespace is None:
                continue
            if not self._has_room_in(namespace):
                kept.append((order, key))
                continue
            del self._namespaces[key]
            self.enter(key, namespace)
            admitted.append(key)
        for entry in kept:
            heapq.heappush(self._waiting, entry)
        return admitted

    def is_running(self, key: str) -> bool:
        return key in self._running

    def _has_room(self) -> bool:
        return not self.limits.total or len(self._running) < self.limits.total

    def _has_room_in(self, namespace: str) -> bool:
        limit = self.limits.of(namespace)
        return not limit or self._per_namespace.get(namespace, 0) < limit
