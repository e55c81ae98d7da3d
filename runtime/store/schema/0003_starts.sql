-- Whether a worker ever owned the run: until then its log is its start alone, which a claim brings along.
-- Of runs that are open already nobody knows.
alter table reprise.ready add column claimed boolean not null default true;
alter table reprise.ready alter column claimed set default false;

-- An event as an append hands it in: one array of these is read several times as fast as an array a column. Never changed;
-- should `events` get a column, a type of another name stands beside this one as long as old workers run.
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
