-- Events whose evaluation failed at a sensor, with the event as it was, until they are driven again or discarded.
CREATE TABLE quarantine (
  id TEXT PRIMARY KEY, namespace TEXT NOT NULL, sensor TEXT NOT NULL, trigger_name TEXT NOT NULL,
  dependency TEXT NOT NULL, seq {int} NOT NULL, event {blob} NOT NULL, reason TEXT NOT NULL, path TEXT NOT NULL,
  line {int} NOT NULL, attempts {int} NOT NULL, created_at {float} NOT NULL, updated_at {float} NOT NULL);
CREATE INDEX quarantine_by_sensor ON quarantine (namespace, sensor, created_at);
