-- The id of an update is the correlation_id of its events; clients look up by it whether it was accepted and how it ended.
create index events_updates on reprise.events (run_id, correlation_id) where type in (41, 42, 43);
