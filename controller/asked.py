"""What a person asks of a run, and the answer that is waited for."""

import asyncio
from dataclasses import dataclass

from controller.dag import model as dag

Outcome = tuple["asyncio.Future[None]", BaseException | None]


@dataclass(slots=True)
class Asked:
    """An operation of a person, who waits for the answer."""

    operation: dag.Operation
    answer: "asyncio.Future[None]"


def answer(waiting: "asyncio.Future[None]", error: BaseException | None) -> None:
    """Tell who waits, if somebody still does."""
    if waiting.done():
        return
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)
