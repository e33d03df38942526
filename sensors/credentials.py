"""What a trigger shows and trusts when it acts: secrets, headers and TLS. Read then, never kept in a row."""

import base64
import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bireme.kit.errors import BiremeError
from events.ports import Secrets
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused

Json = dict[str, Any]


class Credentials:
    """The secrets of one namespace, as a trigger of one kind asks for them. `kind` begins the errors."""

    def __init__(self, secrets: Secrets, namespace: str, kind: str) -> None:
        self._secrets, self._namespace, self._kind = secrets, namespace, kind

    def text(self, reference: Json, field: str) -> str:
        """The secret that `reference` names, without the newline of a file. Raises TriggerFailed naming it.

        One that is applied later helps a retry, so that a missing secret is not the end of a firing.
        """
        name, key = reference.get("name"), reference.get("key")
        if not name or not key:
            raise TriggerRefused(f"{self._kind}.{field} needs the name and key of a secret")
        try:
            return self._secrets.secret(self._namespace, name, key).decode().removesuffix("\n")
        except BiremeError as error:
            raise TriggerFailed(f"{self._kind}.{field}: {error}") from error

    def optional(self, reference: Json | None, field: str) -> str:
        """As `text`; empty where nothing is referred to."""
        return self.text(reference, field) if reference else ""

    def headers(self, items: Iterable[Json]) -> dict[str, str]:
        """Argo's `secureHeaders`."""
        return {item["name"]: self._value(item) for item in items}

    def basic(self, block: Json | None) -> dict[str, str]:
        """Argo's `basicAuth` as a header; none where there is no block."""
        if not block:
            return {}
        user = self.optional(block.get("username"), "basicAuth.username")
        password = self.optional(block.get("password"), "basicAuth.password")
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {token}"}

    def tls(self, block: Json | None) -> ssl.SSLContext | None:
        """Argo's `tls` as a client's context; None where there is no block: the system's trust store then."""
        if not block:
            return None
        made = ssl.create_default_context()
        if block.get("insecureSkipVerify"):
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        if block.get("caCertSecret"):
            self._trust(made, self.text(block["caCertSecret"], "tls.caCertSecret"))
        certificate, key = block.get("clientCertSecret"), block.get("clientKeySecret")
        if bool(certificate) != bool(key):
            raise BadSensor(f"{self._kind}.tls: clientCertSecret and clientKeySecret go together")
        if certificate and key:
            pair = (
                self.text(certificate, "tls.clientCertSecret"),
                self.text(key, "tls.clientKeySecret"),
            )
            self._show(made, *pair)
        return made

    def _trust(self, context: ssl.SSLContext, authority: str) -> None:
        try:
            context.load_verify_locations(cadata=authority)
        except (ssl.SSLError, ValueError) as error:
            raise TriggerRefused(
                f"{self._kind}.tls.caCertSecret is no PEM certificate: {error}"
            ) from error

    def _show(self, context: ssl.SSLContext, certificate: str, key: str) -> None:
        # The library reads files only; the folder is ours alone and gone at once.
        with tempfile.TemporaryDirectory() as folder:
            paths = Path(folder, "certificate"), Path(folder, "key")
            for path, text in zip(paths, (certificate, key), strict=True):
                path.write_text(text)
            try:
                context.load_cert_chain(*paths)
            except (ssl.SSLError, ValueError) as error:
                raise TriggerRefused(
                    f"{self._kind}.tls: clientCertSecret and clientKeySecret are not a certificate"
                    f" and its key: {error}"
                ) from error

    def _value(self, item: Json) -> str:
        source = item.get("valueFrom") or {}
        field = f"secureHeaders: '{item['name']}'"
        if secret := source.get("secretKeyRef"):
            return self.text(secret, field)
        if config := source.get("configMapKeyRef"):
            return self._config(config, field)
        raise TriggerRefused(
            f"{self._kind}.{field} needs valueFrom.secretKeyRef or configMapKeyRef"
        )

    def _config(self, reference: Json, field: str) -> str:
        try:
            return self._secrets.config(self._namespace, reference["name"], reference["key"])
        except BiremeError as error:
            raise TriggerFailed(f"{self._kind}.{field}: {error}") from error
