"""A run from what is stored of it: the frozen source, before anything has happened."""

from controller.dag import variables
from controller.dag.model import Source
from controller.dag.state import Run


def begin(source: Source) -> Run:
    """A run in which nothing has happened. `advance(run, [Begin()], now)` starts it; `fold` brings a history back."""
    run = Run(source)
    try:
        variables.rebuild(run)
    except variables.BadParameters:
        run.variables.clear()  # the first advance says so, and fails the run
    return run
