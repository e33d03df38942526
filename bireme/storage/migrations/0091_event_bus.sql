-- The EventBus that carried the event; '' is the one named default. Sensors see the events of the bus they name.
ALTER TABLE events ADD COLUMN bus TEXT NOT NULL DEFAULT '';
