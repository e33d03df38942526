"""`bireme send`: post a realistic payload to a running source."""

import http.client
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import click

from bireme.kit.errors import BiremeError
from server import local, payloads, settings
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


MAKERS: dict[str, Callable[[Mapping[str, Any]], Delivery]] = {
    "github": _github,
    "webhook": _webhook,
    "stream": _stream,
    **dict.fromkeys(send_message.KINDS, _stream),
    "s3": _s3,
}
_WHOLE = {"kafka": "/", "s3": "://"}
"""What is in a --to that names the server, too: no source is asked for then."""


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

    Without --to the running engine is asked where a source of that kind listens.

    To kafka, s3, nats, redis, redis-stream, mqtt, amqp and sqs it goes as their manifest says, with its credentials and
    TLS; --source and --event choose among several, --to names another topic, key, subject, channel, stream, routing
    key or queue there. Secrets come from the engine's folder of secrets and from BIREME_SECRET_NAME_KEY; for s3 AWS
    keys in the environment come first.

    --to BROKER/TOPIC (kafka) and s3://BUCKET/KEY (keys and AWS_ENDPOINT_URL from the environment) need no source; to
    an http URL s3 posts a notification.

    \b
    Examples:
      bireme send github --secret demo-secret-change-me --ref main
      bireme send stream --to http://127.0.0.1:12000/orders --set state=open --set total=500
      bireme send webhook --data '{"a": 1}'
      bireme send kafka --to 127.0.0.1:9092/orders
      bireme send s3 --event upload
      bireme send nats --source shop --event orders --set total=500
      bireme send amqp --to orders.new --file order.json
      bireme send s3 --to s3://landing/sales/a.csv --data @a.csv
    """
    made = MAKERS[kind](asked)
    if data := f"@{file}" if file else data:
        made = Delivery(_given(data), {k: v for k, v in made.headers.items() if "Hub" not in k})
    body = payloads.rows() if kind == "s3" and not data else made.body
    if kind in send_message.KINDS and not _is_elsewhere(kind, url, asked):
        meant = (asked["source"], asked["event"], url)
        click.echo(send_message.send(_engine(asked), kind, *meant, body))
    elif kind == "kafka":
        click.echo(to_kafka(url, body))
    elif url.startswith("s3://"):
        click.echo(upload.put(url, body))
    else:
        _post(url or _find(_engine(asked), kind), made)


def _is_elsewhere(kind: str, url: str, asked: Mapping[str, Any]) -> bool:
    """Whether it goes to a place that is named whole, or as a notification to a webhook for want of an s3 source."""
    if kind in _WHOLE and _WHOLE[kind] in url:
        if asked["source"] or asked["event"]:
            told = "--source and --event choose a source, and this names the server itself"
            raise click.BadParameter(told, param_hint="--to")
        return True
    is_open = not (url or asked["source"] or asked["event"])
    return kind == "s3" and is_open and not send_message.is_any(_engine(asked), kind)


def _post(place: str, made: Delivery) -> None:
    status, answer = _posted(place, made)
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
    wanted = _SOURCE_OF[kind]
    for item in engine.get(f"/api/v1/event-sources/{engine.namespace}")["items"]:
        for config in (item["spec"].get(wanted) or {}).values():
            place = config.get("webhook") if wanted == "github" else config
            if place and place.get("port"):
                host = urlsplit(engine.server).hostname
                return f"http://{host}:{place['port']}{place.get('endpoint') or '/'}"
    raise Failed(f"no {wanted} source is applied; name a URL with --to")


def to_kafka(place: str, body: bytes) -> str:
    """Produce one message at BROKER/TOPIC; says where it lies. Raises Failed when the broker does not take it."""
    import asyncio

    from events.ports import Place
    from server.senders import kafka

    broker, _, topic = place.rpartition("/")
    asker = send_message.Asker(Place("", "send", "kafka", ""), None, None)
    try:
        return asyncio.run(kafka.send(asker, kafka.Config(url=broker, topic=topic), "", body))
    except BiremeError as error:
        raise Failed(str(error)) from error


def _posted(url: str, delivery: Delivery) -> tuple[int, str]:
    """Posted, if nobody listens there yet once more when the engine that is being started here is up."""
    try:
        return post(url, delivery)
    except Failed as error:
        known = settings.from_environment()
        is_early = isinstance(error.__cause__, ConnectionRefusedError)
        if not is_early or local.find(known.data_dir, known.state_dir) is not None:
            raise
        if client.await_start(known.data_dir, known.state_dir) is None:
            raise
    return post(url, delivery)


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
