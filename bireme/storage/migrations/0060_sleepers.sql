-- Bank two: live runs that wait, and for nothing but a moment or a person. A row holds while the run's history has n steps:
-- any further step makes it stale, so it need not be taken away. `wake_at` is NULL where only a person can wake the run.
CREATE TABLE sleepers (
  run TEXT PRIMARY KEY, n {int} NOT NULL, wake_at {float}, header {blob} NOT NULL) {clustered};
