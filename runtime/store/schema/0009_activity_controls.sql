-- What is asked of a standalone activity while it is open, as its log has it: nobody begins an attempt of a paused one, and
-- options that were changed since it was scheduled (the meta of its schedule as it reads now; null: they were not).
alter table reprise.activity_tasks
  add column paused boolean not null default false,
  add column options json;
