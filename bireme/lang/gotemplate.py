"""Go's text/template with Sprig, as filters and parameters use it. The engine is imported on first use."""

from functools import lru_cache
from typing import Any, Final

from bireme.lang.errors import LangError

MAX_TEXT: Final = 100_000


@lru_cache(maxsize=512)
def _compiled(text: str) -> Any:
    from gotpl import ExecutionBudget, Template

    from bireme.lang import sprig

    if len(text) > MAX_TEXT:
        raise LangError(f"the template is longer than {MAX_TEXT} characters")
    try:
        return Template(
            text, name="t", functions=sprig.for_templates(), budget=ExecutionBudget.strict()
        )
    except Exception as error:  # noqa: BLE001 - a foreign engine: whatever it raises is the text's fault
        raise LangError(str(error)) from None


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
