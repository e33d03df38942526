"""How a command talks to an engine: finds it, asks, and turns failures into sentences. Imports nothing heavy."""

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click

from server import local, settings

NO_ENGINE = (
    "no engine is running here. Start one with 'bireme up DIR',"
    " or name one with --server URL --token T (ARGO_SERVER, ARGO_TOKEN)."
)
GRACE_S = 1.0
"""How long an engine that was started in the same breath may take to say so."""
START_S = 30.0


class Failed(click.ClickException):
    """The engine said no, or nobody answered. `status` is HTTP's, 0 when there was no answer."""

    def __init__(self, message: str, status: int = 0, problems: Any = ()) -> None:
        super().__init__(message)
        self.status, self.problems = status, problems


@dataclass(frozen=True, slots=True)
class Client:
    """One engine, seen from a command."""

    server: str
    token: str = field(repr=False)
    namespace: str = "default"

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, query=query)

    def call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> Any:
        """The decoded answer. Raises Failed with the engine's own sentence."""
        response = self._send(method, path, body, query or {})
        with response:
            return self._decoded(response)

    def stream(self, path: str, **query: Any) -> Iterator[Any]:
        """Each `result` as it comes, until the engine ends the stream. Raises Failed when it ends in an error."""
        with self._send("GET", path, None, query, wait_s=None) as response:
            if response.status >= 400:
                self._decoded(response)
            for line in response:
                if not line.strip():
                    continue
                message = json.loads(line)
                if "error" in message:
                    raise Failed(message["error"]["message"], message["error"]["http_code"])
                yield message["result"]

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        query: Mapping[str, Any],
        wait_s: float | None = 60,
    ) -> http.client.HTTPResponse:
        place = urlsplit(self.server)
        connect = (
            http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        )
        connection = connect(place.hostname or "", place.port, timeout=wait_s)
        given = {key: value for key, value in query.items() if value not in ("", None, False)}
        target = place.path.rstrip("/") + path + ("?" + urlencode(given) if given else "")
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
            "Connection": "close",
        }
        raw = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, target, raw, headers)
            return connection.getresponse()
        except OSError as error:
            connection.close()
            raise Failed(f"no engine answers at {self.server}: {error}") from error
        except http.client.HTTPException as error:
            raise Failed(f"the answer of {self.server} is not HTTP: {error!r}") from error

    def _decoded(self, response: http.client.HTTPResponse) -> Any:
        raw = response.read()
        try:
            answer = json.loads(raw) if raw else {}
        except ValueError:
            said = raw.decode("utf-8", "replace").strip()[:200]
            answer = {"message": f"{self.server} does not answer as an engine does: {said}"}
        if response.status < 400:
            return answer
        message = str(answer.get("message") or response.reason)
        if response.status == 401:
            message += f". Give --token T or ARGO_TOKEN for {self.server}."
        raise Failed(message, response.status, answer.get("problems") or ())


def connect(server: str, token: str, namespace: str) -> Client:
    """The engine that options, environment or the local notes name. Raises Failed when there is none."""
    known = settings.from_environment()
    namespace = namespace or known.namespace
    server = server or known.server
    found = local.find(known.data_dir, known.state_dir)
    if server:
        url = server if "://" in server else f"http://{server}"
        same = found is not None and found.server == url.rstrip("/")
        given = token or known.token or (found.token if found is not None and same else "")
        return Client(url.rstrip("/"), given, namespace)
    found = found or await_start(known.data_dir, known.state_dir)
    if found is None:
        raise Failed(NO_ENGINE)
    return Client(found.server, token or found.token, namespace)


def await_start(data_dir: Path, state_dir: Path) -> local.LocalEngine | None:
    """The engine that is being started here, once it is up: `bireme up DIR & bireme list` is how people begin.

    None when no process has said so within GRACE_S, or it has ended again, or takes longer than START_S.
    """
    begin = time.monotonic()
    while (waited_s := time.monotonic() - begin) < START_S:
        found = local.find(data_dir, state_dir)
        if found is not None or (waited_s > GRACE_S and not local.is_starting(data_dir)):
            return found
        time.sleep(0.05)
    return None


def segment(text: str) -> str:
    """A name as part of a path."""
    return quote(text, safe="@")
