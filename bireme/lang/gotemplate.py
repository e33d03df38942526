"""Go's text/template with Sprig, as filters and parameters use it. The engine is imported on first use."""

from functools import lru_cache
from typing import Any, Final

from bireme.lang.errors import LangError

MAX_TEXT: Final = 100_000


@lru_cache(maxsize=512)
def _compiled(text: str) -> Any:
    from gotpl import ExecutionBudget, Template

    from bireme.lang import go_builtins, sprig

    if len(text) > MAX_TEXT:
        raise LangError(f"the template is longer than {MAX_TEXT} characters")
    functions = {**sprig.for_templates(), **go_builtins.functions()}
    try:
        return Template(text, name="t", functions=functions, budget=ExecutionBudget.strict())
    except Exception as error:  # noqa: BLE001 - a foreign engine: whatever it raises is the text's fault
        raise LangError(str(error)) from None


def check(text: str) -> None:
    """Raises LangError for a template that does not parse."""
    if "{{" in text:
        _compiled(text)


def render(text: str, data: Any) -> str:
    """The template filled in with `data` (numbers as floats, as Go decodes JSON). Raises LangError."""
    if "{{" not in text:
        return text
    template = _compiled(text)
    try:
        return str(template.render(data))
    except LangError:
        raise
    except Exception as error:  # noqa: BLE001 - a foreign engine: whatever it raises is the text's fault
        raise LangError(str(error)) from None
