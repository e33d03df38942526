"""Secret and config-map values by reference: applied objects first, then files, then the environment."""

import base64
import binascii
import re
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bireme.kit.errors import NotFound

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_SHORTEST_MASKED = 6
"""Masking shorter values would blank innocent text ("a", "true") all over the logs."""


class SecretNotFound(NotFound):
    """No secret or config map holds the referenced value."""


class KeptSecrets:
    """`events.ports.Secrets` for a process without a cluster. Every value handed out is masked in logs from then on."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._secrets: dict[tuple[str, str], dict[str, bytes]] = {}
        self._configs: dict[tuple[str, str], dict[str, str]] = {}
        self._values: dict[str, None] = {}

    def keep(self, kind: str, namespace: str, name: str, manifest: Mapping[str, Any]) -> None:
        """Keep an applied Secret or ConfigMap in place of the older one."""
        if kind == "Secret":
            self._secrets[namespace, name] = _secret_values(manifest)
        else:
            data = manifest.get("data") or {}
            self._configs[namespace, name] = {key: str(value) for key, value in data.items()}

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """The object was deleted."""
        if kind == "Secret":
            self._secrets.pop((namespace, name), None)
        else:
            self._configs.pop((namespace, name), None)

    def secret(self, namespace: str, name: str, key: str) -> bytes:
        """Raises SecretNotFound naming the reference and the places it was looked for."""
        value = self._secrets.get((namespace, name), {}).get(key)
        if value is None:
            value = self._from_file(namespace, name, key)
        if value is None and (text := self._environment.get(_variable(name, key))) is not None:
            value = text.encode()
        if value is None:
            raise SecretNotFound(
                f'secret "{name}" key "{key}" not found in namespace "{namespace}": apply a Secret, or put the'
                f" value in {self._folder / name / key} or in BIREME_SECRET_{_variable(name, key)}"
            )
        self._remember(value)
        return value

    def config(self, namespace: str, name: str, key: str) -> str:
        """Raises SecretNotFound naming the reference."""
        found = self._configs.get((namespace, name), {}).get(key)
        if found is None:
            raise SecretNotFound(
                f'config map "{name}" key "{key}" not found in namespace "{namespace}": apply the ConfigMap'
            )
        return found

    def keys(self, kind: str, namespace: str, name: str) -> list[str]:
        """The keys of a `secret` (applied, or a folder of files) or a `configMap`. Raises SecretNotFound."""
        if kind == "configMap":
            if (namespace, name) not in self._configs:
                raise SecretNotFound(
                    f'config map "{name}" not found in namespace "{namespace}": apply the ConfigMap'
                )
            return list(self._configs[namespace, name])
        found = dict.fromkeys(self._secrets.get((namespace, name), {}))
        if _PLAIN.fullmatch(name):
            for folder in (self._folder / namespace / name, self._folder / name):
                if folder.is_dir():
                    found |= dict.fromkeys(sorted(p.name for p in folder.iterdir() if p.is_file()))
        if not found:
            raise SecretNotFound(
                f'secret "{name}" not found in namespace "{namespace}": apply a Secret, or put its values in'
                f" {self._folder / name}"
            )
        return list(found)

    def _from_file(self, namespace: str, name: str, key: str) -> bytes | None:
        """A file below the folder; names that would lead out of it name nothing."""
        if not (_PLAIN.fullmatch(name) and _PLAIN.fullmatch(key)):
            return None
        for path in (self._folder / namespace / name / key, self._folder / name / key):
            if path.is_file():
                return path.read_bytes().removesuffix(b"\n")
        return None

    def _remember(self, value: bytes) -> None:
        text = value.decode("utf-8", "replace")
        if len(text) >= _SHORTEST_MASKED:
            self._values[text] = None
            self._values[base64.b64encode(value).decode()] = None
            self._values[urllib.parse.quote(text, safe="")] = None

    def mask(self, text: str) -> str:
        """The text without any secret value that was ever handed out. May be called from any thread."""
        # A copy, because others may be handed out meanwhile; the longest first, because one may be a part of another.
        found = [value for value in tuple(self._values) if value in text]
        for value in sorted(found, key=len, reverse=True):
            text = text.replace(value, "***")
        return text

    def mask_entry(self, _logger: Any, _method: str, entry: Any) -> Any:
        """A structlog processor: no log line shows a secret's value."""
        if self._values:
            for key, value in entry.items():
                if isinstance(value, str):
                    entry[key] = self.mask(value)
        return entry


def _secret_values(manifest: Mapping[str, Any]) -> dict[str, bytes]:
    values = {k: _decoded(str(v)) for k, v in (manifest.get("data") or {}).items()}
    plain = {k: str(v).encode() for k, v in (manifest.get("stringData") or {}).items()}
    return {**values, **plain}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode()


def _variable(name: str, key: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", f"{name}_{key}".upper())
