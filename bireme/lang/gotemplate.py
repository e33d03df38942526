"""Go's text/template with Sprig, as filters and parameters use it. The engine is imported on first use."""

import re
from functools import lru_cache
from typing import Any, Final

from bireme.lang.errors import LangError, OverBudget

MAX_TEXT: Final = 100_000
_WIDE = re.compile(r"%[-+# 0]*(?:\d{5,}|\d*\.\d{5,})")


@lru_cache(maxsize=512)
def _compiled(text: str) -> Any:
    from gotpl import ExecutionBudget, Template

    from bireme.lang import sprig

    if len(text) > MAX_TEXT:
        raise LangError(f"the template is longer than {MAX_TEXT} characters")
    functions = {**sprig.for_templates(), "printf": _printf}
    try:
        return Template(text, name="t", functions=functions, budget=ExecutionBudget.strict())
    except Exception as error:  # noqa: BLE001 - a foreign engine: whatever it raises is the text's fault
        raise LangError(str(error)) from None


def _printf(layout: Any, *args: Any) -> Any:
    """printf without widths that would fill the memory."""
    if isinstance(layout, str) and (_WIDE.search(layout) or "*" in layout):
        raise OverBudget(
            "printf: a width or precision above 9999, or one from the arguments, is refused"
        )
    return _printf_of(len(args)).render({"layout": layout, "args": list(args)})


@lru_cache(maxsize=32)
def _printf_of(count: int) -> Any:
    """The engine's own printf, as a template of that many arguments."""
    from gotpl import Template

    args = " ".join(f"(index .args {i})" for i in range(count))
    return Template(f"{{{{printf .layout {args}}}}}")


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
