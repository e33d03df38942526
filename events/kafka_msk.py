"""Logging in to Amazon's managed Kafka as an identity of AWS: each connection shows an address that is signed with the
engine's own credentials, in place of a password.

Its form is that of Amazon's signers: `GET https://kafka.REGION.amazonaws.com/?Action=kafka-cluster:Connect`, good for
a quarter of an hour, in base64 for addresses without padding.
"""

import base64
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from bireme.kit.clock import Clock
from events import fields, sigv4, tls
from events.aws import AwsError, EngineKeys
from events.ports import BadSourceConfig, TimedAsker

_VALID_S = 900
_WHO = "&User-Agent=bireme"

FindKeys = Callable[[], Awaitable[sigv4.Keys]]


class AwsMskIamAuth(fields.Fields, frozen=True, kw_only=True):
    """Argo's AWSMSKIAMAuth."""

    region: str = ""


def check(given: AwsMskIamAuth | None, sasl: object) -> None:
    """Raises BadSourceConfig for what cannot work."""
    if given is None:
        return
    if not given.region:
        raise BadSourceConfig("awsMskIamAuth.region is missing: write the region of the cluster")
    if sasl is not None:
        raise BadSourceConfig("awsMskIamAuth and sasl are two ways to log in: choose one")


def token(region: str, keys: sigv4.Keys, now: datetime) -> str:
    """What a connection shows."""
    address = sigv4.signed_address(
        host=f"kafka.{region}.amazonaws.com",
        action="kafka-cluster:Connect",
        service="kafka-cluster",
        region=region,
        keys=keys,
        now=now,
        valid_s=_VALID_S,
    )
    return base64.urlsafe_b64encode(f"{address}{_WHO}".encode()).decode().rstrip("=")


def access(
    given: AwsMskIamAuth,
    transport: tls.Tls | None,
    around: TimedAsker,
    keys: FindKeys | None = None,
) -> dict[str, Any]:
    """The client's options: always with TLS, and trusting the system's authorities where `tls` names none."""
    secure = tls.context(transport or tls.Tls(enabled=True), around.secrets, around.place.namespace)
    return {
        "security_protocol": "SASL_SSL",
        "ssl_context": secure,
        "sasl_mechanism": "OAUTHBEARER",
        "sasl_oauth_token_provider": _provider(given.region, keys or EngineKeys(), around.clock),
    }


def _provider(region: str, keys: FindKeys, clock: Clock) -> Any:
    from aiokafka.abc import AbstractTokenProvider
    from aiokafka.errors import KafkaConnectionError

    class Tokens(AbstractTokenProvider):  # type: ignore[misc]
        """A new one for each connection: it is signed in no time."""

        async def token(self) -> str:
            """The client tries again after errors of its own kind only."""
            try:
                return token(region, await keys(), clock.now())
            except AwsError as error:
                raise KafkaConnectionError(str(error)) from error

    return Tokens()
