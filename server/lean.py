"""Imports without what comes along unasked: an engine's memory and start are part of its promise."""

import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def import_libraries() -> None:
    """Import what every engine needs, in its lean form. Does nothing for a library that is here already."""
    _import_structlog()
    _import_aiohttp()


class LateContext(ssl.SSLContext):
    """Verifies servers as `ssl.create_default_context` has it, and reads the authorities at its first connection."""

    _is_read = False

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        self._read()
        return super().wrap_bio(*given, **named)

    def wrap_socket(self, *given: Any, **named: Any) -> ssl.SSLSocket:
        self._read()
        return super().wrap_socket(*given, **named)

    def _read(self) -> None:
        if not self._is_read:
            self._is_read = True
            self.load_default_certs()


def late_context() -> LateContext:
    """A context for clients: the server's certificate and its name are checked."""
    context = LateContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    return context


def _import_structlog() -> None:
    """Without rich, which it would load (80 ms, 6 MB) for tracebacks that we print plainly.

    Rich itself can be imported afterwards as ever.
    """
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401 - imported for its place in sys.modules
    finally:
        del sys.modules["rich"]


def _import_aiohttp() -> None:
    """Without reading the certificate authorities, twice 100 ms: for TLS that most engines never speak outwards,
    and for its context that asks for no certificate.
    """
    if "aiohttp" in sys.modules:
        return
    with (
        _swapped(ssl, "create_default_context", late_context),
        _swapped(ssl.SSLContext, "set_default_verify_paths", lambda _: None),
    ):
        import aiohttp  # noqa: F401 - imported for its place in sys.modules


@contextmanager
def _swapped(owner: Any, name: str, value: Any) -> Iterator[None]:
    own = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)
