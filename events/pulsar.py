"""How brokers of Apache Pulsar are reached: whom to trust and who we are. For the source and the trigger.

The client library reads keys and certificates from files, whenever it connects: files of our own, as long as it lives.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from events import fields
from events.ports import Asker, BadSourceConfig
from events.tls import Tls


class Broker(fields.Fields, frozen=True, kw_only=True):
    """Where the brokers are and as whom they are spoken to."""

    url: str = ""
    tls_trust_certs_secret: fields.SecretRef | None = None
    tls_allow_insecure_connection: bool = False
    tls_validate_hostname: bool = True
    tls: Tls | None = None
    auth_token_secret: fields.SecretRef | None = None
    auth_athenz_params: dict[str, str] | None = None
    auth_athenz_secret: fields.SecretRef | None = None


def decode(given: Any) -> Broker:
    """For whoever has these fields among others. Raises BadSourceConfig, beginning with the field."""
    try:
        broker = msgspec.convert(given, Broker, strict=False)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$.")
        raise BadSourceConfig(f"{place.rstrip('`') or 'fields'}: {message}") from error
    check(broker)
    return broker


def check(broker: Broker) -> None:
    """Raises BadSourceConfig for what the library would take and fail at later, or say nothing of."""
    if not broker.url.startswith(("pulsar://", "pulsar+ssl://")):
        raise BadSourceConfig(f"url is {broker.url!r}: such as pulsar://broker:6650")
    tls = broker.tls or Tls()
    if (tls.client_cert_secret is None) != (tls.client_key_secret is None):
        raise BadSourceConfig("tls: clientCertSecret and clientKeySecret go together")
    _check_athenz(broker.auth_athenz_params or {}, bool(broker.auth_athenz_secret))
    said = [broker.auth_token_secret, broker.auth_athenz_params, tls.client_cert_secret]
    if sum(bool(one) for one in said) > 1:
        raise BadSourceConfig(
            "authTokenSecret, authAthenzParams and tls.clientCertSecret: one says who we are"
        )


def _check_athenz(params: dict[str, str], has_key: bool) -> None:
    if not params:
        if has_key:
            raise BadSourceConfig(
                "authAthenzSecret is the key to authAthenzParams, which is missing"
            )
        return
    for name in ("providerDomain", "ztsUrl"):
        if not params.get(name):
            raise BadSourceConfig(f"authAthenzParams.{name} is missing")
    if not has_key and not params.get("privateKey"):
        raise BadSourceConfig("authAthenzSecret is missing: the private key of the service")


@dataclass(frozen=True, slots=True)
class Access:
    """What the secrets of a Broker hold. At most one of token, athenz and certificate is there."""

    insecure: bool
    validates_hostname: bool
    athenz: tuple[tuple[str, str], ...] = ()
    token: str = field(default="", repr=False)
    athenz_key: str = field(default="", repr=False)
    trust: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)

    @classmethod
    def read(cls, broker: Broker, asker: Asker) -> "Access":
        """Raises NotFound."""

        def text(ref: fields.SecretRef | None) -> str:
            return fields.secret(asker.secrets, asker.place, ref).decode() if ref else ""

        tls = broker.tls or Tls()
        insecure = broker.tls_allow_insecure_connection or tls.insecure_skip_verify
        return cls(
            insecure=insecure,
            validates_hostname=broker.tls_validate_hostname and not insecure,
            athenz=tuple(sorted((broker.auth_athenz_params or {}).items())),
            token=text(broker.auth_token_secret).strip(),
            athenz_key=text(broker.auth_athenz_secret),
            trust=text(broker.tls_trust_certs_secret or tls.ca_cert_secret),
            certificate=text(tls.client_cert_secret),
            key=text(tls.client_key_secret),
        )

    def options(self, folder: Path) -> dict[str, Any]:
        """For the library's client, which needs `folder` until it is closed."""
        import pulsar

        options: dict[str, Any] = {
            "logger": pulsar.ConsoleLogger(pulsar.LoggerLevel.Error),
            "tls_allow_insecure_connection": self.insecure,
            "tls_validate_hostname": self.validates_hostname,
        }
        if self.trust:
            options["tls_trust_certs_file_path"] = _file(folder / "ca.pem", self.trust)
        if login := self._login(folder):
            options["authentication"] = login
        return options

    def _login(self, folder: Path) -> Any:
        import pulsar

        if self.token:
            return pulsar.AuthenticationToken(self.token)
        if self.athenz:
            return pulsar.AuthenticationAthenz(json.dumps(self._athenz(folder)))
        if self.certificate:
            certificate = _file(folder / "cert.pem", self.certificate)
            return pulsar.AuthenticationTLS(certificate, _file(folder / "key.pem", self.key))
        return None

    def _athenz(self, folder: Path) -> dict[str, str]:
        params = dict(self.athenz)
        if self.athenz_key:
            # A file: the library's way of having the key in the text itself breaks at `+` and `/` of base64.
            params["privateKey"] = f"file://{_file(folder / 'athenz.pem', self.athenz_key)}"
        return params


def _file(path: Path, text: str) -> str:
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)
