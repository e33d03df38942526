"""Benchmarks: each figure is printed beside a limit measured in the same run. `python -m benchmarks [NAME ...]`."""
