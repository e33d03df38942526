"""Artifacts whose content stands in the manifest.

```yaml
artifacts:
  - name: message
    path: /tmp/message
    raw: {data: "hello"}
```
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from executor.ports import Artifact, ExecutorError
from executor.registry import artifacts


@artifacts.register("raw")
class RawStore:
    """Reads `raw.data`; there is nothing to save to."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def load(self, artifact: Artifact, path: Path) -> None:
        await asyncio.to_thread(path.write_bytes, _content(artifact))

    async def save(self, path: Path, artifact: Artifact) -> None:
        raise ExecutorError(
            f"artifact '{artifact.get('name')}': raw artifacts are inputs, they cannot be saved;"
            " leave the location of the output out"
        )

    async def delete(self, artifact: Artifact) -> None:
        """Nothing is kept, so nothing is deleted."""

    async def open_stream(self, artifact: Artifact) -> AsyncIterator[bytes]:
        yield _content(artifact)


def _content(artifact: Artifact) -> bytes:
    return str(artifact["raw"].get("data", "")).encode("utf-8", "surrogatepass")
