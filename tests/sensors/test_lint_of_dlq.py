"""What lint says inside a dlqTrigger, and about what is meant for the pod of a sensor."""

from bireme.manifests.lint import lint

HEAD = """apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: x}
spec:
  dependencies:
  - {name: a, eventSourceName: s, eventName: e}
"""
TRIGGER = """  triggers:
  - atLeastOnce: true
    template:
      name: t
      log: {}
    dlqTrigger:
      atLeastOnce: true
"""


def linted(text: str) -> list[tuple[int, str]]:
    """(line, message) of each problem; lines count from the end of the dlqTrigger's own head."""
    found, _ = lint([(HEAD + TRIGGER + text, "f.yaml")])
    return [(one.line - (HEAD + TRIGGER).count("\n"), one.message) for one in found]


def test_a_dlq_trigger_is_looked_into_for_parameters_and_unknown_fields() -> None:
    text = """      parameters:
      - src: {dependencyName: nobody, dataKey: body.n}
        dest: log.intervalSeconds
      template:
        name: last
        log: {}
"""
    [(line, message)] = linted(text)
    assert (line, "nobody" in message) == (2, True)
    found = linted("      template: {name: last, log: {}}\n      retries: 3\n")
    assert [(line, "retries" in message) for line, message in found] == [(2, True)]


def test_what_a_dlq_trigger_does_not_heed_is_named() -> None:
    text = """      rateLimit: {unit: Second, requestsPerUnit: 1}
      template:
        name: last
        log: {}
        conditions: a
        join: {within: 1h}
        concurrency: {limit: 1}
"""
    found = linted(text)
    assert [line for line, _ in found] == [1, 5, 6, 7]
    assert all("has no effect in a dlqTrigger" in message for _, message in found)


def test_what_is_meant_for_the_pod_of_a_sensor_is_named_field_by_field() -> None:
    text = """      template: {name: last, log: {}}
  replicas: 2
  template:
    serviceAccountName: robot
    container:
      env: [{name: A, value: b}]
"""
    found = linted(text)
    assert [line for line, _ in found] == [4, 5, 2]
    assert found[0][1].startswith("'serviceAccountName' has no effect")
