-- Whether a worker has ever owned the run. Until then its log is only its start, which a claim returns. For runs that are already
-- open nobody knows, so they count as claimed.
alter table reprise.ready add column claimed boolean not null default true;
alter table reprise.ready alter column claimed set default false;

-- An event as an append passes it: one array of these is read several times as fast as one array for each column. Never changed:
-- if `events` gets a column, a type of another name is added, and this one stays as long as old workers run.
create type reprise.new_event as (
  run_id uuid,
  at timestamptz,
  seq int,
  answers int,
  type smallint,
  attempt smallint,
  name text,
  source text,
  source_id text,
  reason text,
  correlation_id text,
  ops json,
  payload bytea,
  meta json,
  hash bytea
);
