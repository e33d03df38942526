"""One bucket: its listing and the content of small objects."""

from collections.abc import AsyncIterator
from typing import Any

from events.aws import AwsError, speaking_to
from events.buckets import objects

_MOST_BYTES = 64 * 1024 * 1024
TOO_LARGE = "TooLarge"


class Bucket:
    """A bucket by its name, through a client of S3 or of what speaks like it. What fails raises AwsError."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    async def list(self, prefix: str) -> list[objects.Change]:
        """Every object there is now under the prefix, in the order of the keys."""
        return [found async for found in self._pages(prefix)]

    async def _pages(self, prefix: str) -> AsyncIterator[objects.Change]:
        after: dict[str, str] = {}
        while True:
            with speaking_to(f"the bucket {self.name!r}"):
                page = await self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, **after)
            for found in page.get("Contents", ()):
                yield objects.listed(self.name, found)
            if not page.get("IsTruncated"):
                return
            after = {"ContinuationToken": page["NextContinuationToken"]}

    async def read(self, key: str) -> bytes:
        """The object's content. Raises AwsError also when it is gone or far too large for a list of names."""
        with speaking_to(f"s3://{self.name}/{key}"):
            answer = await self._client.get_object(Bucket=self.name, Key=key)
            async with answer["Body"] as body:
                text: bytes = await body.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise AwsError(f"s3://{self.name}/{key} is larger than {_MOST_BYTES} bytes", TOO_LARGE)
        return text
