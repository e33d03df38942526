"""The beginning of a run: its arguments, its metadata, its entrypoint."""

from datetime import timedelta

from bireme.lang import tags
from bireme.lang.errors import LangError
from controller.dag import ending, execute, expressions, substitute, variables
from controller.dag.model import Begin, Json
from controller.dag.state import Run
from controller.dag.turn import Turn


def begin(turn: Turn, given: Begin) -> None:
    """Start the run, or end it at once when its spec or arguments are wrong. Beginning twice changes nothing."""
    run = turn.run
    if run.phase not in ("", "Pending"):
        return
    if given.problem:
        turn.finish("Failed", f"invalid spec: {given.problem}")
        return
    try:
        variables.rebuild(run)
        _metadata(turn)
    except variables.BadParameters as error:
        turn.finish("Failed", f"failed to set global parameters: {error}")
        return
    except LangError as error:
        turn.finish("Error", str(error))
        return
    turn.move_run("Running")
    turn.change_run(started=turn.now)
    set_deadline(turn)
    variables.refresh(run, turn.now)
    if run.root is None:
        enter(turn)


def _metadata(turn: Turn) -> None:
    """Labels and annotations the spec asks for, expressions evaluated."""
    run = turn.run
    wanted: Json = run.spec.get("workflowMetadata") or {}
    if not wanted:
        return
    found = {k: substitute.text(v, run.variables) for k, v in (wanted.get("labels") or {}).items()}
    for key, source in (wanted.get("labelsFrom") or {}).items():
        found[key] = str(expressions.evaluate(source["expression"], run.variables))
    notes = {
        k: substitute.text(v, run.variables) for k, v in (wanted.get("annotations") or {}).items()
    }
    turn.change_run(labels=found, annotations=notes)
    variables.rebuild(run)


def set_deadline(turn: Turn) -> None:
    """The moment after which steps are stopped, counted from now."""
    limit = turn.run.spec.get("activeDeadlineSeconds")
    if limit is not None:
        turn.change_run(deadline=turn.now.replace(microsecond=0) + timedelta(seconds=int(limit)))
        turn.run.index.at(turn.run.deadline or turn.now, "deadline", "")


def enter(turn: Turn) -> None:
    """Execute the entrypoint."""
    run: Run = turn.run
    arguments = substitute.resolve(tags.compile_tags(ending.workflow_arguments(run)), run.variables)
    call = execute.Call(
        name=run.name, holder={"template": run.spec.get("entrypoint", "")}, arguments=arguments
    )
    try:
        execute.execute(turn, call)
    except execute.Fault as fault:
        turn.finish("Error", f"{ending.ENTRY_ERROR}{fault}")
    except execute.Blocked:
        turn.finish("Error", f"{ending.ENTRY_ERROR}parallelism leaves no place for the entrypoint")
