"""`policy.k8s`: a trigger has succeeded once the object it made carries certain labels."""

import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bireme.kit.clock import Clock
from sensors import retry
from sensors.errors import BadSensor, TriggerFailed

Json = dict[str, Any]
Labels = Callable[[], Awaitable[Mapping[str, str]]]


def wanted(definition: Json) -> Json | None:
    """The policy as a row keeps it, None when there is none. Raises BadSensor for a backoff that is none."""
    policy = (definition.get("policy") or {}).get("k8s")
    if not policy or not policy.get("labels"):
        return None
    retry.from_manifest(policy.get("backoff"))
    labels = policy["labels"]
    if not isinstance(labels, dict):
        raise BadSensor("policy.k8s.labels is not an object of texts")
    return {
        "labels": {name: str(value) for name, value in labels.items()},
        "backoff": policy.get("backoff") or {},
        "fails": bool(policy.get("errorOnBackoffTimeout")),
    }


async def wait(policy: Json | None, labels: Labels, clock: Clock, firing: str) -> str:
    """Look until all labels are there; what came of it. Raises TriggerFailed where the policy wants that.

    Argo's backoff: `steps` looks, the waits between them growing by `factor`.
    """
    if policy is None:
        return ""
    backoff, chance = retry.from_manifest(policy["backoff"]), random.Random(firing)
    for look in range(1, backoff.steps + 1):
        await clock.sleep(retry.delay(backoff, look, chance))
        found = await labels()
        if all(found.get(name) == value for name, value in policy["labels"].items()):
            return "the policy's labels are there"
    text = f"the labels {policy['labels']} were not there after {backoff.steps} looks"
    if policy["fails"]:
        raise TriggerFailed(f"policy application resulted in failure. {text}")
    return text
