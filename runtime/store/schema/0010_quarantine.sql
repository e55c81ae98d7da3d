-- Runs that no worker could load or continue. A row is written when a worker gives up on a run for now, and deleted when the run
-- continues. This is a table because the log of such a run may be unreadable, so nothing can be appended to it.
create table reprise.quarantine (
  run_id uuid primary key,
  since timestamptz not null default clock_timestamp(),
  next_try timestamptz not null,
  attempts integer not null,
  cause text not null,
  message text not null,
  epoch integer not null
);
comment on table reprise.quarantine is 'Open runs that failed in the engine itself and are tried again with back-off; no worker claims one before next_try';
comment on column reprise.quarantine.since is 'First of the failures in a row';
comment on column reprise.quarantine.attempts is 'Failures in a row';
comment on column reprise.quarantine.cause is 'Code of the last failure: an error code of the engine, a SQLSTATE, or the name of the error';
comment on column reprise.quarantine.epoch is 'The worker that failed last';

alter table reprise.workers add column engine integer not null default 1;
comment on column reprise.workers.engine is 'Engine number: the worker knows every event and message type that this engine writes';

do $$
begin
  if exists (select from pg_roles where rolname = 'reprise_worker') then
    grant select, insert, update, delete on reprise.quarantine to reprise_worker;
  end if;
end $$;
