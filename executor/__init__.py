"""Bank two, lower deck: where a step runs, and how its artifacts travel."""
