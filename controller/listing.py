"""What a list asks for, decoded from Argo's query parameters. Pure."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

from controller import selectors
from controller.ports import BadOption

NameFilter = Literal["", "Exact", "Prefix", "Contains", "NotEquals"]


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which workflows, and which page of them. An empty field asks for nothing; `limit` 0 means all."""

    namespace: str = ""
    namespace_filter: Literal["", "NotEquals"] = ""
    name: str = ""
    name_filter: NameFilter = ""
    name_prefix: str = ""
    label_selector: str = ""
    phases: frozenset[str] = frozenset()
    min_started_at: datetime | None = None
    max_started_at: datetime | None = None
    created_after: datetime | None = None
    finished_before: datetime | None = None
    show_remaining_item_count: bool = False
    offset: int = 0
    limit: int = 0

    def wants_name(self, name: str) -> bool:
        """Whether a workflow of that name is asked for."""
        if not name.startswith(self.name_prefix):
            return False
        return not self.name or _NAME_TESTS[self.name_filter](name, self.name)

    def wants_namespace(self, namespace: str) -> bool:
        if not self.namespace:
            return True
        return (namespace == self.namespace) != (self.namespace_filter == "NotEquals")


_NAME_TESTS: dict[str, Callable[[str, str], bool]] = {
    "": lambda name, asked: name == asked,
    "Exact": lambda name, asked: name == asked,
    "Prefix": lambda name, asked: name.startswith(asked),
    "Contains": lambda name, asked: asked in name,
    "NotEquals": lambda name, asked: name != asked,
}


def query(
    *,
    namespace: str = "",
    label_selector: str = "",
    field_selector: str = "",
    limit: int = 0,
    continue_: str = "",
    name_prefix: str = "",
    name_filter: NameFilter = "",
) -> ListQuery:
    """The query that Argo's `listOptions` mean. Raises BadOption for what the list cannot do."""
    selectors.labels(label_selector)
    asked = ListQuery(
        namespace=namespace,
        name_prefix=name_prefix,
        name_filter=name_filter,
        label_selector=label_selector,
        limit=max(limit, 0),
        offset=_offset(continue_),
    )
    for requirement in filter(None, field_selector.split(",")):
        asked = _with_requirement(asked, requirement.strip())
    return asked


def _offset(text: str) -> int:
    try:
        offset = int(text or 0)
    except ValueError as error:
        raise BadOption("listOptions.continue must be int") from error
    if offset < 0:
        raise BadOption("listOptions.continue must >= 0")
    return offset


def _with_requirement(asked: ListQuery, text: str) -> ListQuery:
    matched = re.fullmatch(r"([a-zA-Z.]+?)(==|!=|=|<|>)(.*)", text)
    apply = _REQUIREMENTS.get((matched[1], matched[2].replace("==", "="))) if matched else None
    if matched is None or apply is None:
        raise BadOption(f"unsupported requirement {text}")
    return apply(asked, matched[3].strip())


def _with_name(asked: ListQuery, name: str) -> ListQuery:
    return msgspec.structs.replace(asked, name=name)


def _without_name(asked: ListQuery, name: str) -> ListQuery:
    return msgspec.structs.replace(asked, name=name, name_filter="NotEquals")


def _with_namespace(asked: ListQuery, namespace: str) -> ListQuery:
    if asked.namespace not in ("", namespace):
        raise BadOption(
            f"'namespace' query param (\"{asked.namespace}\") and fieldselector 'metadata.namespace'"
            f' ("{namespace}") are both specified and contradict each other'
        )
    return msgspec.structs.replace(asked, namespace=namespace)


def _without_namespace(asked: ListQuery, namespace: str) -> ListQuery:
    if asked.namespace and asked.namespace != namespace:
        return asked
    return msgspec.structs.replace(asked, namespace=namespace, namespace_filter="NotEquals")


def _started_after(asked: ListQuery, text: str) -> ListQuery:
    return msgspec.structs.replace(asked, min_started_at=_time(text))


def _started_before(asked: ListQuery, text: str) -> ListQuery:
    return msgspec.structs.replace(asked, max_started_at=_time(text))


def _with_remaining(asked: ListQuery, text: str) -> ListQuery:
    if text not in ("true", "false"):
        raise BadOption(f"ext.showRemainingItemCount: '{text}' is neither true nor false")
    return msgspec.structs.replace(asked, show_remaining_item_count=text == "true")


def _time(text: str) -> datetime:
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise BadOption(f"spec.startedAt: '{text}' is not a time (RFC 3339)") from error


_REQUIREMENTS: dict[tuple[str, str], Callable[[ListQuery, str], ListQuery]] = {
    ("metadata.name", "="): _with_name,
    ("metadata.name", "!="): _without_name,
    ("metadata.namespace", "="): _with_namespace,
    ("metadata.namespace", "!="): _without_namespace,
    ("spec.startedAt", ">"): _started_after,
    ("spec.startedAt", "<"): _started_before,
    ("ext.showRemainingItemCount", "="): _with_remaining,
}
