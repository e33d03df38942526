"""The beginning of a run: its arguments, its metadata, its entrypoint."""

from datetime import timedelta

from bireme.lang.errors import LangError
from controller.dag import ending, execute, expressions, gates, locks, substitute, variables
from controller.dag.model import Acquire, Begin, Json, Locked, Release
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
        want_locks(turn)
    except variables.BadParameters as error:
        turn.finish("Failed", f"failed to set global parameters: {error}")
        return
    except locks.BadLocks as error:
        turn.finish("Failed", f"Failed to acquire the synchronization lock. {error}")
        return
    except LangError as error:
        turn.finish("Error", str(error))
        return
    if not is_held_back(turn):
        proceed(turn)


def is_held_back(turn: Turn) -> bool:
    """Whether the run waits for locks of its own; they have been asked for then."""
    if turn.run.hold is None:
        return False
    turn.move_run("Pending")
    ask(turn)
    return True


def want_locks(turn: Turn) -> None:
    """Read which locks the whole run wants. Raises BadLocks or LangError."""
    run = turn.run
    asked = run.spec.get("synchronization")
    if not asked:
        turn.change_run(hold=None)
        return
    found = substitute.fill(asked, run.variables)
    turn.change_run(hold=locks.wanted(found, run.source.namespace))


def ask(turn: Turn) -> None:
    """Ask for the locks of the whole run."""
    if turn.run.hold is not None:
        turn.effects.append(Acquire("", turn.run.hold.locks))


def locked(turn: Turn, answer: Locked) -> None:
    """The run's own locks are there: it begins. Until then it is Pending and says what it waits for."""
    run = turn.run
    if run.phase != "Pending" or run.hold is None:
        if run.hold is None:
            turn.effects.append(Release(""))
        return
    if answer.error:
        turn.finish("Failed", f"Failed to acquire the synchronization lock. {answer.error}")
        return
    turn.change_run(hold=gates.after(run.hold, answer), message=answer.message)
    if not answer.waiting:
        proceed(turn)


def proceed(turn: Turn) -> None:
    """Nothing is in the way: run the entrypoint, or after a manual retry what is left of it."""
    run = turn.run
    turn.move_run("Running", "")
    turn.change_run(started=turn.now)
    set_deadline(turn)
    variables.refresh(run, turn.now)
    if run.root is None:
        enter(turn)
    else:
        turn.replan = True


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
    arguments = substitute.fill(ending.workflow_arguments(run), run.variables)
    call = execute.Call(
        name=run.name, holder={"template": run.spec.get("entrypoint", "")}, arguments=arguments
    )
    try:
        execute.execute(turn, call)
    except execute.Fault as fault:
        turn.finish("Error", f"{ending.ENTRY_ERROR}{fault}")
    except execute.Blocked:
        turn.finish("Error", f"{ending.ENTRY_ERROR}parallelism leaves no place for the entrypoint")
