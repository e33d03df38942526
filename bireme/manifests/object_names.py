"""What may be the name of an object: names stand in addresses, rows and labels."""

import re
from collections.abc import Iterator
from typing import Any

from bireme.kit.errors import Problem
from bireme.manifests.manifest import Manifest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,252}")


def bad_names(manifest: Manifest[Any]) -> Iterator[Problem]:
    """A complaint about the name or the begin of one, when no object can be called so.

    Kubernetes refuses capitals and underscores too; here they do no harm.
    """
    metadata = manifest.metadata
    for path, name in (
        ("metadata.name", metadata.name),
        ("metadata.generateName", metadata.generate_name),
    ):
        if name and not _NAME.fullmatch(name):
            yield manifest.problem(
                f"{name!r} cannot be the name of an object",
                path,
                advice="Use letters, digits, '-' and '.', a letter or digit first, at most 253.",
            )
