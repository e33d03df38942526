"""A document without the fields that are wrong, so that the rest of it can be looked at too."""

import copy
from collections.abc import Iterable

from bireme.kit.errors import Problem
from bireme.manifests.yaml import Document, split_path


def without(document: Document, problems: Iterable[Problem]) -> Document | None:
    """The document less the fields that the problems name, lines kept; None when one of them cannot be left out."""
    value = copy.deepcopy(document.value)
    for problem in problems:
        *parents, last = split_path(problem.path) or [0]
        at = value
        try:
            for step in parents:
                at = at[step]
        except (KeyError, IndexError, TypeError):
            return None
        if not isinstance(at, dict) or not isinstance(last, str):
            return None
        at.pop(last, None)
    return document.member("", value)
