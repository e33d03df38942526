"""`bireme sensors test`, as a person types it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from server.cli.root import bireme

SENSOR = """\
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: shop}
spec:
  dependencies:
    - name: order
      eventSourceName: shop
      eventName: orders
      transform:
        jq: "{id: .body.id, total: (.body.lines | add)}"
      filters:
        exprs:
          - expr: total > 10
            fields: [{name: total, path: total}]
    - name: customer
      eventSourceName: crm
      eventName: customers
  triggers:
    - template:
        name: ship
        argoWorkflow:
          operation: submit
          source:
            resource:
              apiVersion: argoproj.io/v1alpha1
              kind: Workflow
              metadata: {generateName: ship-}
              spec: {entrypoint: main, arguments: {parameters: [{name: id, value: none}]}}
          parameters:
            - {src: {dependencyName: order, dataKey: id}, dest: spec.arguments.parameters.0.value}
"""
ORDER: dict[str, Any] = {"body": {"id": 7, "lines": [5, 10]}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sensor.yaml").write_text(SENSOR)
    (tmp_path / "order.json").write_text(json.dumps(ORDER))
    (tmp_path / "small.json").write_text(json.dumps({"body": {"id": 8, "lines": [5]}}))
    (tmp_path / "customer.json").write_text("{}")
    return tmp_path


def types(folder: Path, *words: str, stdin: bytes | None = None) -> Result:
    words = tuple(w.replace("@", f"{folder}/") for w in words)
    env = {"NO_COLOR": "1"}
    return CliRunner().invoke(
        bireme, ["sensors", "test", f"{folder}/sensor.yaml", *words], env=env, input=stdin
    )


def answer(folder: Path, *words: str) -> Any:
    done = types(folder, *words, "-o", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_join_over_several_events_fires_with_its_parameters_resolved(folder: Path) -> None:
    first, second = answer(
        folder, "--event", "order=@order.json", "--event", "customer=@customer.json"
    )
    assert [decision["outcome"] for decision in first["decisions"]] == ["waiting"]
    assert first["seen"] == {"order": {"id": 7, "total": 15}}
    assert first["firings"] == []
    assert [decision["outcome"] for decision in second["decisions"]] == ["fired", "fired"]
    [firing] = second["firings"]
    assert firing["events"] == {"order": "event-1", "customer": "event-2"}
    assert firing["spec"]["manifest"]["spec"]["arguments"]["parameters"][0]["value"] == "7"


def test_every_check_is_shown_with_its_values_and_line(folder: Path) -> None:
    done = types(folder, "--event", "order=@small.json")
    assert done.exit_code == 0
    assert "filtered order: total is total=5, wanted total > 10" in done.stdout
    assert "spec.dependencies[0].filters.exprs[0], line 13" in done.stdout
    assert 'order sees {"id": 8, "total": 5}' in done.stdout
    assert "✖   exprs[0]   total   total=5   total > 10" in done.stdout


def test_what_cannot_be_evaluated_ends_with_one(folder: Path) -> None:
    (folder / "bad.json").write_text('{"body": {"lines": "x"}}')
    done = types(folder, "--event", "order=@bad.json")
    assert done.exit_code == 1
    assert "error order: transform error (" in done.stdout
    assert "spec.dependencies[0].transform.jq, line 10" in done.stdout


def test_a_cloud_event_says_itself_where_it_comes_from(folder: Path) -> None:
    cloud = {
        "specversion": "1.0", "id": "c-1", "source": "shop", "subject": "orders", "type": "webhook",
        "time": "2026-01-01T00:00:00Z", "data": ORDER,
    }  # fmt: skip
    (folder / "cloud.json").write_text(json.dumps(cloud))
    [found] = answer(folder, "--event", "@cloud.json")
    assert found["event"] == {"id": "c-1", "source": "shop", "subject": "orders", "seq": 1}
    assert found["decisions"][0]["outcome"] == "waiting"


def test_an_event_from_the_engines_listing_is_taken_as_it_is(folder: Path) -> None:
    listed = {
        "seq": 4,
        "id": "l-1",
        "source": "shop",
        "subject": "orders",
        "type": "webhook",
        "time": 0,
        "data": ORDER,
    }
    (folder / "listed.json").write_text(json.dumps(listed))
    [found] = answer(folder, "--event", "@listed.json")
    assert found["event"]["id"] == "l-1"
    assert found["decisions"][0]["outcome"] == "waiting"


def test_an_event_that_nobody_listens_to_is_said_to_be_one(folder: Path) -> None:
    (folder / "other.json").write_text(
        json.dumps({"specversion": "1.0", "source": "x", "subject": "y", "data": {}})
    )
    done = types(folder, "--event", "@other.json")
    assert "no dependency of the sensor listens to it" in done.stdout


def test_a_time_filter_is_asked_about_the_given_time(folder: Path) -> None:
    text = SENSOR.replace(
        "        exprs:", '        time: {start: "22:00:00", stop: "06:00:00"}\n        exprs:'
    )
    (folder / "sensor.yaml").write_text(text)
    outcomes = [
        answer(folder, "--event", "order=@order.json", "--at", at)[0]["decisions"][0]["outcome"]
        for at in ("2026-01-31T23:00:00Z", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00-12:00")
    ]
    assert outcomes == ["waiting", "filtered", "waiting"]


def test_standard_input_is_a_file_too(folder: Path) -> None:
    done = types(folder, "--event", "order=-", stdin=json.dumps(ORDER).encode())
    assert "waiting order" in done.stdout


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "a payload of no dependency": (
        ("--event", "@order.json"),
        "say which one it is by --event DEPENDENCY=FILE",
    ),
    "a dependency there is not": (
        ("--event", "nobody=x"),
        "no dependency 'nobody'; there is: order, customer",
    ),
    "a file there is not": (("--event", "order=@gone.json"), "cannot be read: No such file"),
    "a time that is none": (
        ("--event", "order=@order.json", "--at", "noon"),
        "expected a time like",
    ),
    "no such sensor": (("--event", "order=@order.json", "--sensor", "x"), "holds no Sensor x"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_tried_is_refused_with_advice(name: str, folder: Path) -> None:
    words, message = REFUSED[name]
    done = types(folder, *words)
    assert done.exit_code != 0
    assert message in " ".join(done.output.split())


def test_several_sensors_in_a_file_are_told_apart(folder: Path) -> None:
    (folder / "sensor.yaml").write_text(
        SENSOR + "---\n" + SENSOR.replace("name: shop", "name: other")
    )
    assert (
        "several sensors: shop, other; choose one"
        in types(folder, "--event", "order=@order.json").output
    )
    [found] = answer(folder, "--event", "order=@order.json", "--sensor", "other")
    assert found["decisions"][0]["sensor"] == "other"


def test_a_trigger_that_cannot_be_prepared_says_why(folder: Path) -> None:
    (folder / "sensor.yaml").write_text(SENSOR.replace("dataKey: id", "dataKey: gone"))
    done = types(folder, "--event", "order=@order.json", "--event", "customer=@customer.json")
    assert done.exit_code == 1
    assert "→ ship would act: argoWorkflow" in done.stdout
    assert "error: unable to resolve 'order' parameter value" in done.stdout


def test_the_example_of_the_page_does_what_it_says() -> None:
    example = Path(__file__).parents[2] / "examples" / "order-alerts"
    words = [word for name in ("large", "odd") for word in ("--event", f"{example}/{name}.event")]
    night = ["--at", "2026-01-01T23:00:00Z", "-o", "json"]
    done = CliRunner().invoke(bireme, ["sensors", "test", f"{example}/sensor.yaml", *words, *night])
    large, odd = json.loads(done.stdout)
    assert {(d["dependency"], d["outcome"]) for d in large["decisions"]} == {
        ("large", "fired"),
        ("odd", "filtered"),
    }
    assert large["seen"]["large"] == {"customer": "Ada", "id": 7, "total": 1050}
    assert {(d["dependency"], d["outcome"]) for d in odd["decisions"]} == {
        ("large", "filtered"),
        ("odd", "fired"),
    }
