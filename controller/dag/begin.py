"""A run from what is stored of it: the frozen source, before anything has happened."""

from controller.dag.model import Source
from controller.dag.state import Run


def begin(source: Source) -> Run:
    """A run in which nothing has happened. `advance(run, [Begin()], now)` starts it; `fold` brings a history back.

    Its variables are filled in by the first advance, or by `fold.index` once the history is in.
    """
    return Run(source)
