"""A running world per test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.controller.worlds import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = await World(tmp_path).start()
    yield made
    await made.stop()
