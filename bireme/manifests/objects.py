"""ConfigMap and Secret: where parameters and credentials lie when there is no cluster."""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

import base64
import binascii
from dataclasses import dataclass

from bireme.manifests.base import Spec
from bireme.manifests.manifest import Manifest


class DataSpec(Spec, frozen=True):
    """The members of both kinds beside metadata."""

    data: dict[str, str] = {}
    string_data: dict[str, str] = {}
    binary_data: dict[str, str] = {}
    immutable: bool | None = None
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMap(Manifest[DataSpec]):
    """Named texts."""

    @property
    def values(self) -> dict[str, str]:
        return self.spec.data


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret(Manifest[DataSpec]):
    """Named secrets: `data` in base64, `stringData` as they are."""

    @property
    def values(self) -> dict[str, bytes]:
        """Decoded; what is not base64 counts as written, since people try that."""
        decoded = {key: _decoded(text) for key, text in self.spec.data.items()}
        return decoded | {key: text.encode() for key, text in self.spec.string_data.items()}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode()
