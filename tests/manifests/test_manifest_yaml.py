"""Reading YAML and JSON: values as Go sees them, lines, and text that must not hurt."""

from typing import Any

import pytest

from bireme.kit.errors import InvalidManifest
from bireme.manifests import yaml

SCALARS: dict[str, Any] = {
    "": None,
    "~": None,
    "yes": True,
    "Off": False,
    "y": "y",
    "10": 10,
    "0x1F": 31,
    "010": 8,
    "08": 8.0,
    "1_000": 1000,
    "1e3": 1000.0,
    ".5": 0.5,
    "-.inf": float("-inf"),
    "2024-01-01": "2024-01-01",
    "1:30": "1:30",
    "=": "=",
    "v1.2": "v1.2",
    "99999999999999999999": 1e20,
    "'10'": "10",
    '"yes"': "yes",
    "!!str 10": "10",
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items())
def test_a_plain_scalar_means_what_go_reads(text: str, value: Any) -> None:
    (document,) = yaml.load(f"a: {text}\n")
    assert document.value == {"a": value}
    assert type(document.value["a"]) is type(value)


def test_every_path_knows_its_line_across_documents() -> None:
    text = "# first\na: {b: 1}\n---\n\nc:\n- d: 1\n  e: [1,\n    2]\n"
    first, second = yaml.load(text, "f.yaml")
    assert (first.line("a.b"), first.file) == (2, "f.yaml")
    assert [second.line(path) for path in ("c", "c[0].d", "c[0].e[1]")] == [5, 6, 8]


def test_the_line_of_what_is_not_written_is_its_parents() -> None:
    (document,) = yaml.load("a:\n  b:\n    c: 1\n")
    assert document.line("a.b.x[3].y") == 2


def test_lines_of_json_are_known_too() -> None:
    (document,) = yaml.load('{"a":\n  [1,\n   {"b.c": 2}]}')
    assert document.line('a[1]["b.c"]') == 3
    assert document.lines() == {"a": 1, "a[0]": 2, "a[1]": 3, 'a[1]["b.c"]': 3}


def test_json_with_tabs_is_read() -> None:
    (document,) = yaml.load('{\n\t"a":\t1\n}')
    assert document.value == {"a": 1}


def test_a_broken_document_costs_only_itself() -> None:
    documents, problems = yaml.load_all("a: 1\n---\nb: [1\n---\nc: 3\n", "f.yaml")
    assert [document.value for document in documents] == [{"a": 1}, {"c": 3}]
    assert [(p.file, p.line) for p in problems] == [("f.yaml", 4)]


def test_a_key_written_twice_is_a_warning_and_the_later_one_counts() -> None:
    (document,) = yaml.load("a: 1\nb: 2\na: 3\n")
    assert document.value == {"a": 3, "b": 2}
    (warning,) = document.warnings
    assert (warning.severity, warning.line) == ("warning", 3)


def test_merge_keys_fill_in_what_is_not_written() -> None:
    (document,) = yaml.load("base: &b {x: 1, y: 2}\nc:\n  <<: *b\n  y: 3\n")
    assert document.value["c"] == {"x": 1, "y": 3}


def test_empty_documents_are_left_out() -> None:
    assert yaml.load("---\n# nothing\n---\n\n---\n...\n") == []


HOSTILE = {
    "flow nested without end": "[" * 200_000,
    "lists nested on one line": "- " * 5_000 + "x",
    "an alias inside its own anchor": "a: &a [*a]",
    "an alias bomb": "a: &a [1,1,1,1,1,1,1,1,1]\n"
    + "".join(
        f"{chr(b)}: &{chr(b)} [{','.join(['*' + chr(b - 1)] * 9)}]\n" for b in range(98, 106)
    ),
    "a mapping as a key": "? {a: 1}\n: 2",
    "a template tag without quotes": "a: {{item}}",
    "a tab": "a:\n\tb: 1",
    "control characters": "a: \x00",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_an_error_with_a_message(text: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        yaml.load(text, "f.yaml")
    assert all(problem.file == "f.yaml" for problem in caught.value.problems)
