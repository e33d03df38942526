"""One suite, both databases."""

import importlib.util
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from bireme.storage.open import open_database
from bireme.storage.ports import Database


def _postgres() -> ModuleType:
    """tests/postgres.py, which is no package's module."""
    path = Path(__file__).parents[1] / "postgres.py"
    spec = importlib.util.spec_from_file_location("bireme_test_postgres", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def postgres() -> Iterator[object]:
    with _postgres().running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database can be opened, and opened again."""
    if request.param == "sqlite":
        return str(tmp_path / "bireme.db")
    server = request.getfixturevalue("postgres")
    return str(_postgres().url_or_skip(server))


@pytest.fixture
async def database(place: str) -> AsyncIterator[Database]:
    """An open database with one table `t (k, v)`."""
    opened = await open_database(place)
    await opened.write(lambda tx: tx.execute("CREATE TABLE t (k BIGINT PRIMARY KEY, v TEXT)"))
    yield opened
    await opened.close()
