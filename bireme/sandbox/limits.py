"""How much a program may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of one program run, and of the child that serves many.

    A run may use `cpu_s` of processor time; a child that does not answer within `wall_s` is killed, whatever it is
    doing. `memory_bytes` is the child's whole address space, `lua_bytes` what a Lua state may hold of it. After
    `life_s` of work a child is replaced by a fresh one. Who overruns `strikes` times in a row is left alone for
    `rest_s`, then twice as long, up to `longest_rest_s`.
    """

    cpu_s: float = 0.2
    wall_s: float = 2.0
    memory_bytes: int = 512 << 20
    lua_bytes: int = 64 << 20
    output_bytes: int = 8 << 20
    program_bytes: int = 100_000
    start_s: float = 20.0
    life_s: float = 60.0
    strikes: int = 3
    rest_s: float = 30.0
    longest_rest_s: float = 600.0
