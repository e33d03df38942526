"""The evaluator: pure functions from a sensor, its state and an event (or a moment) to decisions.

`step` takes an event, `tick` a timer that is due, `admit` a firing somebody lets go. No clock, no chance, no I/O: `now`
comes in, rows go out. The shell (`intake.py`) writes what comes back.

    step ─ filters ─┬─ conditions ─┐
                    └─ join ───────┴─ coalesce ─ breaker ─ concurrency ─ rate ─ Fire
"""

from sensors.evaluate.evaluation import firing_id
from sensors.evaluate.step import step
from sensors.evaluate.timers import admit, tick

__all__ = ["admit", "firing_id", "step", "tick"]
