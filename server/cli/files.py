"""Manifests from files for commands: parsed here, so that complaints name file and line before anything is sent."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bireme.kit.errors import InvalidManifest, Problem
from server.objects import check
from server.objects.directory import walk


def texts(path: str, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    """(text, name) of a file, of every manifest file below a directory, or of standard input (`-`).

    A file that cannot be read is added to `problems`, and the others follow.
    """
    if path == "-":
        yield sys.stdin.read(), "standard input"
        return
    place = Path(path)
    for file in walk(place) if place.is_dir() else [place]:
        try:
            yield check.content(file), str(file)
        except InvalidManifest as error:
            problems += error.problems


def read(path: str, namespace: str = "default") -> list[check.Checked]:
    """The manifests of a file, a directory or standard input (`-`). Exits with the complaints about all of them."""
    found: list[check.Checked] = []
    problems: list[Problem] = []
    for text, name in texts(path, problems):
        try:
            found += check.text(text, name, namespace)
        except InvalidManifest as error:
            problems += error.problems
    if problems:
        complain(problems)
        sys.exit(1)
    return found


def workflows(path: str) -> list[dict[str, Any]]:
    """The workflows of a file as plain manifests; the other objects in it are named and left alone."""
    found = read(path)
    chosen = [one.manifest for one in found if one.kind == "Workflow"]
    others = [one for one in found if one.kind != "Workflow"]
    if not found:
        raise click.ClickException(f"{path} is empty")
    if others and not chosen:
        named = ", ".join(one.title for one in others)
        raise click.ClickException(
            f"{path} holds no Workflow but {named}. Put it in place with 'bireme apply {path}',"
            " then start it with 'bireme submit --from KIND/NAME'."
        )
    for one in others:
        click.echo(f"{path}: {one.title} is not submitted; apply it with 'bireme apply'", err=True)
    return chosen


def complain(problems: list[Problem]) -> None:
    """Each complaint on standard error, with what to do."""
    for problem in problems:
        colour = "red" if problem.severity == "error" else "yellow"
        label = click.style(problem.severity, fg=colour, bold=True)
        click.echo(f"{label}: {problem}", err=True)
        if problem.found or problem.expected:
            found = f"found {problem.found}" if problem.found else ""
            expected = f"expected {problem.expected}" if problem.expected else ""
            click.echo("  " + ", ".join(part for part in (found, expected) if part), err=True)
