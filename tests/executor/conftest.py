"""Every test of a backend gets a data directory of its own and a process backend on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.executor.bench import Bench, open_process_backend


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return (tmp_path / "data").resolve()


@pytest.fixture
async def bench(root: Path) -> AsyncIterator[Bench]:
    backend = open_process_backend(root)
    yield Bench(backend)
    await backend.close()
