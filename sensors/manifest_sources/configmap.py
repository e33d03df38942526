"""`source.configmap`: a key of an applied ConfigMap.

    source:
      configmap: {name: workflows, key: build.yaml}

A config map that is not there yet is worth a retry.
"""

from typing import Any

from bireme.kit.errors import NotFound
from events import fields
from events.ports import Place
from sensors.errors import BadSensor, TriggerFailed
from sensors.registry import manifest_sources
from sensors.surroundings import Surroundings


@manifest_sources.register("configmap")
class ConfigMapSource:
    """Config maps as they are when the trigger acts; one that is applied later helps a retry."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        """A key of a ConfigMap."""

        name: str = ""
        key: str = ""
        optional: bool | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._secrets = surroundings.secrets

    async def read(self, block: dict[str, Any], place: Place) -> bytes:
        name, key = block.get("name"), block.get("key")
        if not name or not key:
            raise BadSensor("source.configmap needs name and key")
        try:
            return self._secrets.config(place.namespace, name, key).encode()
        except NotFound as error:
            raise TriggerFailed(f"source.configmap: {error}") from error

    async def close(self) -> None:
        """Holds nothing."""
