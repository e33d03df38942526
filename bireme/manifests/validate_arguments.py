"""Arguments, artifacts and outputs: complete, well named, with exactly one source."""

import posixpath
import re

from bireme.manifests.artifacts import Artifact, ArtifactLocation, HDFSArtifact
from bireme.manifests.parameters import Arguments, Inputs, Parameter
from bireme.manifests.template import Template
from bireme.manifests.validate_names import Invalid, check_names, parameter_name_fault

_REQUIRED = {
    "s3": ("endpoint", "bucket", "key"),
    "gcs": ("bucket", "key"),
    "oss": ("bucket", "endpoint", "key"),
    "azure": ("endpoint", "container", "blob"),
    "hdfs": ("addresses",),
    "http": ("url",),
    "artifactory": ("url", "username_secret"),
    "git": ("repo",),
    "plugin": ("name", "configuration", "key"),
    "raw": (),
}
_KEYS = {"s3": "key", "gcs": "key", "oss": "key", "azure": "blob", "hdfs": "path", "plugin": "key"}
_CLIMB = re.compile(r"/\.\.(/|$)")
_OUTPUT_SOURCES = ("path", "jq_filter", "json_path", "parameter", "expression")
_NOT_IN_ARGUMENTS = ("path", "json_path", "parameter", "expression")


def check_named(holder: Arguments | Inputs, prefix: str) -> None:
    """Names of parameters and artifacts are well formed and unique."""
    for family, members in (("parameters", holder.parameters), ("artifacts", holder.artifacts)):
        try:
            check_names((member.name for member in members), parameters=True)
        except Invalid as error:
            raise Invalid(f"{prefix}{family}{error}") from None


def check_arguments(prefix: str, arguments: Arguments, *, may_be_empty: bool) -> None:
    """Every argument has a value from somewhere allowed. `prefix` ends with a dot."""
    check_named(arguments, prefix)
    for parameter in arguments.parameters:
        where = prefix + parameter.name
        _check_source(parameter, where, may_be_empty)
        if parameter.enum is not None:
            if parameter.enum and parameter.value is None and may_be_empty:
                return  # as Argo: what follows is not looked at
            _check_enum(parameter, where)
    for artifact in arguments.artifacts:
        where = prefix + artifact.name
        if not (artifact.from_ or has_location_or_key(artifact)):
            raise Invalid(f"{where}.from, artifact location, or key is required")
        if artifact.from_ and artifact.from_expression:
            raise Invalid(f"{where} shouldn't have both `from` and `fromExpression` in Artifact")


def _check_source(parameter: Parameter, where: str, may_be_empty: bool) -> None:
    source = parameter.value_from
    if source is None:
        if parameter.value is None and not may_be_empty:
            raise Invalid(f"{where}.value or {where}.valueFrom is required")
        return
    allowed = source.config_map_key_ref or source.event or source.supplied is not None
    if not allowed or any(getattr(source, name) for name in _NOT_IN_ARGUMENTS):
        raise Invalid(f"{where}.valueFrom only allows: default, configMapKeyRef and supplied")


def _check_enum(parameter: Parameter, where: str) -> None:
    if not parameter.enum:
        raise Invalid(f"{where}.enum should contain at least one value")
    if parameter.value is None:
        raise Invalid(f"{where}.value is required")
    if parameter.value not in parameter.enum:
        raise Invalid(f"{where}.value should be present in {where}.enum list")


def place(location: ArtifactLocation) -> str:
    """Which kind of place it names (`s3`, `raw` …); "" when none."""
    return next((name for name in _REQUIRED if getattr(location, name) is not None), "")


def has_location_or_key(location: ArtifactLocation) -> bool:
    """Whether it says where to read: a whole place, or a key in the configured repository."""
    kind = place(location)
    if not kind:
        return False
    body = getattr(location, kind)
    has_key = kind in _KEYS and bool(getattr(body, _KEYS[kind]))
    has_key = has_key or (kind in ("http", "artifactory") and bool(body.url))
    return has_key or all(getattr(body, name) for name in _REQUIRED[kind])


