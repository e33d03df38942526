-- What sensors keep by key (half joins, gathered events, slots in use, budgets), and when time does something to it.
-- Their timers are these rows: due_at is the next moment to look.
CREATE TABLE sensor_cells (
  sensor TEXT NOT NULL, trigger_name TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, due_at {float} NOT NULL,
  state {blob} NOT NULL, PRIMARY KEY (sensor, trigger_name, kind, key)) {clustered};
CREATE INDEX sensor_cells_by_due ON sensor_cells (due_at);
