-- Many processes on one database. `fleet` counts: how often an engine took over, how often an object was changed.
CREATE TABLE fleet (name TEXT PRIMARY KEY, value {int} NOT NULL);
INSERT INTO fleet (name, value) VALUES ('engine', 0), ('objects', 0);
-- Who evaluates sensors. A worker that has not said so again by `until`, on the database's clock, holds nothing.
CREATE TABLE sensor_workers (worker TEXT PRIMARY KEY, until {float} NOT NULL, since {float} NOT NULL);
-- Who holds which sensor (nobody: ''). The epoch grows with every change of hands: who knows an older one is fenced off.
CREATE TABLE sensor_leases (sensor TEXT PRIMARY KEY, worker TEXT NOT NULL, epoch {int} NOT NULL, since {float} NOT NULL);
CREATE INDEX sensor_leases_by_worker ON sensor_leases (worker);
-- Which worker decided; '' where there is only the engine.
ALTER TABLE decisions ADD COLUMN worker TEXT NOT NULL DEFAULT '';
