"""Tools every part may use and which use nothing of ours: clock, ids, registry, supervision, backoff, errors, logs."""
