"""How much a program may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of one program run, and of the child that serves many.

    A run may use `cpu_s` of processor time, and half a second more for each MB that jq reads. A child that does not
    answer within `wall_s` is killed, whatever it is doing; one that does not start within `start_s` is tried again
    after `pause_s`; after `life_s` of work it is replaced by a fresh one. `memory_bytes` is the child's whole address
    space, `lua_bytes` what a Lua state may hold of it.

    Who overruns `strikes` times in a row is left alone for `rest_s`, then twice as long, up to `longest_rest_s`. Once
    overruns have cost more than `debt_s` together, of which a tenth of a second is forgiven each second, the first
    overrun is enough.
    """

    cpu_s: float = 0.2
    wall_s: float = 5.0
    memory_bytes: int = 512 << 20
    lua_bytes: int = 64 << 20
    output_bytes: int = 8 << 20
    program_bytes: int = 100_000
    start_s: float = 5.0
    pause_s: float = 10.0
    life_s: float = 60.0
    strikes: int = 3
    debt_s: float = 1.0
    rest_s: float = 30.0
    longest_rest_s: float = 600.0
