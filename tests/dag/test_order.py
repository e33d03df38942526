"""Who starts first when places are few: whoever a walk of the tree meets first, however long others have waited."""

import json
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.dag.advance import replan
from controller.dag.model import Acquire, Locked, Reported
from executor.model import Outputs, Report
from tests.dag.naive import Walker
from tests.dag.play import Play, spec
from tests.dag.test_property import rebuilt, specs

LETTERS = "dbeacf"
"""Tasks are not written in the order of their names, which is the one that counts."""


def plain(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec without what the naive walk does not know, its tasks renamed."""
    text = re.sub(r"\bt(\d)\b", lambda found: LETTERS[int(found[1])], json.dumps(spec))
    made: dict[str, Any] = json.loads(text.replace('"waiting"', '"retried"'))
    made.pop("onExit", None)
    for template in made["templates"]:
        template.pop("failFast", None)
        groups = template.get("steps") or [template.get("dag", {}).get("tasks", [])]
        for holder in (holder for group in groups for holder in group):
            holder.pop("hooks", None)
            holder.pop("continueOn", None)
    templates = [template for template in made["templates"] if "backoff" not in str(template)]
    return {**made, "templates": templates}


def outcome(pod: str) -> tuple[str, Any]:
    """First attempts fail, everything else succeeds: what Argo calls it, and what the executor does."""
    return ("Failed", "failed") if pod.endswith("(0)") else ("Succeeded", "succeeded")


def ends(play: Play, *pods: str) -> list[str]:
    """What is started when these end all at once."""
    before = len(play.started)
    reports = []
    for pod in pods:
        state = outcome(pod)[1]
        left = Outputs(exit_code="0" if state == "succeeded" else "1")
        task = play.out.pop(pod)
        reports.append(Reported(Report(task=task.id, state=state, at=play.now, outputs=left)))
    play.step(*reports)
    return play.started[before:]


def restart(play: Play) -> None:
    """The engine begins anew, with the history alone."""
    before = len(play.started)
    play.run = rebuilt(play.source.spec, play.history)
    play.take(replan(play.run, play.now))
    assert play.started[before:] == []


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=specs(), data=st.data())
def test_nodes_start_in_the_order_in_which_a_walk_of_the_whole_tree_finds_them(
    spec: dict[str, Any], data: st.DataObject
) -> None:
    made = plain(spec)
    play, walker = Play(made), Walker(made)
    limited = "parallelism" in made
    assert in_order(play.started, walker.walk(), limited=limited)
    while play.out:
        chosen = data.draw(
            st.lists(st.sampled_from(sorted(play.out)), min_size=1, max_size=3, unique=True)
        )
        if data.draw(st.booleans()):
            restart(play)
        expected = walker.walk(*((pod, outcome(pod)[0]) for pod in chosen))
        assert in_order(ends(play, *chosen), expected, limited=limited)
    assert play.run.phase == "Succeeded"
    assert walker.phases["wf"] == "Succeeded"


def in_order(found: list[str], expected: list[str], *, limited: bool) -> bool:
    """The same nodes; where the whole workflow has a limit, in the same order."""
    assert (found if limited else sorted(found)) == (expected if limited else sorted(expected))
    return True


def test_what_stands_first_in_the_tree_goes_before_what_has_waited_longer() -> None:
    inner = {"name": "inner", "steps": [[{"name": "a", "template": "leaf"}], WIDE]}
    main = {"name": "main", "dag": {"tasks": [{"name": "x", "template": "inner"}, *LATE]}}
    play = Play(spec(main, inner, parallelism=2))
    assert play.started == ["wf.x[0].a", "wf.y"]
    assert ends(play, "wf.y") == ["wf.z"]
    assert ends(play, "wf.x[0].a") == ["wf.x[1].b"]
    assert ends(play, "wf.x[1].b") == ["wf.x[1].c"]


def test_a_failed_step_is_tried_again_before_what_stands_behind_it_begins() -> None:
    once = {"name": "once", "container": {"image": "x"}, "retryStrategy": {"limit": 1}}
    first = {"name": "a", "template": "once"}
    play = Play(spec({"name": "main", "steps": [[first, *WIDE]]}, once, parallelism=1))
    assert ends(play, "wf[0].a(0)") == ["wf[0].a(1)"]
    assert ends(play, "wf[0].a(1)") == ["wf[0].b"]


def test_places_in_a_template_go_by_the_order_of_the_tree_too() -> None:
    loop = {"name": "a", "template": "leaf", "withItems": [1, 2], "depends": "b"}
    tasks = [{"name": "b", "template": "leaf"}, loop, *({**t, "depends": ""} for t in LATE)]
    play = Play(spec({"name": "main", "parallelism": 1, "dag": {"tasks": tasks}}))
    assert ends(play, "wf.b") == ["wf.a(0:1)"]
    assert ends(play, "wf.a(0:1)") == ["wf.a(1:2)"]
    assert ends(play, "wf.a(1:2)") == ["wf.y"]


def test_tasks_for_which_a_dag_is_run_start_in_the_order_in_which_they_are_named() -> None:
    tasks = [{"name": name, "template": "leaf"} for name in "abc"]
    main = {"name": "main", "dag": {"target": "c a", "tasks": tasks}}
    play = Play(spec(main, parallelism=1))
    assert play.started == ["wf.c"]
    assert ends(play, "wf.c") == ["wf.a"]


def test_who_ended_while_waiting_leaves_its_turn_to_the_next() -> None:
    impatient = {**locked("m"), "name": "impatient", "timeout": "10s"}
    patient = {**locked("n"), "name": "patient"}
    names = {"a": "impatient", "b": "patient", "c": "leaf"}
    group = [{"name": name, "template": template} for name, template in names.items()]
    main = {"name": "main", "parallelism": 1, "steps": [group]}
    play = Play(spec(main, impatient, patient))
    assert play.started == ["wf[0].c"]
    ids = [play.run.get(f"wf[0].{name}").id for name in "ab"]
    play.step(*(Locked(holder=id) for id in ids))
    play.later(11)
    assert play.phase("wf[0].a") == "Failed"
    task = play.out.pop("wf[0].c")
    effects = play.step(Reported(Report(task=task.id, state="succeeded", at=play.now)))
    assert [e.holder for e in effects if isinstance(e, Acquire)] == ids[1:]
    play.step(Locked(holder=ids[1]))
    assert play.started == ["wf[0].c", "wf[0].b"]


def locked(name: str) -> dict[str, Any]:
    return {"container": {"image": "x"}, "synchronization": {"mutexes": [{"name": name}]}}


WIDE = [{"name": "b", "template": "leaf"}, {"name": "c", "template": "leaf"}]
LATE = [{"name": "y", "template": "leaf"}, {"name": "z", "template": "leaf"}]


def test_after_a_pause_a_task_that_will_not_run_is_skipped_without_a_place() -> None:
    tasks = [
        {"name": "a", "template": "leaf"},
        {"name": "b", "template": "leaf", "depends": "a"},
        {"name": "c", "template": "leaf", "depends": "a", "when": "1 == 2"},
    ]
    play = Play(spec({"name": "main", "dag": {"tasks": tasks}}, parallelism=1))
    play.ask("suspend")
    play.ends("wf.a")
    play.ask("resume")
    assert (play.phase("wf.b"), play.phase("wf.c")) == ("Pending", "Skipped")
