"""`bireme send`: post a realistic payload to a running source."""

import http.client
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import click

from server import payloads
from server.cli import client, send_message, upload
from server.cli.client import Failed
from server.payloads import Delivery

_SOURCE_OF = {"github": "github", "webhook": "webhook", "s3": "webhook", "stream": "webhook"}


def _github(asked: Mapping[str, Any]) -> Delivery:
    ref = asked["ref"] or "main"
    ref = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    event = asked["event"] or "push"
    if event not in payloads.GITHUB:
        known = ", ".join(payloads.GITHUB)
        raise click.BadParameter(f"expected {known}, found '{event}'", param_hint="--event")
    body = payloads.GITHUB[event](ref=ref, repository=asked["repository"])
    changed = _changed(body, asked["changes"])
    return payloads.deliver_github(event, changed, asked["secret"], asked["delivery"])


def _webhook(asked: Mapping[str, Any]) -> Delivery:
    bearer = {"Authorization": f"Bearer {asked['secret']}"} if asked["secret"] else {}
    return payloads.deliver(_changed(payloads.webhook(), asked["changes"]), bearer)


def _s3(asked: Mapping[str, Any]) -> Delivery:
    return payloads.deliver(_changed(payloads.object_created(), asked["changes"]))


def _stream(asked: Mapping[str, Any]) -> Delivery:
    return payloads.deliver(_changed(payloads.message(), asked["changes"]))


def _kafka(asked: Mapping[str, Any]) -> Delivery:
    return _stream(asked)


MAKERS: dict[str, Callable[[Mapping[str, Any]], Delivery]] = {
    "github": _github,
    "webhook": _webhook,
    "s3": _s3,
    "stream": _stream,
    "kafka": _kafka,
    **dict.fromkeys(send_message.KINDS, _stream),
}


@click.command("send", short_help="Send a realistic event to a running source.")
@click.argument("kind", type=click.Choice(list(MAKERS)))
@click.option(
    "--to", "url", default="", help="Where to: see above; found by itself when there is one."
)
@click.option("--source", default="", help="Which EventSource, where messages have several.")
@click.option(
    "--secret", default="", help="Signs a GitHub delivery; the bearer token of a webhook."
)
@click.option(
    "--event", default="", help="GitHub event (default push); which event of a source of messages."
)
@click.option("--ref", default="", help="Branch of a push (default main).")
@click.option("--repository", default="bireme/ship", help="OWNER/NAME of a push.")
@click.option("--delivery", default="", help="Delivery id; sending one twice is one event.")
@click.option(
    "--set", "changes", multiple=True, metavar="PATH=VALUE", help="Change a field: total=5."
)
@click.option(
    "--data", default="", help="Send this JSON (or @FILE) instead of the bundled payload."
)
@click.option("--file", type=click.Path(exists=True, dir_okay=False), help="The same as @FILE.")
@click.option("-s", "--server", default="", help="URL of the engine.")
@click.option("--token", default="", help="Bearer token of the engine.")
@click.option("-n", "--namespace", default="", help="Namespace of the source.")
def send(kind: str, url: str, data: str, file: str | None, **asked: Any) -> None:
    """Send a realistic event: github, webhook, s3 (an object), and messages: the other kinds.

    Without --to the running engine is asked where a source of that kind listens. For kafka it is BROKER/TOPIC.
    For s3 it is s3://BUCKET/KEY, and an object is put there (keys and AWS_ENDPOINT_URL from the environment);
    with an http URL a notification is posted instead.

    To nats, redis, redis-stream, mqtt, amqp and sqs a message goes as their manifest says, with its credentials and
    TLS; --source and --event choose among several, --to names another subject, channel, stream, topic, routing key
    or queue there. Secrets come from the engine's folder of secrets and from BIREME_SECRET_NAME_KEY.

    \b
    Examples:
      bireme send github --secret demo-secret-change-me --ref main
      bireme send stream --to http://127.0.0.1:12000/orders --set state=open --set total=500
      bireme send webhook --data '{"a": 1}'
      bireme send kafka --to 127.0.0.1:9092/orders
      bireme send nats --source shop --event orders --set total=500
      bireme send amqp --to orders.new --file order.json
      bireme send s3 --to s3://landing/sales/a.csv --data @a.csv
    """
    made = MAKERS[kind](asked)
    if data := f"@{file}" if file else data:
        made = Delivery(_given(data), {k: v for k, v in made.headers.items() if "Hub" not in k})
    if kind in send_message.KINDS:
        meant = (asked["source"], asked["event"], url)
        click.echo(send_message.send(_engine(asked), kind, *meant, made.body))
        return
    if kind == "kafka":
        click.echo(to_kafka(url or _topic(_engine(asked)), made.body))
        return
    place = url or _find(_engine(asked), kind)
    if place.startswith("s3://"):
        click.echo(upload.put(place, _given(data) if data else payloads.rows()))
        return
    status, answer = post(place, made)
    colour = "green" if status < 300 else "red"
    click.echo(f"{click.style(str(status), fg=colour)} {place}: {answer}")
    sys.exit(0 if status < 300 else 1)


