"""What holds for every event source, whoever wrote it."""

import inspect
import re
import sys
import textwrap

import pytest
import yaml

from events import fields
from events.registry import sources
from events.run import configured

KINDS = sources.kinds()


def example(kind: str) -> str:
    """The indented `spec:` of the module's docstring."""
    text = inspect.getdoc(sys.modules[sources[kind].__module__]) or ""
    found = re.search(r"^( +)spec:\n(?:(?:\1.*)?\n)+", text, re.MULTILINE)
    assert found, f"the docstring of the source `{kind}` has no indented `spec:` example"
    return textwrap.dedent(found[0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_in_the_docstring_decodes(kind: str) -> None:
    events = configured("default", "example", yaml.safe_load(example(kind))["spec"])
    assert {one.place.kind for one in events} == {kind}
    for one in events:
        path = f"spec.{kind}.{one.place.subject}"
        fields.decode(sources[kind].Config, one.config, path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_docstring_says_what_the_payload_is(kind: str) -> None:
    assert "Payload:" in (sys.modules[sources[kind].__module__].__doc__ or "")
