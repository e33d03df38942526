"""The locks a workflow or a template asks for, by Argo's names. Pure."""

from collections.abc import Iterator

from controller.dag.model import Hold, Json, Lock


class BadLocks(Exception):
    """`synchronization` cannot be honoured; the message is for people."""


def wanted(synchronization: Json | None, namespace: str) -> Hold | None:
    """All locks that are asked for, none when there are none. Raises BadLocks."""
    if not synchronization:
        return None
    locks = (*_semaphores(synchronization, namespace), *_mutexes(synchronization, namespace))
    if len({lock.identity for lock in locks}) < len(locks):
        raise BadLocks("duplicate synchronization item found")
    return Hold(locks) if locks else None


def _mutexes(synchronization: Json, namespace: str) -> Iterator[Lock]:
    for mutex in synchronization.get("mutexes") or ():
        home, name = mutex.get("namespace") or namespace, mutex.get("name")
        if not name:
            raise BadLocks("synchronization.mutexes: name is required")
        if mutex.get("database"):
            yield Lock(f"{home}/Database/{name}", f"mtx/{home}/{name}")
        else:
            yield Lock(f"{home}/Mutex/{name}")


def _semaphores(synchronization: Json, namespace: str) -> Iterator[Lock]:
    for semaphore in synchronization.get("semaphores") or ():
        home = semaphore.get("namespace") or namespace
        in_map, kept = semaphore.get("configMapKeyRef"), semaphore.get("database")
        if in_map and in_map.get("name") and in_map.get("key"):
            yield Lock(f"{home}/ConfigMap/{in_map['name']}/{in_map['key']}")
        elif kept and kept.get("key"):
            yield Lock(f"{home}/Database/{kept['key']}", f"sem/{home}/{kept['key']}")
        else:
            raise BadLocks(
                "synchronization.semaphores: configMapKeyRef with name and key, or database with key, is required"
            )
