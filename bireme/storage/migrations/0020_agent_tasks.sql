-- Bank two: steps the engine does itself (http, plugin, resource, data). A row says that the step was begun; `report` is
-- its end, once it has one. After a restart this tells what must not be done twice.
CREATE TABLE agent_tasks (task TEXT PRIMARY KEY, begun_at {float} NOT NULL, report {blob}) {clustered};
