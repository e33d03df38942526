-- Bank two: steps that must end, written with the decision that ends them and taken away once the executor was told. What is
-- here at a start was decided by a process that died before it could say so.
CREATE TABLE stops (
  run TEXT NOT NULL, task TEXT NOT NULL, grace_s {float} NOT NULL, PRIMARY KEY (run, task)) {clustered};
