"""The `script` filter: a Lua 5.1 chunk over the payload returns `true`.

    filters:
      script: |-
        return event.body.size > 10 and event.body.action == "opened"

`event` is the payload as a table (nulls are absent). Only `true` passes, not what merely counts as true in Lua. A
script that fails is an error, as is one that takes more time or memory than it may (see docs/filters.md).
"""

from typing import Any

import msgspec

from bireme.kit.errors import BiremeError
from bireme.lang.script import Program
from sensors.model import Check, Verdict
from sensors.registry import filters
from sensors.view import View


@filters.register("script")
class ScriptFilter:
    """Passes events for which the script returns true."""

    def __init__(self, config: Any, operator: str) -> None:
        self.program = Program("lua.truth", msgspec.convert(config, str))

    def verdict(self, view: View) -> Verdict:
        if view.is_empty:
            return Verdict(True)
        try:
            passed = view.run(self.program) == b"true"
        except BiremeError as error:
            return Verdict(False, str(error), str(error), "script")
        check = Check("script", passed, "script", str(passed).lower(), "true")
        reason = "" if passed else "the script did not return true"
        return Verdict(passed, "", reason, "script", (check,))