def check_location(where: str, location: ArtifactLocation) -> None:
    """git names a repository, hdfs an address and a whole set of credentials."""
    if location.git is not None and not location.git.repo:
        raise Invalid(f"{where}.git.repo is required")
    if location.hdfs is not None:
        _check_hdfs(f"{where}.hdfs", location.hdfs)


def _check_hdfs(where: str, hdfs: HDFSArtifact) -> None:
    if not hdfs.addresses:
        raise Invalid(f"{where}.addresses is required")
    if not hdfs.path:
        raise Invalid(f"{where}.path is required")
    if not posixpath.isabs(hdfs.path):
        raise Invalid(f"{where}.path must be an absolute file path")
    if hdfs.krb_c_cache_secret is None and hdfs.krb_keytab_secret is None and not hdfs.hdfs_user:
        raise Invalid(
            f"{where}.hdfsUser, {where}.krbCCacheSecret or {where}.krbKeytabSecret is required"
        )


def check_artifact_path(artifact: Artifact, where: str) -> None:
    """A leaf's artifact has a path that stays below where it starts."""
    if not artifact.path:
        raise Invalid(f"error in {where}: Artifact '{artifact.name}' did not specify a path")
    climb = _CLIMB.search(artifact.path)
    start = artifact.path[: climb.start()] if climb else ""
    if climb and not posixpath.normpath(artifact.path).startswith(f"{start}/"):
        raise Invalid(
            f"error in {where}: Artifact '{artifact.name}' attempted to use a path containing '..'."
            " Directory traversal is not permitted"
        )


def check_outputs(template: Template) -> None:
    """Every declared output has one source that its template's type can give."""
    for artifact in template.outputs.artifacts:
        where = f"templates.{template.name}.outputs.artifacts.{artifact.name}"
        if template.is_leaf:
            check_artifact_path(artifact, where)
        elif artifact.path:
            raise Invalid(f"{where}.path only valid in container/script templates")
        _check_global_name(artifact.global_name, where)
    for parameter in template.outputs.parameters:
        where = f"templates.{template.name}.outputs.parameters.{parameter.name}"
        _check_output_parameter(parameter, where)
        _check_fits(parameter, template.type, where)
        _check_global_name(parameter.global_name, where)


def check_output_names(template: Template) -> None:
    outputs = (
        ("parameters", [parameter.name for parameter in template.outputs.parameters]),
        ("artifacts", [artifact.name for artifact in template.outputs.artifacts]),
    )
    for family, names in outputs:
        try:
            check_names(names, parameters=True)
        except Invalid as error:
            raise Invalid(f"templates.{template.name}.outputs.{family} {error}") from None


def _check_global_name(name: str, where: str) -> None:
    if name and "{{" not in name and (fault := parameter_name_fault(name)):
        raise Invalid(f"{where}.globalName: {fault}")


def _check_output_parameter(parameter: Parameter, where: str) -> None:
    source = parameter.value_from
    if source is not None and parameter.value is not None:
        raise Invalid(f"{where} has both valueFrom and value specified. Choose one.")
    if parameter.value is not None:
        return
    if source is None:
        raise Invalid(f"{where} does not have valueFrom or value specified")
    given = sum(bool(getattr(source, name)) for name in _OUTPUT_SOURCES)
    given += source.supplied is not None
    choices = "choose one of: path, jqFilter, jsonPath, parameter, raw"
    if given == 0:
        raise Invalid(f"valueFrom type unspecified. {choices}")
    if given > 1:
        raise Invalid(f"multiple valueFrom types specified. {choices}")


def _check_fits(parameter: Parameter, kind: str, where: str) -> None:
    source = parameter.value_from
    if source is None:
        return
    if kind in ("Container", "ContainerSet", "Script") and not source.path:
        raise Invalid(f"{where}.path must be specified for {kind} templates")
    if kind == "Resource" and not (source.jq_filter or source.json_path):
        raise Invalid(f"{where} .jqFilter or jsonPath must be specified for {kind} templates")
    if kind in ("DAG", "Steps") and not (source.parameter or source.expression):
        raise Invalid(f"{where}.parameter or expression must be specified for {kind} templates")
