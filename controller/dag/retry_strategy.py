"""Retries: attempts one after the other below a Retry node, until one counts."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from bireme.lang import goduration
from bireme.lang.errors import LangError
from controller.dag import execute, expressions, names, scope, substitute
from controller.dag.library import Definition
from controller.dag.model import Json, Node
from controller.dag.phase import BAD, FULFILLED, Phase
from controller.dag.scope import Layered
from controller.dag.turn import Turn, new_node

NO_MORE = "No more retries left"
_TRANSIENT = (
    "timed out", "timeout", "connection refused", "connection reset by peer", "transport is closing",
    "i/o timeout", "unexpected eof", "etcdserver", "too many requests", "temporarily unavailable",
)  # fmt: skip
_LONGEST = timedelta(days=36500)


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: look again at `until`."""

    until: datetime
    length: timedelta


@dataclass(frozen=True, slots=True)
class Give:
    """No further attempt: the retry node takes this phase and message."""

    phase: Phase
    message: str


@dataclass(frozen=True, slots=True)
class Go:
    """Start another attempt, which must end before the deadline if there is one."""


Verdict = Wait | Give | Go


@dataclass(frozen=True, slots=True)
class Attempts:
    """What the decision looks at: how many there were, when the first began, and how the last one ended."""

    count: int
    first_started: datetime
    last: Node


class BadStrategy(Exception):
    """The strategy cannot be applied; the message is Argo's."""


def decide(
    strategy: Json, attempts: Attempts, variables: scope.Variables, now: datetime
) -> Verdict:
    """What follows after the last attempt failed. Raises BadStrategy or LangError."""
    last = attempts.last
    limit = _limit(strategy)
    held = _backoff(strategy.get("backoff"), attempts, now)
    if isinstance(held, Give):
        return held
    if isinstance(held, Wait) and (limit is None or attempts.count <= limit):
        return held
    if not _policy_retries(strategy, last):
        return Give(last.phase, last.message)
    if limit is not None and attempts.count > limit:
        return Give(last.phase, NO_MORE)
    if (text := strategy.get("expression")) and not expressions.holds(text, variables):
        return Give(last.phase, "retryStrategy.expression evaluated to false")
    return Go()


def _limit(strategy: Json) -> int | None:
    limit = strategy.get("limit")
    if limit in (None, ""):
        return None
    try:
        return int(str(limit))
    except ValueError as error:
        raise BadStrategy(f"retryStrategy.limit: {limit!r} is no whole number") from error


def _backoff(backoff: Json | None, attempts: Attempts, now: datetime) -> Wait | Give | None:
    if not backoff:
        return None
    last = attempts.last
    ends = last.finished or now
    until = _cutoff(backoff, attempts)
    if until and now > until:
        return Give(last.phase, "Max duration limit exceeded")
    wait = backoff_wait(backoff, attempts.count)
    if until and ends + wait > until:
        return Give(last.phase, "Backoff would exceed max duration limit")
    return Wait(ends + wait, wait) if now < ends + wait else None


def _cutoff(backoff: Json, attempts: Attempts) -> datetime | None:
    longest = backoff.get("maxDuration")
    return attempts.first_started + goduration.parse(str(longest)) if longest else None


def backoff_wait(backoff: Json, failed: int) -> timedelta:
    """How long to wait after so many failed attempts. Raises BadStrategy."""
    if not backoff.get("duration"):
        raise BadStrategy("no base duration specified for retryStrategy")
    wait = goduration.parse(str(backoff["duration"]))
    factor = float(backoff.get("factor") or 0)
    if factor > 0:
        wait = _scaled(wait, factor, failed - 1)
    cap = goduration.parse(str(backoff["cap"])) if backoff.get("cap") else None
    return min(wait, cap) if cap else wait


def _scaled(wait: timedelta, factor: float, power: int) -> timedelta:
    try:
        grown = wait.total_seconds() * math.floor(factor**power)
    except OverflowError:
        return _LONGEST
    return min(timedelta(seconds=grown), _LONGEST) if grown < _LONGEST.total_seconds() else _LONGEST


def _policy_retries(strategy: Json, last: Node) -> bool:
    policy = strategy.get("retryPolicy") or (
        "Always" if strategy.get("expression") else "OnFailure"
    )
    if policy not in ("OnFailure", "OnError", "Always", "OnTransientError"):
        raise BadStrategy(f"{policy} is not a valid RetryPolicy")
    if policy == "OnTransientError":
        return any(mark in last.message.lower() for mark in _TRANSIENT)
    return policy == "Always" or policy == {"Failed": "OnFailure", "Error": "OnError"}[last.phase]


