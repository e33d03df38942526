"""What can go wrong in this deck."""

from collections.abc import Sequence

from bireme.kit.errors import BiremeError, ServiceError, UserError


class SensorsError(BiremeError):
    """Base of what goes wrong in this deck."""


class BadSensor(SensorsError, UserError):
    """A part of the sensor cannot work; `path` is the field below the part that was being compiled."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class CannotResolve(SensorsError, UserError):
    """A parameter finds nothing to take; the text is Argo's."""


class TriggerRefused(SensorsError, UserError):
    """What the trigger asks for cannot be done, however often it is tried."""


class TriggerFailed(SensorsError, ServiceError):
    """The act failed for a reason outside; the retry policy decides whether to try again."""


class Outdated(SensorsError, ServiceError):
    """Manifests were applied that this worker has not read yet: nothing is decided before it has."""


class NotHeld(SensorsError, ServiceError):
    """Another worker holds these sensors now: what this one was about to decide for them is undone."""

    def __init__(self, worker: str, sensors: Sequence[str]) -> None:
        super().__init__(f"worker {worker} no longer holds {', '.join(sensors)}")
        self.sensors = sensors
