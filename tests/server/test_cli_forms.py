"""Every command that lists or shows prints in every form it offers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.server.conftest import Running
from tests.server.test_api_events import APPLY, post
from tests.server.test_cli_engine import MANIFESTS, Terminal
from tests.server.test_cli_review import apply

HELD = ("held", "list")
DEAD = ("dlq", "list")


def _named(item: dict[str, Any]) -> str:
    return str(item["metadata"]["name"])


def _by(field: str) -> Callable[[dict[str, Any]], str]:
    return lambda item: str(item[field])


LISTS = {
    ("list",): _named,
    ("archive", "list"): _named,
    ("cron", "list"): _named,
    ("sensors", "list"): _named,
    ("events", "sources"): _named,
    ("events", "list"): _by("id"),
    ("events", "list", "--poison"): _by("id"),
    HELD: _by("id"),
    DEAD: _by("id"),
    ("memo", "list"): _by("key"),
    ("sync", "list"): _by("key"),
}
NEVER_EMPTY = [
    words for words in LISTS if words[0] not in ("archive", "memo") and "--poison" not in words
]
GETS = {
    ("get", "@latest"): ("list",),
    ("cron", "get", "nightly"): ("cron", "list"),
    ("sensors", "get", "deaf"): ("sensors", "list"),
    ("events", "get", "@latest"): ("events", "list"),
    ("sync", "get", "printers"): ("sync", "list"),
    ("held", "get"): HELD,
    ("dlq", "get"): DEAD,
}


@pytest.fixture
async def terminal(engine: Running, tmp_path: Any) -> Terminal:
    """An engine that has one or more of whatever these commands list."""
    terminal = Terminal(engine)
    (tmp_path / "all.yaml").write_text(MANIFESTS)
    await terminal.says("apply", str(tmp_path / "all.yaml"))
    await terminal.says("submit", "--from", "wftmpl/greet", "--wait")
    await terminal.says("sync", "create", "printers", "--limit", "2")
    url, sensor = await apply(engine, breaker={"max": 1, "per": "1h"})
    for number in (1, 2, 3):
        assert await post(url, number=number) == 200
    sensor["metadata"]["name"] = "failing"
    template = sensor["spec"]["triggers"][0]["template"]
    del template["breaker"]
    template["join"] = {"key": "body.nope", "within": "1h"}
    done = await engine.ask("POST", APPLY, {"manifest": sensor})
    assert done.status == 200, done
    for number in (4, 5):
        assert await post(url, number=number) == 200
    return terminal


async def test_every_list_prints_in_every_form(terminal: Terminal) -> None:
    for words, name in LISTS.items():
        found = await terminal.json(*words)
        assert found or words not in NEVER_EMPTY, words
        assert yaml.safe_load(await terminal.says(*words, "-o", "yaml")) is not None, words
        names = (await terminal.says(*words, "-o", "name")).splitlines()
        assert names == [name(item) for item in found], words
        assert bool(await terminal.says(*words, "-o", "wide")) == bool(found), words


async def test_every_get_prints_in_every_form(terminal: Terminal) -> None:
    for words, listing in GETS.items():
        names = (await terminal.says(*listing, "-o", "name")).splitlines()
        asked = words if len(words) == 3 or words[0] == "get" else (*words, names[0])
        assert json.loads(await terminal.says(*asked, "-o", "json")), asked
        assert yaml.safe_load(await terminal.says(*asked, "-o", "yaml")), asked
        [printed] = (await terminal.says(*asked, "-o", "name")).splitlines()
        assert printed in names, asked
        assert await terminal.says(*asked, "-o", "wide"), asked


@pytest.mark.parametrize("words", [HELD, DEAD], ids=" ".join)
async def test_a_limit_keeps_the_newest_and_says_that_there_are_more(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    every = await terminal.json(*words)
    assert len(every) > 1
    cut = await terminal.type(*words, "--limit", "1", "-o", "json")
    assert json.loads(cut.stdout) == every[:1]
    assert "only the newest 1 are shown" in cut.stderr
    whole = await terminal.type(*words, "--limit", str(len(every)), "-o", "json")
    assert (json.loads(whole.stdout), whole.stderr) == (every, "")


@pytest.mark.parametrize("words", [HELD, DEAD], ids=" ".join)
async def test_pages_follow_each_other_to_the_end(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    every = await terminal.json(*words)
    seen, following = [], ""
    for _ in every:
        said = await terminal.type(*words, "--limit", "1", "--continue", following, "-o", "json")
        seen += json.loads(said.stdout)
        following = said.stderr.partition("--continue ")[2].partition(" ")[0]
    assert (seen, following) == (every, "")


async def test_a_page_goes_on_where_it_ended_whatever_is_taken_off(terminal: Terminal) -> None:
    first, *others = await terminal.json(*HELD)
    said = await terminal.type(*HELD, "--limit", "1")
    following = said.stderr.partition("--continue ")[2].partition(" ")[0]
    await terminal.says("held", "discard", first["id"])
    assert await terminal.json(*HELD, "--continue", following) == others


@pytest.mark.parametrize("path", ["firings", "quarantine"])
async def test_the_api_says_what_follows(terminal: Terminal, path: str) -> None:
    base = f"/api/v1/bireme/{path}?limit=1"
    page = await terminal.engine.get(base)
    after = await terminal.engine.get(f"{base}&continue={page['continue']}")
    assert page["items"][0]["id"] != after["items"][0]["id"]
    bad = await terminal.engine.ask("GET", f"{base}&continue=x")
    assert (bad.status, "continue: expected" in bad.body["message"]) == (400, True)
