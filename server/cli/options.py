"""Options that many commands share, declared once."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from server.cli import client

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("json", "yaml", "wide", "name")


def engine(command: F) -> F:
    """Give the command a `client` for the engine; adds --server, --token and -n."""

    @wraps(command)
    def connected(*args: Any, server: str, token: str, namespace: str, **kwargs: Any) -> Any:
        return command(*args, client=client.connect(server, token, namespace), **kwargs)

    decorated: Any = connected
    for option in (
        click.option("-n", "--namespace", default="", help="Namespace (default: 'default')."),
        click.option("--token", default="", help="Bearer token of the engine."),
        click.option("-s", "--server", default="", help="URL of the engine."),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def output(command: F) -> F:
    """Adds -o json|yaml|wide|name as `form`."""
    return click.option(
        "-o", "--output", "form", type=click.Choice(FORMATS), help="Print as json, yaml, …"
    )(command)


def plain_output(command: F) -> F:
    """Adds -o json|yaml as `form`, for what has no name and no more columns."""
    return click.option(
        "-o", "--output", "form", type=click.Choice(FORMATS[:2]), help="Print as json or yaml."
    )(command)


def newest(command: F) -> F:
    """Adds --limit, below the engine's own bound of 1000: one more is asked for, to know whether there are more.

    And --continue as `following`, for the pages after the first.
    """
    command = click.option(
        "--continue", "following", default="", metavar="TEXT", help="What follows: as the page before has said."
    )(command)  # fmt: skip
    return click.option(
        "--limit",
        type=click.IntRange(1, 999),
        default=200,
        show_default=True,
        help="At most so many, newest first.",
    )(command)


def parameters(command: F) -> F:
    """Adds -p NAME=VALUE, repeatable, as `parameters`, and -f FILE with more of them as `parameter_file`."""
    command = click.option(
        "-f", "--parameter-file", type=click.Path(exists=True, dir_okay=False), help="YAML file of parameters."
    )(command)  # fmt: skip
    return click.option(
        "-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter."
    )(command)


def outputs(command: F) -> F:
    """Adds --output-parameter NAME=VALUE, repeatable, as `outputs`."""
    return click.option(
        "--output-parameter", "outputs", multiple=True, metavar="NAME=VALUE", help="An output that is to be supplied."
    )(command)  # fmt: skip


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """NAME=VALUE texts as a mapping. Raises a usage error for one without '='."""
    for text in texts:
        if "=" not in text:
            raise click.BadParameter(f"expected NAME=VALUE, found '{text}'", param_hint=option)
    return dict(text.split("=", 1) for text in texts)


def given_parameters(parameters: tuple[str, ...], parameter_file: str | None) -> list[str]:
    """Those of the file, then those of the command line, which win. Raises a usage error for one without '='."""
    pairs(parameters, "-p")
    if parameter_file is None:
        return list(parameters)
    import json

    import yaml

    with open(parameter_file) as source:
        read = yaml.safe_load(source)
    if not isinstance(read, dict):
        raise click.BadParameter("the file must hold NAME: VALUE lines", param_hint="-f")
    texts = [f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in read.items()]
    return [*texts, *parameters]
