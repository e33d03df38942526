"""How workers share the sensors between them. Pure: the rows come in, the wishes of one worker go out.

Every worker may hold its fair share: the whole divided by the workers that are alive, the remainder to the first by
name. Who has more gives back, who has less takes what nobody holds. All workers see the same rows, so they agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bireme.kit.ids import digest

NOBODY = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a sensor, in which epoch."""

    worker: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Picture:
    """The rows at one moment of the database's clock: `alive` are the workers whose time is not up."""

    alive: frozenset[str]
    leases: Mapping[str, Lease]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one worker wants to change. `rest` are sensors to give back once nothing is being done for them: until then
    nothing new is begun."""

    take: tuple[str, ...] = ()
    give: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()


def wishes(picture: Picture, me: str, known: frozenset[str], busy: frozenset[str]) -> Wishes:
    """What worker `me`, which can act for the sensors `known`, takes and gives back; never what is `busy`."""
    leases = picture.leases
    mine = [sensor for sensor, lease in leases.items() if lease.worker == me]
    unknown = [sensor for sensor in mine if sensor not in known]
    usable = sorted((s for s in mine if s in known), key=lambda sensor: _liking(me, sensor))
    room = _share(len(leases), picture.alive | {me}, me)
    surplus = usable[room:]
    free = sorted(
        (s for s, lease in leases.items() if s in known and lease.worker not in picture.alive
         and lease.worker != me),
        key=lambda sensor: _liking(me, sensor),
    )  # fmt: skip
    return Wishes(
        take=tuple(free[: max(room - len(usable), 0)]),
        give=(*unknown, *(sensor for sensor in surplus if sensor not in busy)),
        rest=tuple(sensor for sensor in surplus if sensor in busy),
    )


def _share(sensors: int, alive: frozenset[str], me: str) -> int:
    whole, rest = divmod(sensors, len(alive))
    return whole + (1 if sorted(alive).index(me) < rest else 0)


def _liking(me: str, sensor: str) -> str:
    """Every worker has an order of its own, so that two that look at once do not want the same."""
    return digest("lease", me, sensor)
