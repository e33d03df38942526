"""Every test begins with the logs as they are at import: none depends on who configured them before."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

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
