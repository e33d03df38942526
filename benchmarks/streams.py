"""Streams: Kafka and S3 as sources, Kafka and JetStream as buses, each on a real server beside a bare client of it.

A server that is not to be had costs its own figures, never the others.
"""

import sys
from collections.abc import Callable

import pytest

from benchmarks import bus_rates, kafka_source, s3_delay
from benchmarks.report import Figure

_FIGURES: list[Callable[[], Figure]] = [
    kafka_source.latency,
    kafka_source.ingest,
    bus_rates.kafka_bus,
    bus_rates.jetstream_bus,
    s3_delay.delay,
]


def measure() -> list[Figure]:
    return [figure for one in _FIGURES if (figure := _or_skipped(one)) is not None]


def _or_skipped(figure: Callable[[], Figure]) -> Figure | None:
    """The servers are the tests' own, and say in the tests' way that they are missing."""
    try:
        return figure()
    except (pytest.skip.Exception, pytest.fail.Exception, ImportError) as missing:
        name = f"{figure.__module__}.{figure.__name__}"
        print(f"  skipped {name}: {missing}", file=sys.stderr, flush=True)
        return None
