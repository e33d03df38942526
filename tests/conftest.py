"""Every test begins with the logs as they are at import, and no property is false because the machine was busy."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")
_configure = structlog.configure


def _uncached(*given: Any, **options: Any) -> None:
    """Loggers that remember a configuration would carry it into other tests."""
    _configure(*given, **{**options, "cache_logger_on_first_use": False})


structlog.configure = _uncached


@pytest.fixture(autouse=True)
def fresh_logs() -> Iterator[None]:
    structlog.reset_defaults()
    handlers = list(logging.root.handlers)
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
