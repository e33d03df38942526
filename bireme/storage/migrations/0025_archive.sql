-- Finished workflows that their ttlStrategy or a history limit has taken from the list. Their history stays under its uid.
CREATE TABLE archived (
  uid TEXT PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, phase TEXT NOT NULL, live {int} NOT NULL,
  firing TEXT, cron TEXT, labels TEXT NOT NULL, manifest {blob} NOT NULL, status {blob} NOT NULL,
  created_at {float} NOT NULL, started_at {float}, finished_at {float}, archived_at {float} NOT NULL);
CREATE INDEX archived_by_name ON archived (namespace, name, created_at);
CREATE INDEX archived_by_age ON archived (archived_at);
