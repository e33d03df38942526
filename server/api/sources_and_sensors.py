"""EventSources and Sensors, as Argo's server proxies them."""

from server.api import applied
from server.api.routes import Routes

routes = Routes()

applied.declare(
    routes, "/api/v1/event-sources/{namespace}", "eventsources", "EventSource", "eventSource"
)
applied.declare(routes, "/api/v1/sensors/{namespace}", "sensors", "Sensor", "sensor")