def _engine(asked: Mapping[str, Any]) -> client.Client:
    return client.connect(asked["server"], asked["token"], asked["namespace"])


def _given(data: str) -> bytes:
    if not data.startswith("@"):
        return data.encode()
    with open(data[1:], "rb") as source:
        return source.read()


def _changed(body: dict[str, Any], changes: tuple[str, ...]) -> dict[str, Any]:
    """The body with fields replaced; values are JSON where they read as JSON, else text."""
    for change in changes:
        path, separator, text = change.partition("=")
        if not separator:
            raise click.BadParameter(f"expected PATH=VALUE, found '{change}'", param_hint="--set")
        at: Any = body
        *parents, last = path.split(".")
        for key in parents:
            at = at.setdefault(key, {})
        try:
            at[last] = json.loads(text)
        except ValueError:
            at[last] = text
    return body


def _find(engine: client.Client, kind: str) -> str:
    """Where the first source of that kind listens. Raises Failed with what to do when there is none."""
    if kind == "s3" and (bucket := _bucket(engine)):
        return bucket
    wanted = _SOURCE_OF[kind]
    for item in engine.get(f"/api/v1/event-sources/{engine.namespace}")["items"]:
        for config in (item["spec"].get(wanted) or {}).values():
            place = config.get("webhook") if wanted == "github" else config
            if place and place.get("port"):
                host = urlsplit(engine.server).hostname
                return f"http://{host}:{place['port']}{place.get('endpoint') or '/'}"
    raise Failed(f"no {wanted} source is applied; name a URL with --to")


def _bucket(engine: client.Client) -> str:
    """A new object's address in the bucket of the first s3 source; empty when there is none."""
    for item in engine.get(f"/api/v1/event-sources/{engine.namespace}")["items"]:
        for config in (item["spec"].get("s3") or {}).values():
            asked = config.get("filter") or {}
            key = f"{asked.get('prefix', '')}{payloads.name()}{asked.get('suffix', '.csv')}"
            return f"s3://{config['bucket']}/{key}"
    return ""


def _topic(engine: client.Client) -> str:
    """BROKER/TOPIC of the first kafka source. Raises Failed with what to do when there is none."""
    for item in engine.get(f"/api/v1/event-sources/{engine.namespace}")["items"]:
        for config in (item["spec"].get("kafka") or {}).values():
            return f"{config['url'].split(',')[0]}/{config['topic']}"
    raise Failed("no kafka source is applied; name BROKER/TOPIC with --to")


def to_kafka(place: str, body: bytes) -> str:
    """Produce one message; says where it lies. Raises Failed when the broker does not take it."""
    import asyncio
    import logging

    from aiokafka import AIOKafkaProducer
    from aiokafka.errors import KafkaConnectionError, KafkaError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what fails is said once, by us

    broker, separator, topic = place.rpartition("/")
    if not separator:
        raise click.BadParameter(f"expected BROKER/TOPIC, found '{place}'", param_hint="--to")

    async def produce() -> str:
        producer = AIOKafkaProducer(bootstrap_servers=broker)
        try:
            await producer.start()
            kept = await producer.send_and_wait(topic, body)
        except KafkaConnectionError as error:
            raise Failed(f"no broker answers at {broker}") from error
        except KafkaError as error:
            raise Failed(f"{place} did not take the message: {error}") from error
        finally:
            await producer.stop()
        return f"{topic}, partition {kept.partition}, offset {kept.offset}"

    return asyncio.run(produce())


def post(url: str, delivery: Delivery) -> tuple[int, str]:
    """Post once; status and answer. Raises Failed when nobody listens."""
    place = urlsplit(url)
    if not place.hostname:
        raise click.BadParameter(
            f"expected a URL such as http://127.0.0.1:12000/push, found '{url}'"
        )
    connect = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = connect(place.hostname, place.port, timeout=30)
    try:
        connection.request("POST", place.path or "/", delivery.body, delivery.headers)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace").strip()
    except OSError as error:
        raise Failed(f"nobody listens at {url}: {error}") from error
    finally:
        connection.close()
