"""The `fields` parameter of the API: which dotted paths of an answer are kept. Lists are transparent. Pure."""

from typing import Any


class Fields:
    """`a.b,c` keeps those paths and what lies under them; one leading minus keeps everything else."""

    def __init__(self, text: str) -> None:
        self._exclude = text.startswith("-")
        self._paths = [path for path in text.removeprefix("-").split(",") if path]

    def excludes(self, path: str) -> bool:
        """Whether nothing at or under `path` is wanted."""
        if not self._paths:
            return False
        if self._exclude:
            return any(_is_under(path, named) for named in self._paths)
        return not any(_is_under(path, named) or _is_under(named, path) for named in self._paths)

    def clean(self, value: Any, at: str = "") -> Any:
        """`value` without what is not wanted; shares what is kept."""
        if not self._paths:
            return value
        if isinstance(value, list):
            return [self.clean(item, at) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: self.clean(item, path)
            for key, item in value.items()
            if not self.excludes(path := f"{at}.{key}" if at else key)
        }


def _is_under(path: str, named: str) -> bool:
    return path == named or path.startswith(f"{named}.")
