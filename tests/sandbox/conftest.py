"""One sandbox for all tests of a module: programs must not be able to spoil it for each other."""

from collections.abc import Iterator

import pytest

from bireme.sandbox.limits import Limits
from bireme.sandbox.run import Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(Limits(strikes=1_000_000, debt_s=1_000_000))
    yield made
    made.close()
