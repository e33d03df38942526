-- Most decisions are of no firing: they need no place in the index by firing.

DROP INDEX decisions_by_firing;
CREATE INDEX decisions_by_firing ON decisions (firing) WHERE firing IS NOT NULL;
