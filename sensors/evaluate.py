"""The evaluator: a pure function from a sensor, its state and an event to decisions."""
