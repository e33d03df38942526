"""The runner: a small process of its own that starts steps, outlives the engine and keeps every exit code.

It is started by `executor.link` with the standard library alone and imports nothing of ours outside this folder. One
runner serves one data directory (`runner.lock`); engines talk to it over `runner.sock`, one JSON object per line.

From an engine: `hello` (base environment), `start` (a step; harmless when it was started before), `stop`.
To engines: `ready`, `started`, `ended` (with the exit record that also lies in the step's directory).
"""
