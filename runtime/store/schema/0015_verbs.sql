-- Retry, skip and pause of open runs. `args_seq`: seq of the event that holds the activity's arguments, when a person changed them
-- (null: its ActivityScheduled). `due_when_resumed`: set while the run is paused, so that no attempt begins; when the attempt is
-- due once the run is resumed.
alter table reprise.activity_tasks
  add column args_seq int,
  add column due_when_resumed timestamptz;

-- Finds a pause, a resumption, a retry or a skip by the id of its request.
create index events_verbs on reprise.events (correlation_id) where type in (13, 14, 18);
