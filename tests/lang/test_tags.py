"""What a template's tags become, and when a missing name is an error."""

from collections import ChainMap
from datetime import UTC, datetime

import pytest

from bireme.lang import tags
from bireme.lang.errors import AbsentOptional, LangError, MissingVariable


def test_values_are_put_in_everywhere_but_in_what_has_no_tags() -> None:
    constant = {"limits": ["1", 2, None]}
    template = tags.compile_tags({"a": ["{{x}}", "b{{ x }}c"], "{{x}}": 1, "same": constant})

    filled = template.substitute({"x": "v"})

    assert filled == {"a": ["v", "bvc"], "v": 1, "same": constant}
    assert filled["same"] is constant


def test_a_template_without_tags_is_the_value_itself() -> None:
    value = {"a": [1, 2]}
    assert tags.compile_tags(value).substitute({}) is value


def test_the_names_a_template_asks_for_are_known() -> None:
    template = tags.compile_tags(["{{ a.b }}", "{{x-{{i}}}}", "{{=c}}"])
    assert template.tags == {"a.b", "x-{{i", "i"}


def test_what_is_not_known_stays_as_it_was_written() -> None:
    assert tags.replace("{{ nope }} {{=nope}}", {}) == "{{ nope }} {{=nope}}"


def test_only_names_with_a_strict_root_must_be_there() -> None:
    assert tags.replace("{{inputs.x}}", {}, strict=("steps",)) == "{{inputs.x}}"
    with pytest.raises(MissingVariable, match=r"failed to resolve \{\{steps.a.status\}\}"):
        tags.replace("{{steps.a.status}}", {}, strict=("steps",))


def test_artifacts_of_siblings_may_come_later() -> None:
    text = "{{steps.a.outputs.artifacts.x}}"
    assert tags.replace(text, {}, strict=("steps",)) == text
    with pytest.raises(MissingVariable):
        tags.replace(text, {}, strict="all")


def test_the_output_of_a_skipped_step_is_not_waited_for() -> None:
    with pytest.raises(AbsentOptional, match="absent optional"):
        tags.replace("x{{steps.a.outputs.parameters.p}}", {"steps.a.outputs.parameters.p": None})


def test_a_default_in_an_expression_stands_in_for_a_skipped_output() -> None:
    scope = {"steps.a.outputs.result": None, "steps.b.outputs.result": "b"}
    text = "{{=steps.a.outputs.result ?? 'none'}}"
    assert tags.replace(text, scope, strict=("steps",)) == "none"


def test_an_inner_tag_is_filled_in_and_the_outer_one_left_for_the_next_pass() -> None:
    scope = {"item": "a", "inputs.parameters.a": "found"}
    once = tags.replace("{{inputs.parameters.{{item}}}}", scope)
    assert (once, tags.replace(once, scope)) == ("{{inputs.parameters.a}}", "found")


def test_values_are_not_looked_into_again() -> None:
    assert tags.replace("{{a}}", {"a": "{{b}}", "b": "no"}) == "{{b}}"


def test_quotes_and_newlines_of_a_value_survive() -> None:
    value = 'say "hi"\n\tback\\slash <&> 日本 😀'
    assert tags.replace("{{v}}", {"v": value}) == value


def test_a_control_character_is_refused_as_argo_does() -> None:
    with pytest.raises(LangError, match="invalid JSON"):
        tags.replace("{{v}}", {"v": "\x1b[31m"})


def test_a_tag_that_is_never_closed_is_an_error() -> None:
    with pytest.raises(LangError, match="Cannot find end tag"):
        tags.replace("a {{b", {})


def test_layered_scopes_are_looked_up_by_flat_name() -> None:
    scope = ChainMap({"inputs.parameters.a": "inner"}, {"inputs.parameters.a": "outer", "w": "1"})
    assert tags.replace("{{inputs.parameters.a}}{{w}}", scope) == "inner1"


def test_expressions_see_the_flat_names_as_objects() -> None:
    scope = {"inputs.parameters.n": "2", "workflow.parameters": "[]", "workflow.parameters.n": "3"}
    text = "{{=asInt(inputs.parameters.n) + asInt(workflow.parameters.n)}}"
    assert tags.replace(text, scope) == "5"


def test_a_parent_name_reads_as_the_object_of_its_children() -> None:
    scope = {"workflow.parameters": "[]", "workflow.parameters.n": "3"}
    assert tags.replace("{{=workflow.parameters}}", scope) == '{"n":"3"}'


def test_results_that_are_no_text_are_written_as_json() -> None:
    assert tags.replace("{{={'b': [1, 1.0, true], 'a': nil} }}", {}) == '{"a":null,"b":[1,1,true]}'


def test_an_expression_waits_for_names_that_come_later() -> None:
    text = "{{=workflow.status == 'x' ? 1 : 2}}"
    assert tags.replace(text, {"workflow.name": "w"}) == text


def test_an_expression_that_fails_is_an_error_only_when_strict() -> None:
    text = "{{=steps.a.status > 1}}"
    scope = {"steps.a.status": "x"}
    assert tags.replace(text, scope) == text
    with pytest.raises(LangError, match="string > int"):
        tags.replace(text, scope, strict=("steps",))


def test_now_is_what_the_caller_says() -> None:
    at = datetime(2026, 2, 3, tzinfo=UTC)
    assert tags.replace("{{=now().Year()}}", {}, now=at) == "2026"
    assert tags.replace("{{=now().Year()}}", {}) == "{{=now().Year()}}"
