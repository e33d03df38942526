"""What `memoize` of a template says. Pure."""

import re

from bireme.lang import goduration
from controller.dag.model import Json, Memo

_KEY = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")


class BadMemo(Exception):
    """`memoize` cannot be honoured; the message is Argo's where Argo has one."""


def wanted(memoize: Json | None) -> Memo | None:
    """Where the outputs are kept; None when they are not. Raises BadMemo or LangError."""
    if not memoize:
        return None
    key, cache = memoize.get("key") or "", _cache(memoize)
    if not _KEY.fullmatch(key):
        raise BadMemo(f"invalid cache key: {key}")
    max_age = memoize.get("maxAge")
    age_s = goduration.parse(str(max_age)).total_seconds() if max_age else 0.0
    return Memo(cache, key, age_s)


def _cache(memoize: Json) -> str:
    name = ((memoize.get("cache") or {}).get("configMap") or {}).get("name")
    if not name:
        raise BadMemo("memoize.cache.configMap.name is required: it names the cache")
    return str(name)
