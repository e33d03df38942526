"""What holds for every trigger and every manifest source, whoever wrote it."""

import re
import sys
import textwrap
from typing import Any

import pytest
import yaml

from bireme.manifests import decode
from bireme.manifests.events import TRIGGER_KINDS, Sensor
from bireme.manifests.validate import validate
from sensors.registry import manifest_sources, triggers
from tests.sensors.acting import ORIGIN, Actor
from tests.sensors.conftest import START

OF_BINDINGS = {"workflowEventBinding"}  # made of another kind of manifest, which tests/server has
KINDS = [
    kind
    for kind in triggers.kinds()
    if triggers[kind].__module__.startswith("sensors.") and kind not in OF_BINDINGS
]


def example(module: str, begins: str) -> dict[str, Any]:
    """The indented YAML of the module's docstring that begins with a key."""
    text = f"{sys.modules[module].__doc__}\n"
    found = re.search(rf"^( +){begins}:\n(?:(?:\1.*)?\n)+", text, re.MULTILINE)
    assert found, f"the docstring of {module} has no indented `{begins}:` example"
    loaded: dict[str, Any] = yaml.safe_load(textwrap.dedent(found[0]))
    return loaded


def sensor(kind: str) -> dict[str, Any]:
    trigger = example(triggers[kind].__module__, "template")
    named = set(re.findall(r"'dependencyName': '(\w+)'", str(trigger))) or {"push"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": "example"},
        "spec": {
            "dependencies": [
                {"name": name, "eventSourceName": "s", "eventName": name} for name in sorted(named)
            ],
            "triggers": [trigger],
        },
    }


def test_every_kind_that_manifests_may_name_is_there() -> None:
    assert set(KINDS) == TRIGGER_KINDS
    assert set(manifest_sources.kinds()) == {"s3", "file", "url", "git", "configmap"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_in_the_docstring_is_a_valid_sensor(kind: str) -> None:
    manifest = decode.decode(sensor(kind))
    assert isinstance(manifest, Sensor)
    [trigger] = manifest.spec.triggers
    assert trigger.template is not None
    assert trigger.template.kind == kind
    assert validate(manifest) == []


EVENT = {
    "body": {"ref": "main", "n": 1, "color": "red"},
    "key": "k",
    "notification": [{"s3": {"object": {"key": "k"}}}],
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_in_the_docstring_can_be_prepared(kind: str, make_event: Any) -> None:
    given = sensor(kind)["spec"]
    events = {one["name"]: make_event("e", data=EVENT, time=START) for one in given["dependencies"]}
    assert Actor(kind).trigger.prepare(given["triggers"][0], events, ORIGIN)


@pytest.mark.parametrize("kind", manifest_sources.kinds())
def test_a_manifest_source_shows_itself(kind: str) -> None:
    module = manifest_sources[kind].__module__
    assert list(example(module, "source")["source"]) == [kind]
