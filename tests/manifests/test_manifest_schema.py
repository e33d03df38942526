"""The JSON Schemas agree with the decoder: what it takes they take, what it refuses they refuse."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from bireme.manifests.decode import KINDS
from bireme.manifests.schema import schema, schema_of_all
from server.cli.root import bireme
from server.cli.schema import source_configs, trigger_configs

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).parents[2]
ARGOS = ROOT / "../shared/conformance/workflows"
FILES = sorted([*(ROOT / "examples").rglob("*.yaml"), *ARGOS.rglob("*.yaml")])


def documents(file: Path) -> list[dict[str, Any]]:
    found = yaml.safe_load_all(file.read_text())
    return [one for one in found if isinstance(one, dict) and one.get("kind") in KINDS]


def faults(whole: dict[str, Any], document: dict[str, Any]) -> list[str]:
    checker = jsonschema.Draft202012Validator(whole)
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(document)]


def test_every_example_manifest_fits_the_schema_of_its_kind() -> None:
    configs = source_configs(), trigger_configs()
    schemas = {kind: schema(kind, *configs) for kind in KINDS}
    wrong = [
        (file.name, fault)
        for file in FILES
        for document in documents(file)
        for fault in faults(schemas[document["kind"]], document)
    ]
    assert wrong == []


WRONG = {
    "an unknown field of a template": (("templates", 0, "contaner"), {}),
    "a word where a number belongs": (("parallelism",), "many"),
    "a text where a list belongs": (("templates", 0, "container", "command"), "sh -c"),
    "a misspelt field deep inside": (("templates", 0, "retryStrategy"), {"limits": 3}),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_a_wrong_manifest_does_not_fit(case: tuple[tuple[Any, ...], Any]) -> None:
    path, value = case
    spec = {"entrypoint": "m", "templates": [{"name": "m", "container": {"image": "i"}}]}
    place: Any = spec
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "x"},
        "spec": spec,
    }
    assert faults(schema("Workflow"), document)
    assert faults(schema_of_all(), document)


@pytest.mark.parametrize("block", [{"urll": "http://x"}, {"timeout": "5"}, {"headers": ["a"]}])
def test_a_block_that_does_not_fit_its_trigger_does_not_fit_the_schema(
    block: dict[str, Any],
) -> None:
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": "x"},
        "spec": {"dependencies": [], "triggers": [{"template": {"name": "t", "http": block}}]},
    }
    whole = schema("Sensor", triggers=trigger_configs())
    assert faults(whole, document)
    document["spec"]["triggers"][0]["template"]["http"] = {"url": "http://x"}  # type: ignore[index]
    assert faults(whole, document) == []


def test_older_spellings_are_marked_and_not_refused() -> None:
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": "x"},
        "spec": {"schedule": "* * * * *", "workflowSpec": {"entrypoint": "m"}},
    }
    assert faults(schema("CronWorkflow"), document) == []


def test_the_command_writes_a_schema_for_each_kind_and_one_for_all(tmp_path: Path) -> None:
    done = CliRunner().invoke(bireme, ["schema", "--write", str(tmp_path)])

    assert done.exit_code == 0, done.output
    names = {file.stem for file in tmp_path.iterdir()}
    assert names == {"all", *(kind.lower() for kind in KINDS)}
    for file in tmp_path.iterdir():
        jsonschema.Draft202012Validator.check_schema(json.loads(file.read_text()))


def test_the_command_knows_kinds_however_they_are_written() -> None:
    done = CliRunner().invoke(bireme, ["schema", "cronworkflow"])
    assert json.loads(done.stdout)["title"] == "CronWorkflow"
    assert "known: Workflow" in CliRunner().invoke(bireme, ["schema", "Pod"]).stderr
