-- Bank two: the outputs of memoized steps. `cache` is the name that memoize.cache.configMap gives.
CREATE TABLE memo (
  namespace TEXT NOT NULL, cache TEXT NOT NULL, key TEXT NOT NULL, workflow TEXT NOT NULL, node TEXT NOT NULL,
  entry {blob} NOT NULL, created_at {float} NOT NULL, hit_at {float} NOT NULL, PRIMARY KEY (namespace, cache, key))
  {clustered};
