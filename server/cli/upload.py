"""Putting an object into a bucket, as whoever the environment's AWS variables say."""

import asyncio
from urllib.parse import urlsplit

import click

from server.cli.client import Failed


def put(place: str, body: bytes) -> str:
    """Put one object at `s3://BUCKET/KEY`; says where it lies. Raises Failed when the store does not take it."""
    parts = urlsplit(place)
    key = parts.path.lstrip("/")
    if not parts.netloc or not key:
        raise click.BadParameter(f"expected s3://BUCKET/KEY, found '{place}'", param_hint="--to")
    asyncio.run(_put(parts.netloc, key, body, place))
    return f"{place}: {len(body)} bytes"


async def _put(bucket: str, key: str, body: bytes, place: str) -> None:
    from aiobotocore.session import get_session
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        async with get_session().create_client("s3") as store:
            await store.put_object(Bucket=bucket, Key=key, Body=body)
    except (BotoCoreError, ClientError) as error:
        raise Failed(f"{place} did not take the object: {error}") from error
