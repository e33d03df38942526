"""Bank one, upper deck: sensors turn events into decisions, and decisions into firings.

The evaluator (`evaluate.step`) is pure; `run.SensorBank` is the shell that the bus calls inside the publishing
transaction and that works the outbox afterwards. Filters and triggers are plugins, one file per kind.
"""
