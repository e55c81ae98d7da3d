-- Commands of clients to a standalone activity, from its log: `paused` stops new attempts; `options` is the meta of its schedule
-- with changed options (null: unchanged).
alter table reprise.activity_tasks
  add column paused boolean not null default false,
  add column options json;
