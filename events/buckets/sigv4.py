"""AWS Signature Version 4 of a request without a body: what a streaming GET needs. Pure."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

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
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    signed = {"host": host, "x-amz-content-sha256": _EMPTY, "x-amz-date": stamp}
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = "\n".join(["GET", path, query, lines, names, _EMPTY])
    text = "\n".join(
        ["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()]
    )
    signature = hmac.new(_key(secret_key, stamp[:8], region), text.encode(), hashlib.sha256)
    return {
        "Host": host,
        "X-Amz-Content-Sha256": _EMPTY,
        "X-Amz-Date": stamp,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={signature.hexdigest()}",
    }


def _key(secret_key: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
