"""`events`, `executor` and `controller` are names on the package index too: what is imported must be ours."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "name", ["bireme", "events", "sensors", "controller", "executor", "server"]
)
def test_the_package_imported_is_the_one_in_this_checkout(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).parent == ROOT / name
