"""Run the benchmarks named, or all, one after the other."""

import importlib
import sys
import time

from benchmarks.report import Figure, show

ALL = [
    "footprint",
    "tags",
    "ingest",
    "latency",
    "steps",
    "dag",
    "birth",
    "many",
    "sensors",
    "decisions",
    "restart",
    "streams",
]


def main(names: list[str]) -> int:
    figures: list[Figure] = []
    for name in names or ALL:
        begun = time.perf_counter()
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        figures += importlib.import_module(f"benchmarks.{name}").measure()
        print(f"  took {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    print(show(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
