"""`source.s3`: an object in a bucket.

    source:
      s3:
        endpoint: s3.amazonaws.com
        bucket: {name: manifests, key: build.yaml}
        accessKey: {name: aws, key: access}
        secretKey: {name: aws, key: secret}

Without keys, credentials come from where AWS tools look.
"""

from typing import Any

import msgspec

from events import fields
from events.aws import Account, Aws, AwsError, speaking_to
from events.ports import BadSourceConfig, Place
from sensors.errors import BadSensor, TriggerFailed
from sensors.registry import manifest_sources
from sensors.standing import Standing
from sensors.surroundings import Surroundings

_LIMIT_BYTES = 1 << 20
_AMAZON = "s3.amazonaws.com"


class Bucket(fields.Fields, frozen=True, kw_only=True):
    """Which object of which bucket."""

    name: str = ""
    key: str = ""


@manifest_sources.register("s3")
class S3Source:
    """Reads one object; a client lives for one reading."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        """Argo's S3Artifact. `events`, `filter` and `metadata` are of its use as an event source."""

        bucket: Bucket = Bucket()
        endpoint: str = ""
        region: str = ""
        insecure: bool = False
        access_key: fields.SecretRef | None = None
        secret_key: fields.SecretRef | None = None
        ca_certificate: fields.SecretRef | None = None
        events: tuple[str, ...] = ()
        filter: dict[str, str] | None = None
        metadata: dict[str, str] | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._secrets = surroundings.secrets

    async def read(self, block: dict[str, Any], place: Place) -> bytes:
        try:
            config = msgspec.convert(block, self.Config)
        except msgspec.ValidationError as error:
            raise BadSensor(f"source.s3: {error}") from error
        if not config.bucket.name or not config.bucket.key:
            raise BadSensor("source.s3.bucket needs name and key")
        what = f"source.s3: object {config.bucket.key} of bucket {config.bucket.name}"
        try:
            aws = Aws(_account(config), Standing(self._secrets, place), config.ca_certificate)
            async with aws.client("s3") as client:
                with speaking_to(what):
                    return await _object(client, config.bucket, what)
        except BadSourceConfig as error:
            raise BadSensor(f"source.s3: {error}") from error
        except AwsError as error:
            raise TriggerFailed(str(error)) from error

    async def close(self) -> None:
        """Holds nothing."""


def _account(config: S3Source.Config) -> Account:
    return Account(
        access_key=config.access_key,
        secret_key=config.secret_key,
        region=config.region or "us-east-1",
        endpoint=_endpoint(config),
    )


def _endpoint(config: S3Source.Config) -> str:
    if not config.endpoint or config.endpoint == _AMAZON:
        return ""
    if "://" in config.endpoint:
        return config.endpoint
    return f"{'http' if config.insecure else 'https'}://{config.endpoint}"


async def _object(client: Any, bucket: Bucket, what: str) -> bytes:
    answer = await client.get_object(Bucket=bucket.name, Key=bucket.key)
    if answer["ContentLength"] > _LIMIT_BYTES:
        raise BadSensor(f"{what} is longer than {_LIMIT_BYTES} bytes")
    async with answer["Body"] as body:
        found: bytes = await body.read()
        return found
