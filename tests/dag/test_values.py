"""What steps hand on, and what is said when it is not what the next one needs."""

from typing import Any

from tests.dag.play import LEAF, Play, spec

ECHO = {"name": "echo", "script": {"image": "x", "command": ["sh"], "source": "echo"}}
SHOW = {**LEAF, "name": "show", "inputs": {"parameters": [{"name": "m"}]}}
RESULT = "{{tasks.a.outputs.result}}"


def show(value: str) -> dict[str, Any]:
    return {"template": "show", "arguments": {"parameters": [{"name": "m", "value": value}]}}


def test_a_hook_that_asks_for_the_results_of_a_loop_that_are_no_json_fails_its_dag() -> None:
    looped = {"name": "a", "template": "echo", "withItems": [1], "hooks": {"exit": show(RESULT)}}
    play = Play(spec({"name": "main", "dag": {"tasks": [looped]}}, ECHO, SHOW))
    play.ends("wf.a(0:1)", result="plain words")
    play.ends("wf.a(0:1).onExit")
    assert play.run.phase == "Error"
    assert play.run.root is not None
    assert play.run.root.message == "invalid character 'p' looking for beginning of value"


def test_the_default_of_an_output_does_not_hide_that_the_results_of_a_loop_are_no_json() -> None:
    looped = {"name": "a", "template": "echo", "withItems": [1]}
    left = {"name": "p", "valueFrom": {"parameter": RESULT, "default": "d"}}
    main = {"name": "main", "dag": {"tasks": [looped]}, "outputs": {"parameters": [left]}}
    play = Play(spec(main, ECHO))
    play.ends("wf.a(0:1)", result="plain words")
    assert play.run.phase == "Error"


def looped_over(result: str) -> Play:
    groups = [
        [{"name": "a", "template": "echo"}],
        [{"name": "b", "template": "leaf", "withParam": "{{steps.a.outputs.result}}"}],
    ]
    play = Play(spec({"name": "main", "steps": groups}, ECHO))
    play.ends("wf[0].a", result=result)
    return play


def test_with_param_that_is_no_list_says_why_as_argo_does() -> None:
    assert looped_over("words").run.message == (
        "withParam value could not be parsed as a JSON list: words:"
        " invalid character 'w' looking for beginning of value"
    )
    assert looped_over(" ").run.message == (
        "withParam value could not be parsed as a JSON list: : unexpected end of JSON input"
    )


def test_an_output_of_a_step_that_never_ran_is_named() -> None:
    left = {"name": "p", "valueFrom": {"parameter": "{{steps.a.outputs.result}}"}}
    steps = [[{"name": "a", "template": "echo", "when": "false"}]]
    main = {"name": "main", "steps": steps, "outputs": {"parameters": [left]}}
    play = Play(spec(main, ECHO))
    assert 'Unable to resolve: "steps.a.outputs.result"' in play.run.message


def test_the_old_spelling_of_an_exit_handler_goes_before_the_new_one() -> None:
    both = {"onExit": "leaf", "hooks": {"exit": show("x")}}
    main = {"name": "main", "steps": [[{"name": "a", "template": "leaf", **both}]]}
    play = Play(spec(main, SHOW, **both))
    for pod in ("wf[0].a", "wf[0].a.onExit", "wf.onExit"):
        assert play.out[pod].template["name"] == "leaf"
        play.ends(pod)
    assert play.run.phase == "Succeeded"
