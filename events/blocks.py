"""The rules of the blocks that several kinds share, `tls`, `sasl` and `auth`, in Argo's words."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from bireme.manifests.events import SASLConfig, TLSConfig
from bireme.manifests.validate_events import InvalidAt, check_sasl, check_tls

_SHARED: tuple[tuple[str, Any, Callable[[Any], None]], ...] = (
    ("tls", TLSConfig, check_tls),
    ("sasl", SASLConfig, check_sasl),
)


def faults(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Block and complaint for what Argo would not take. Of a config whose kind has read it already."""
    for name, kind, rule in _SHARED:
        if config.get(name) is not None:
            try:
                rule(msgspec.convert(config[name], kind, strict=False))
            except InvalidAt as error:
                yield name, str(error)
    auth = config.get("auth") or {}
    if bool(auth.get("username")) != bool(auth.get("password")):
        yield "auth", f"{'password' if auth.get('username') else 'username'} missing"
