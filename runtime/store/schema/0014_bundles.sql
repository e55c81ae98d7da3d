-- The workflow code that recorded a run, so that a replay can use the same code.
create table reprise.bundles (
  hash text primary key,
  stored_at timestamptz not null default clock_timestamp(),
  content bytea not null
);
comment on table reprise.bundles is 'Workflow bundles by hash; workers store them when they start';
comment on column reprise.bundles.content is 'JSON text of the bundle, compressed with gzip';
-- The content is compressed already.
alter table reprise.bundles alter column content set storage external;

-- Epochs of workers, which know the hash of their bundle. Both columns are null in runs that no worker has had.
alter table reprise.runs add column worker int;
comment on column reprise.runs.worker is 'Epoch of the worker that closed the run, or that had it last';
alter table reprise.ready add column worker int;
comment on column reprise.ready.worker is 'Epoch of the worker that released the run last';

do $$
begin
  if exists (select from pg_roles where rolname = 'reprise_worker') then
    grant select, insert on reprise.bundles to reprise_worker;
  end if;
end $$;
