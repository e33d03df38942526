"""A firing as the lower deck sees who asks: its place and where its secrets are."""

from dataclasses import dataclass

from events.ports import Place, Secrets
from sensors.model import Firing


@dataclass(frozen=True, slots=True)
class Standing:
    """`events.ports.Asker`."""

    secrets: Secrets
    place: Place


def of(firing: Firing, secrets: Secrets) -> Standing:
    """The standing of a firing's trigger."""
    place = Place(firing.namespace, firing.sensor, firing.kind, firing.trigger)
    return Standing(secrets, place)
