"""`bireme schema`: the JSON Schemas of manifests, for editors."""

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from bireme.kit.registry import Registry


@click.command("schema", short_help="Print the JSON Schema of a kind, for editors.")
@click.argument("kind", required=False)
@click.option(
    "--write", type=click.Path(file_okay=False, path_type=Path), help="Write all of them there."
)
def schema(kind: str | None, write: Path | None) -> None:
    """Print the JSON Schema of one kind, or of a file that holds any kind. docs/cli.md tells how editors use it.

    \b
    Examples:
      bireme schema Workflow
      bireme schema --write .schemas
    """
    from bireme.manifests import schema as schemas
    from bireme.manifests.decode import KINDS

    configs = source_configs(), trigger_configs()
    if write is not None:
        write.mkdir(parents=True, exist_ok=True)
        for name in KINDS:
            text = json.dumps(schemas.schema(name, *configs), indent=1)
            (write / f"{name.lower()}.json").write_text(text)
        (write / "all.json").write_text(json.dumps(schemas.schema_of_all(*configs), indent=1))
        click.echo(f"{len(KINDS) + 1} schemas in {write}")
        return
    by_lower = {name.lower(): name for name in KINDS}
    if kind is None:
        click.echo(json.dumps(schemas.schema_of_all(*configs), indent=2))
    elif kind.lower() in by_lower:
        click.echo(json.dumps(schemas.schema(by_lower[kind.lower()], *configs), indent=2))
    else:
        raise click.UsageError(f"no kind '{kind}'; known: {', '.join(KINDS)}")


def source_configs() -> dict[str, type[msgspec.Struct]]:
    """The typed configuration of every kind of event source."""
    from events.registry import sources

    return _configs(sources)


def trigger_configs() -> dict[str, type[msgspec.Struct]]:
    """The typed block of every kind of trigger."""
    from sensors.registry import triggers

    return _configs(triggers)


def _configs(family: Registry[Any]) -> dict[str, type[msgspec.Struct]]:
    configs = {kind: getattr(family[kind], "Config", None) for kind in family.kinds()}
    return {
        kind: config
        for kind, config in configs.items()
        if isinstance(config, type) and issubclass(config, msgspec.Struct)
    }
