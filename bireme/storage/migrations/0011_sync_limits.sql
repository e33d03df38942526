-- Bank two: how many may hold a semaphore that the manifests call by a database key.
CREATE TABLE sync_limits (namespace TEXT NOT NULL, key TEXT NOT NULL, size {int} NOT NULL, PRIMARY KEY (namespace, key))
  {clustered};
