"""Moments as inputs: a timer that is due, and a held firing that is let go."""

from datetime import datetime

from sensors.cells import Address, BudgetCell, GatherCell, JoinCell, Ticket
from sensors.evaluate import breaker, coalesce, concurrency, firing, join
from sensors.evaluate.evaluation import Evaluation
from sensors.model import FiringStatus, Place, Sensor, SensorState, Step, TriggerRule


def tick(sensor: Sensor, state: SensorState, address: Address, now: datetime) -> Step:
    """What the passing of time does to one cell. A timer that is early, or whose cell is gone, does nothing."""
    work = Evaluation(sensor, state, now)
    rule = sensor.triggers.get(address.trigger)
    cell = work.cell(address)
    if isinstance(cell, JoinCell):
        _join(work, rule, address, cell)
    elif isinstance(cell, GatherCell):
        _gathering(work, rule, address, cell)
    elif isinstance(cell, BudgetCell):
        breaker.ring(work, address, cell)
    elif cell is not None:
        concurrency.ring(work, rule, address)
    return work.result(state.position)


def admit(
    sensor: Sensor,
    state: SensorState,
    trigger: str,
    slot: str | None,
    ticket: Ticket,
    now: datetime,
) -> tuple[Step, FiringStatus, str]:
    """What becomes of a firing that somebody lets go: it takes a slot like any other."""
    work = Evaluation(sensor, state, now)
    rule = sensor.triggers.get(trigger)
    status: FiringStatus = "pending"
    why = ""
    if rule is not None and rule.concurrency is not None and slot is not None:
        status, why = concurrency.admit(work, rule, rule.concurrency, ticket, slot)
    return work.result(state.position), status, why


def _join(work: Evaluation, rule: TriggerRule | None, address: Address, cell: JoinCell) -> None:
    if rule is None or rule.join is None:
        join.drop(work, _place(rule, address), address, cell)
    else:
        join.ring(work, rule, rule.join, address)


def _gathering(
    work: Evaluation, rule: TriggerRule | None, address: Address, cell: GatherCell
) -> None:
    if rule is None or rule.coalesce is None:
        coalesce.drop(work, _place(rule, address), address, cell)
        return
    batch = coalesce.ring(work, rule, rule.coalesce, address)
    if batch is not None:
        firing.release(work, rule, batch, batch.why)


def _place(rule: TriggerRule | None, address: Address) -> Place:
    path, line = (rule.path, rule.line) if rule else ("spec.triggers", 0)
    return Place(address.trigger, "", path, line)
