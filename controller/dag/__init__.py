"""The workflow engine as a pure function: `(run, inputs, now) -> changes and effects`.

`begin` makes a run from frozen manifests, `advance` brings it forward, `fold` rebuilds it from its history, `status`
shows it as Argo would. The controller's shell calls these; nothing here does I/O, reads a clock or throws dice.
"""
