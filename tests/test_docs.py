"""The docs describe what is there: every link leads somewhere, every kind and command has its place."""

import re
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_every_event_source_kind_has_a_row_in_its_page() -> None:
    from events.registry import sources

    page = (ROOT / "docs" / "event-sources.md").read_text()
    assert [kind for kind in sources.kinds() if f"`{kind}`" not in page] == []


def test_every_trigger_and_filter_is_named_in_the_sensors_page() -> None:
    from sensors.registry import filters, triggers

    page = (ROOT / "docs" / "sensors.md").read_text()
    kinds = [
        kind
        for family in (filters, triggers)
        for kind in family.kinds()
        if family[kind].__module__.startswith("sensors.")
    ]
    assert [kind for kind in kinds if f"`{kind}`" not in page] == []


def test_every_command_is_in_the_command_line_page() -> None:
    from server.cli.root import bireme

    page = (ROOT / "docs" / "cli.md").read_text()
    names = bireme.list_commands(click.Context(bireme))
    assert [name for name in names if not re.search(rf"`[^`]*\b{name}\b", page)] == []
