-- Firings that are over are forgotten in the order in which they ended.

CREATE INDEX firings_over ON firings (updated_at, id) WHERE status IN ('fired', 'replaced', 'discarded');
