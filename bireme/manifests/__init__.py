"""What people write: YAML with line numbers, typed specs, decoding, validation and lint of every kind we accept.

Every part that takes a manifest in calls `decode`; nothing here runs, stores or watches anything.
"""
