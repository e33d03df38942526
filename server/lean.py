"""Imports without what comes along unasked: an engine's memory and start are part of its promise."""

import sys


def import_structlog() -> None:
    """Import structlog without rich, which it would load (80 ms, 6 MB) for tracebacks that we print plainly.

    Does nothing when structlog is here already. Rich itself can be imported afterwards as ever.
    """
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401 - imported for its place in sys.modules
    finally:
        del sys.modules["rich"]
