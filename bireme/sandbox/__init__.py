"""A child process for the programs in manifests (jq, Lua): started by the bank that evaluates them, killed when late.

`run.py` is the side that asks, `child.py` the side that runs; neither knows what the programs are for.
"""
