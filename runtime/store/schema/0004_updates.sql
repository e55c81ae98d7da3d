-- The events of an update have the update's id as correlation_id. By that id, clients look up whether the update was
-- accepted and how it ended.
create index events_updates on reprise.events (run_id, correlation_id) where type in (41, 42, 43);
