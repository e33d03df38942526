"""What people ask of a run under way: suspend, resume, stop, terminate, set."""

from controller.dag import deadlines, execute, outputs, selector, suspend
from controller.dag.model import Node, NodeOutputs, Operation, OperationRefused
from controller.dag.phase import COMPLETED
from controller.dag.turn import Turn

_NO_MATCH = (
    "currently, set only targets suspend nodes: no suspend nodes matching nodeFieldSelector: "
)


def apply(turn: Turn, wish: Operation) -> None:
    """Carry out the wish. Raises OperationRefused, with nothing changed, when the run cannot honour it."""
    _ACTIONS[wish.kind](turn, wish)


def _suspend(turn: Turn, wish: Operation) -> None:
    if turn.run.phase in COMPLETED:
        raise OperationRefused("cannot suspend completed workflows")
    turn.change_run(suspended=True)


def _resume(turn: Turn, wish: Operation) -> None:
    run = turn.run
    if run.phase in COMPLETED:
        raise OperationRefused("cannot resume a workflow that has completed")
    nodes = _waiting(turn, wish.selector)
    if not wish.selector:
        _check_supplied(turn, nodes)
    if run.suspended and not wish.selector:
        turn.change_run(suspended=False)
        turn.replan = True
    for node in nodes:
        suspend.resume(turn, node, _by(wish), defaults=not wish.selector)


def _by(wish: Operation) -> str:
    return (
        f"Resumed by: map[{' '.join(f'{k}:{wish.by[k]}' for k in sorted(wish.by))}]"
        if wish.by
        else ""
    )


def _check_supplied(turn: Turn, nodes: list[Node]) -> None:
    for node in nodes:
        try:
            outputs.with_defaults(turn.run.definition(node), node)
        except outputs.OutputFault as error:
            raise OperationRefused(f"timed out waiting for the condition: {error}") from error


def _waiting(turn: Turn, text: str) -> list[Node]:
    """The suspended nodes the selector means; with a selector there must be one."""
    nodes = [turn.run.nodes[i] for i in turn.run.index.suspended]
    if not text:
        return nodes
    matches = selector.matcher(turn.run, text)
    found = [node for node in nodes if matches(node)]
    if not found:
        raise OperationRefused(f"{_NO_MATCH}{text}")
    return found


def _stop(turn: Turn, wish: Operation) -> None:
    if wish.selector:
        for node in _waiting(turn, wish.selector):
            turn.move(node, "Failed", wish.message)
            turn.settle(node)
        return
    _shut_down(turn, "Stop", wish)


def _terminate(turn: Turn, wish: Operation) -> None:
    _shut_down(turn, "Terminate", wish)


def _shut_down(turn: Turn, strategy: str, wish: Operation) -> None:
    run = turn.run
    if run.phase in COMPLETED:
        raise OperationRefused(
            f'cannot shutdown a completed workflow: workflow: "{run.name}", namespace: "{run.source.namespace}"'
        )
    turn.change_run(shutdown=strategy)
    by = f", by {', '.join(wish.by[who] for who in sorted(wish.by))}" if wish.by else ""
    if run.phase == "Pending":
        turn.finish("Failed", f"Stopped with strategy '{strategy}'")
        return
    if run.suspended:
        turn.change_run(suspended=False)
        turn.replan = True
    for node_id in list(run.index.leaves):
        node = run.nodes[node_id]
        if not execute.allowed(strategy, node.name) and not node.daemoned:
            turn.stop_task(node)
            _end(turn, node, f"workflow shutdown with strategy:  {strategy}{by}")
    for node_id in [*run.index.suspended, *run.index.gated]:
        if not execute.allowed(strategy, run.nodes[node_id].name):
            _end(turn, run.nodes[node_id], f"Stopped with strategy '{strategy}'{by}")
    deadlines.hurry_retries(turn)


def _end(turn: Turn, node: Node, message: str) -> None:
    turn.move(node, "Failed", message)
    turn.settle(node)


def _set(turn: Turn, wish: Operation) -> None:
    if turn.run.phase in COMPLETED:
        raise OperationRefused("cannot set node outputs of a completed workflow")
    if not wish.selector:
        raise OperationRefused(f"{_NO_MATCH}{wish.selector}")
    nodes = _waiting(turn, wish.selector)
    changed = [_with_outputs(turn, node, wish.outputs) for node in nodes]
    for node, left in zip(nodes, changed, strict=True):
        turn.change(node, outputs=left, **({"message": wish.message} if wish.message else {}))
        outputs.export(turn, turn.run.definition(node), node)
        if wish.phase in COMPLETED:
            turn.move(node, wish.phase)
            turn.settle(node)


def _with_outputs(turn: Turn, node: Node, given: dict[str, str]) -> NodeOutputs | None:
    if not given:
        return node.outputs
    if node.outputs is None:
        raise OperationRefused(
            "cannot set output parameters because node is not expecting any raw parameters"
        )
    values = dict(node.outputs.parameters)
    for name, value in given.items():
        if name not in values:
            raise OperationRefused(f"node is not expecting output parameter '{name}'")
        _check_choice(outputs.choices(turn.run.definition(node), node, name), name, value)
        values[name] = value
    return NodeOutputs(
        parameters=values, artifacts=node.outputs.artifacts, result=node.outputs.result
    )


def _check_choice(allowed: list[str], name: str, value: str) -> None:
    if allowed and value not in allowed:
        raise OperationRefused(
            f"output parameter '{name}': found '{value}', expected one of {', '.join(map(repr, allowed))}"
        )


_ACTIONS = {
    "suspend": _suspend,
    "resume": _resume,
    "stop": _stop,
    "terminate": _terminate,
    "set": _set,
}
