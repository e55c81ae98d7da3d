-- An update's id is the correlation_id of its events: whether it was accepted and how it ended is asked by it.
create index events_updates on reprise.events (run_id, correlation_id) where type in (41, 42, 43);
