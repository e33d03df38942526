"""`breaker`: a budget of firings per span of time; what goes beyond is held for review."""

from sensors.cells import Address, BudgetCell
from sensors.evaluate.evaluation import Evaluation
from sensors.model import BreakerRule, TriggerRule


def refusal(work: Evaluation, rule: TriggerRule, breaker: BreakerRule) -> str:
    """Why one more firing has to be held; empty if it is within the budget, which then is less by one.

    A span begins with the first firing after the last span ended. A clock set back begins the span anew, with what
    was spent still spent.
    """
    address = Address(rule.name, "breaker", "")
    cell = work.cell(address)
    spent, since = 0, work.at
    if isinstance(cell, BudgetCell) and work.at < cell.since + breaker.per_s:
        spent, since = cell.count, min(cell.since, work.at)
    if spent >= breaker.most:
        return f"more than {breaker.most} firings in {breaker.per_s:g} s: held for review"
    work.kept.cells[address] = BudgetCell(since + breaker.per_s, since, spent + 1)
    return ""


def ring(work: Evaluation, address: Address, cell: BudgetCell) -> None:
    """A span that is over is forgotten."""
    if cell.due_at <= work.at:
        work.kept.cells[address] = None
