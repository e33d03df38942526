"""The hull: what both banks stand on and which knows neither of them.

`kit` (clock, ids, registry, tasks, errors), `lang` (the small languages inside manifests), `manifests` (what people
write) and `storage` (durable rows). Nothing here imports events, sensors, controller, executor or server.
"""
