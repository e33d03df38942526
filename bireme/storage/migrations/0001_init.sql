-- The rows of the first release. {int}, {float}, {blob}, {serial} and {clustered} (rows live in the primary key's own
-- tree) stand for the database's own words.
-- Times are UTC seconds since the epoch. Each statement ends with a semicolon at the end of a line.

-- Bank one: the log.
CREATE TABLE events (
  seq {int} PRIMARY KEY, namespace TEXT NOT NULL, source TEXT NOT NULL, subject TEXT NOT NULL, id TEXT NOT NULL,
  type TEXT NOT NULL, time {float} NOT NULL, received_at {float} NOT NULL, content_type TEXT NOT NULL,
  attributes TEXT NOT NULL, data {blob} NOT NULL);
CREATE INDEX events_by_source ON events (namespace, source, subject, seq);
CREATE INDEX events_by_id ON events (id);
-- A delivery key seen within the window: its second delivery is the same event.
CREATE TABLE event_keys (key TEXT PRIMARY KEY, seq {int} NOT NULL, seen_at {float} NOT NULL) {clustered};
CREATE INDEX event_keys_by_age ON event_keys (seen_at);
CREATE TABLE cursors (consumer TEXT PRIMARY KEY, position {int} NOT NULL);
CREATE TABLE source_state (source TEXT PRIMARY KEY, state {blob} NOT NULL);

-- Bank one: sensors. seq is 0 for what no event caused (a timer).
CREATE TABLE sensor_state (sensor TEXT NOT NULL, trigger_name TEXT NOT NULL, state {blob} NOT NULL,
  PRIMARY KEY (sensor, trigger_name));
CREATE TABLE decisions (
  id {serial}, seq {int} NOT NULL, namespace TEXT NOT NULL, sensor TEXT NOT NULL, trigger_name TEXT NOT NULL,
  dependency TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, line {int} NOT NULL, path TEXT NOT NULL,
  detail TEXT NOT NULL, firing TEXT, at {float} NOT NULL);
CREATE INDEX decisions_by_sensor ON decisions (namespace, sensor, id);
CREATE INDEX decisions_by_event ON decisions (seq);
CREATE INDEX decisions_by_firing ON decisions (firing);
-- The outbox. status: pending, fired, dead. payload holds what a trigger needs to act, made once.
CREATE TABLE firings (
  id TEXT PRIMARY KEY, namespace TEXT NOT NULL, sensor TEXT NOT NULL, trigger_name TEXT NOT NULL, kind TEXT NOT NULL,
  payload {blob} NOT NULL, status TEXT NOT NULL, attempts {int} NOT NULL, next_at {float} NOT NULL,
  receipt TEXT NOT NULL, error TEXT NOT NULL, created_at {float} NOT NULL, updated_at {float} NOT NULL);
CREATE INDEX firings_by_status ON firings (status, next_at);
CREATE INDEX firings_by_sensor ON firings (namespace, sensor, created_at);

-- Bank two: runs. status is the compact status (no nodes); the nodes are the fold of history.
CREATE TABLE runs (
  uid TEXT PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, phase TEXT NOT NULL, live {int} NOT NULL,
  firing TEXT UNIQUE, cron TEXT, labels TEXT NOT NULL, manifest {blob} NOT NULL, status {blob} NOT NULL,
  created_at {float} NOT NULL, started_at {float}, finished_at {float}, UNIQUE (namespace, name));
CREATE INDEX runs_live ON runs (live);
CREATE INDEX runs_by_cron ON runs (cron);
CREATE INDEX runs_by_creation ON runs (namespace, created_at);
CREATE TABLE history (run TEXT NOT NULL, n {int} NOT NULL, at {float} NOT NULL, entry {blob} NOT NULL,
  PRIMARY KEY (run, n)) {clustered};

-- The deck: manifests that were applied, as JSON, with the status we give them.
CREATE TABLE objects (
  kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL, generation {int} NOT NULL,
  origin TEXT NOT NULL, manifest {blob} NOT NULL, status {blob} NOT NULL, created_at {float} NOT NULL,
  PRIMARY KEY (kind, namespace, name));