# --- the node ---------------------------------------------------------------------------------------------------


def start(turn: Turn, node: Node, definition: Definition) -> None:
    _attempt(turn, node)


def _attempt(turn: Turn, node: Node) -> None:
    count = attempt_count(turn, node)
    definition = turn.run.definition(node)
    flags = "hooked,retried" if "hooked" in node.flags else "retried"
    child = new_node(
        turn.run, names.attempt_name(node.name, count), type="Pod", phase="Pending", owner=node.id,
        boundary=node.boundary, slot=count, template=node.template, inputs=node.inputs, artifacts=node.artifacts,
        flags=flags,
    )  # fmt: skip
    turn.change(node, message="", flags=flags if "hooked" in flags else node.flags)
    execute.start_plain(turn, child, definition, [node.id])


def attempt_count(turn: Turn, node: Node) -> int:
    last = scope.last_attempt(turn.run, node)
    return 0 if last is node else last.slot + 1


def attempt_ended(turn: Turn, node: Node, child: Node) -> None:
    """An attempt is over: success ends the retrying, failure asks the strategy."""
    if node.phase not in FULFILLED:
        consider(turn, node)


def consider(turn: Turn, node: Node) -> None:
    """Look at the last attempt and finish, wait, or start another."""
    if turn.run.is_adrift(node):
        return
    last = scope.last_attempt(turn.run, node)
    if last is node:
        again(turn, node)
        return
    if last.phase not in FULFILLED:
        if last.daemoned and not node.daemoned:
            turn.change(node, daemoned=True)
            turn.let_go(node)
            turn.settle(node)
        return
    if last.phase not in BAD:
        _finish(turn, node, last, Give("Succeeded", ""))
        return
    try:
        verdict = _judge(turn, node, last)
    except (BadStrategy, LangError) as error:
        execute.fault(turn, node, str(error.__cause__ or error))
        return
    _follow(turn, node, last, verdict)


def _judge(turn: Turn, node: Node, last: Node) -> Verdict:
    run = turn.run
    if run.shutdown and not execute.allowed(run.shutdown, node.name):
        return Give(last.phase, f"Stopped with strategy '{run.shutdown}'")
    if run.deadline and turn.now >= run.deadline and not execute.is_exit(node.name):
        return Give(
            last.phase,
            f"retry exceeded workflow deadline {run.deadline:%Y-%m-%d %H:%M:%S +0000 UTC}",
        )
    around = Layered(scope.own_variables(run, node, run.definition(node)), run.variables)
    strategy = substitute.resolve(run.definition(node).settings, around)["retryStrategy"]
    facts = Layered(_facts(last), around)
    first = run.get(names.attempt_name(node.name, 0))
    attempts = Attempts(count=last.slot + 1, first_started=first.started or turn.now, last=last)
    return decide(strategy, attempts, facts, turn.now)


def _facts(last: Node) -> dict[str, str | None]:
    known = scope.last_retry(last.slot, last)
    return {**known, "lastRetry.exitCode": last.exit_code or "-1"}


def _stopped(turn: Turn, node: Node) -> bool:
    """Whether the workflow itself no longer allows another attempt."""
    late = turn.run.deadline is not None and turn.now >= turn.run.deadline
    if execute.is_exit(node.name):
        late = False
    return late or not execute.allowed(turn.run.shutdown, node.name)


def _follow(turn: Turn, node: Node, last: Node, verdict: Verdict) -> None:
    if isinstance(verdict, Give):
        _finish(turn, node, last, verdict)
    elif isinstance(verdict, Wait):
        turn.change(node, message=f"Backoff for {goduration.humanize(verdict.length)}")
        turn.wake(verdict.until, "retry", node)
    else:
        again(turn, node)


def again(turn: Turn, node: Node) -> None:
    """Start the next attempt, or queue for it."""
    try:
        execute.check_turn(turn, node.boundary)
        execute.check_limits(turn, node.boundary)
    except execute.Blocked as limit:
        turn.block(str(limit), node)
        return
    _attempt(turn, node)


def _finish(turn: Turn, node: Node, last: Node, verdict: Give) -> None:
    told = turn.faults.get(last.id)
    was_up = node.daemoned
    turn.change(node, daemoned=False)
    if verdict.phase == "Succeeded" or not _stopped(turn, node):
        turn.change(node, outputs=last.outputs, exit_code=last.exit_code)
    turn.move(node, verdict.phase, verdict.message)
    if told and verdict.phase in BAD and verdict.message == last.message:
        turn.faults[node.id] = told
    if not was_up:
        turn.settle(node)
