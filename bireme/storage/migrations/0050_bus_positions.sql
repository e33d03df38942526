-- How far the log has taken in what an outside bus carries. A row moves in the commit of the events it stands behind.
CREATE TABLE bus_positions (bus TEXT PRIMARY KEY, position {int} NOT NULL);
