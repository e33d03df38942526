"""Parameters: named texts with a source, a default, and where they go."""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from bireme.manifests.artifacts import Artifact
from bireme.manifests.base import KeySelector, Object, Spec


class ValueFrom(Spec, frozen=True):
    """Where a parameter's value comes from: one of these, and a default for when it is missing."""

    path: str = ""
    json_path: str = ""
    jq_filter: str = ""
    event: str = ""
    parameter: str = ""
    supplied: Object | None = None
    config_map_key_ref: KeySelector | None = None
    default: str | None = None
    expression: str = ""


class Parameter(Spec, frozen=True):
    """A named text. `value` and `default` are None when not written: an empty text is a value."""

    name: str = ""
    default: str | None = None
    value: str | None = None
    value_from: ValueFrom | None = None
    global_name: str = ""
    enum: list[str] | None = None
    description: str | None = None

    @property
    def text(self) -> str:
        """Value, else default, else nothing."""
        return self.value if self.value is not None else self.default or ""


class Arguments(Spec, frozen=True):
    parameters: list[Parameter] = []
    artifacts: list[Artifact] = []


class Inputs(Spec, frozen=True):
    parameters: list[Parameter] = []
    artifacts: list[Artifact] = []


class Outputs(Spec, frozen=True):
    parameters: list[Parameter] = []
    artifacts: list[Artifact] = []
    result: str | None = None
    exit_code: str | None = None
