"""Events as the tests of sensors make them."""

from tests.sensors.conftest import make_event

__all__ = ["make_event"]
