"""Fields that only a pod honours, each named once, where it is first written."""

import re
from collections.abc import Iterator
from typing import Any

from bireme.manifests.doubts import Doubt
from bireme.manifests.pod_fields import pod_fields

_NO_EFFECT = "has no effect where steps are processes of one machine"
_BEFORE_NAME = re.compile(r"^.*[.](?:limits|requests)[.]|^.*[.]")
"""The name of an extended resource has dots of its own: `nvidia.com/gpu`."""


def pod_doubts(spec: dict[str, Any]) -> Iterator[Doubt]:
    """One doubt for each field, however often it is set."""
    places: dict[str, list[str]] = {}
    for path in pod_fields(spec):
        places.setdefault(_BEFORE_NAME.sub("", path), []).append(path)
    for name, paths in places.items():
        more = f"; {len(paths)} places" if len(paths) > 1 else ""
        yield paths[0], f"'{name}' {_NO_EFFECT}{more}", "it is kept for backends that make pods"
