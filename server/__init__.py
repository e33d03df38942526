"""The deck: command line, REST API, settings and the wiring of a process. Nothing imports it."""
