-- Messages that can be no event, as far as they were kept, until somebody discards them or they are old.
CREATE TABLE poison (
  id TEXT PRIMARY KEY, namespace TEXT NOT NULL, source TEXT NOT NULL, subject TEXT NOT NULL, kind TEXT NOT NULL,
  reason TEXT NOT NULL, place TEXT NOT NULL, size {int} NOT NULL, body {blob} NOT NULL, times {int} NOT NULL,
  created_at {float} NOT NULL, updated_at {float} NOT NULL);
CREATE INDEX poison_by_source ON poison (namespace, source, created_at);
