"""The tour of the demo: four use cases, seen from outside, with the trees they grow."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from server import payloads
from server.cli import explain, listing, output, send, upload, watch
from server.cli.client import Client
from server.cli.demo_servers import EXTRA, Servers
from server.payloads import Delivery

SECRET = "demo-secret-change-me"  # the one in examples/github-ci
PATIENCE_S = 30.0

Json = dict[str, Any]


class Tour:
    """Sends events to a running engine and shows what comes of them."""

    def __init__(self, client: Client, hooks: str, landing: Path, servers: Servers) -> None:
        self.client, self.hooks, self.landing, self.servers = client, hooks, landing, servers
        self.expected = 0

    def run(self) -> bool:
        """Go round. True when every event that should start a workflow did, no other did, and all succeeded."""
        click.echo(f"Bireme is up at {self.client.server}: events in, workflows out, one process.")
        for part in (self._github, self._upload, self._nightly, self._stream):
            part()
        return self._summary()

    def _github(self) -> None:
        _heading(
            "1. A GitHub push starts CI", "The webhook checks the signature over the raw bytes."
        )
        push = payloads.deliver_github("push", payloads.github_push(), SECRET, "demo-delivery-1")
        self._grows("ci-", lambda: self._post("/push", push, "push to main"))
        self._post("/push", push, "GitHub delivers the same push again")
        _say("the delivery id is known: no second event, no second run")
        docs = payloads.github_push(ref="refs/heads/docs")
        self._post(
            "/push", payloads.deliver_github("push", docs, SECRET), "push to the branch docs"
        )
        self._why()
        forged = payloads.deliver_github("push", payloads.github_push(), "a guess")
        self._post("/push", forged, "somebody forges a push")

    def _upload(self) -> None:
        _heading(
            "2. An upload kicks off ETL",
            "The bucket tells a queue, and a message leaves the queue when its event is on disk."
            if self.servers.s3
            else f"A directory stands for the S3 bucket here: {EXTRA}.",
        )
        self._grows("etl-", self._put if self.servers.s3 else self._drop)

    def _put(self) -> None:
        _say(f"an object is put: {upload.put('s3://landing/sales/sales.csv', payloads.rows())}")

    def _drop(self) -> None:
        _say(f"sales.csv lands in {self.landing}")
        (self.landing / "sales.csv").write_text("north,1\nsouth,2\nwest,3\n")

    def _nightly(self) -> None:
        _heading(
            "3. The night's schedule", "We do not wait for 02:00 and start tonight's run by hand."
        )
        cron = self.client.get(f"/api/v1/cron-workflows/{self.client.namespace}/nightly")
        for text in cron["status"]["nextScheduledTimes"]:
            at = output.moment(text)
            _say(f"due {at.astimezone():%a %Y-%m-%d %H:%M %Z}" if at else text)
        body = {"resourceKind": "cronwf", "resourceName": "nightly", "submitOptions": {}}
        path = f"/api/v1/workflows/{self.client.namespace}/submit"
        self._grows("nightly-", lambda: self.client.call("POST", path, body))

    def _stream(self) -> None:
        _heading(
            "4. Messages fire pipelines",
            "How far the topic has been read is kept in the same commit as the events."
            if self.servers.kafka
            else f"A webhook stands for the Kafka topic here: {EXTRA}.",
        )
        prefix = "kafka-order-" if self.servers.kafka else "order-"
        paid = payloads.deliver(payloads.message(number=7, total=120))
        self._grows(prefix, lambda: self._order(paid, "order 7: paid, 120"))
        unpaid = payloads.deliver(payloads.message(number=8, state="open", total=500))
        self._arrives(lambda: self._order(unpaid, "order 8: open, 500"))
        self._why()

    def _order(self, order: Delivery, what: str) -> None:
        if self.servers.kafka:
            place = send.to_kafka(f"127.0.0.1:{self.servers.kafka}/orders", order.body)
            _say(f"{what} → {place}")
        else:
            self._post("/orders", order, what)

    def _post(self, path: str, delivery: Delivery, what: str) -> None:
        status, answer = send.post(self.hooks + path, delivery)
        colour = "green" if status < 300 else "red"
        _say(f"{what} → {click.style(str(status), fg=colour)} {answer}")

    def _why(self) -> None:
        """No run came of the last event: say why."""
        explain.show_event(self.client.get("/api/v1/bireme/explain/event/@latest"))

    def _grows(self, prefix: str, cause: Callable[[], object]) -> None:
        """Do what should start a workflow, and show its tree until it has ended."""
        self.expected += 1
        before = self._names(prefix)
        cause()
        deadline = time.monotonic() + PATIENCE_S
        while not (new := self._names(prefix) - before):
            if time.monotonic() > deadline:
                self._why()
                raise TimeoutError(f"no workflow {prefix}… within {PATIENCE_S:.0f} s")
            time.sleep(0.05)
        watch.follow(self.client, new.pop(), draw=watch.whole())

    def _arrives(self, cause: Callable[[], object]) -> None:
        """Do what should become an event, and wait for it."""
        before = self._newest()
        cause()
        deadline = time.monotonic() + PATIENCE_S
        while self._newest() == before:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no event within {PATIENCE_S:.0f} s")
            time.sleep(0.05)

    def _newest(self) -> int:
        """The number of the last event."""
        found = self.client.get("/api/v1/bireme/events", limit=1)["items"]
        return int(found[-1]["seq"]) if found else 0

    def _names(self, prefix: str) -> set[str]:
        return {item["metadata"]["name"] for item in listing.find(self.client, prefix=prefix)}

    def _summary(self) -> bool:
        click.echo(click.style("\nSummary", bold=True))
        events = self.client.get("/api/v1/bireme/events", limit=1000)["items"]
        decisions = self.client.get("/api/v1/bireme/decisions", limit=1000)["items"]
        found = listing.find(self.client)
        succeeded = sum(watch.phase_of(item) == "Succeeded" for item in found)
        fired = sum(d["outcome"] == "fired" for d in decisions)
        click.echo(
            f"  {len(events)} events accepted, {len(decisions)} decisions ({fired} fired),"
            f" {len(found)} workflows, {succeeded} succeeded"
        )
        return len(found) == succeeded == self.expected


def _heading(title: str, text: str) -> None:
    click.echo(click.style(f"\n{title}", bold=True))
    click.echo(f"  {text}")


def _say(text: str) -> None:
    click.echo(f"  · {text}")
