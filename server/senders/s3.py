"""Into the bucket of an `s3` source: an object whose key the source's filter lets pass."""

import os
import re
import uuid

import msgspec

from events import aws
from events.ports import Asker
from events.sources.s3 import S3Source

Config = S3Source.Config


async def send(asker: Asker, config: S3Source.Config, to: str, body: bytes) -> str:
    """`to` is the key. AWS keys in the environment come before those of the manifest. Raises AwsError, NotFound."""
    place = f"s3://{config.bucket}/{to or _key(config)}"
    async with aws.Aws(_account(config), asker, config.ca_certificate).client("s3") as client:
        with aws.speaking_to(place):
            key = place.split("/", 3)[3]
            await client.put_object(Bucket=config.bucket, Key=key, Body=body)
    return f"{place}, {len(body)} bytes"


def _account(config: S3Source.Config) -> S3Source.Config:
    if "AWS_ACCESS_KEY_ID" not in os.environ:
        return config
    return msgspec.structs.replace(
        config, access_key=None, secret_key=None, session_token=None, role_arn=""
    )


def _key(config: S3Source.Config) -> str:
    """A new object's; in the prefix of a data set each name in braces is the word `sent`."""
    prefix = (
        config.data_set.prefix if config.data_set else config.filter.prefix if config.filter else ""
    )
    suffix = config.filter.suffix if config.filter else ""
    return f"{re.sub(r'{[^}]*}', 'sent', prefix)}sent-{uuid.uuid4().hex[:8]}{suffix or '.csv'}"
