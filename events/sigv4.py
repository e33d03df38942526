"""AWS Signature Version 4 of a request without a body: of a streaming GET, or as an address that is signed. Pure."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

_STAMP = "%Y%m%dT%H%M%SZ"
_EMPTY = hashlib.sha256(b"").hexdigest()


def query(pairs: Sequence[tuple[str, str]]) -> str:
    """The query string in the one order and spelling that is signed."""
    return "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(pairs)
    )


def headers(
    *,
    host: str,
    path: str,
    query: str,
    region: str,
    access_key: str,
    secret_key: str,
    now: datetime,
) -> dict[str, str]:
    """The headers that make `GET path?query` a signed request to S3. `path` is quoted already."""
    stamp = now.strftime(_STAMP)
    signed = {"host": host, "x-amz-content-sha256": _EMPTY, "x-amz-date": stamp}
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = "\n".join(["GET", path, query, lines, names, _EMPTY])
    scope = _scope(stamp, region, "s3")
    return {
        "Host": host,
        "X-Amz-Content-Sha256": _EMPTY,
        "X-Amz-Date": stamp,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={_signature(request, secret_key, stamp, scope)}",
    }


@dataclass(frozen=True, slots=True)
class Keys:
    """Who signs; `token` belongs to keys that are lent for a while."""

    access: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def signed_address(
    *,
    host: str,
    action: str,
    service: str,
    region: str,
    keys: Keys,
    now: datetime,
    valid_s: int,
) -> str:
    """An address that proves for so long who made it: `GET https://host/?Action=…`."""
    stamp = now.strftime(_STAMP)
    scope = _scope(stamp, region, service)
    pairs = [
        ("Action", action),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", f"{keys.access}/{scope}"),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(valid_s)),
        ("X-Amz-SignedHeaders", "host"),
    ]
    if keys.token:
        pairs.append(("X-Amz-Security-Token", keys.token))
    asked = query(pairs)
    request = "\n".join(["GET", "/", asked, f"host:{host}\n", "host", _EMPTY])
    signature = _signature(request, keys.secret, stamp, scope)
    return f"https://{host}/?{asked}&X-Amz-Signature={signature}"


def _scope(stamp: str, region: str, service: str) -> str:
    return f"{stamp[:8]}/{region}/{service}/aws4_request"


def _signature(request: str, secret_key: str, stamp: str, scope: str) -> str:
    text = "\n".join(
        ["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()]
    )
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
