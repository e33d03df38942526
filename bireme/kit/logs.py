"""structlog, set up once per process: a console for people, JSON for machines."""

import logging
import sys
from typing import Any, Literal

import structlog

Format = Literal["console", "json"]


def configure(*, level: str = "info", format: Format = "console") -> None:
    """Log to standard error. Event names are constant snake_case; everything else is a key."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any]
    if format == "json":
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback
        last = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
        ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    _hear_libraries()


class _Forward(logging.Handler):
    """What a library says goes the way of our own lines: one format, and secrets masked in it."""

    def emit(self, record: logging.LogRecord) -> None:
        entry = structlog.get_logger(record.name)
        entry.log(
            record.levelno,
            "library_said",
            library=record.name,
            text=record.getMessage(),
            exc_info=record.exc_info or None,
        )


def _hear_libraries() -> None:
    """Warnings and worse of everything that uses the standard library's logging."""
    root = logging.getLogger()
    if not any(isinstance(handler, _Forward) for handler in root.handlers):
        root.addHandler(_Forward(logging.WARNING))
