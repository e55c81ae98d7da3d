-- The log and the tables that run it. `reprise` stands for the schema's name, `reprise_audit` for its audit schema. Core tables
-- need no trigger, foreign key, extension or sequence on a hot path.

create table reprise.runs (
  run_id uuid primary key,
  namespace text not null,
  workflow_id text not null,
  workflow_type text not null,
  task_queue text not null,
  status text not null check (status in ('running', 'paused', 'completed', 'failed', 'cancelled', 'terminated',
    'timed_out', 'continued_as_new', 'rolled_back', 'recovered')),
  started_at timestamptz not null,
  closed_at timestamptz,
  parent_run_id uuid,
  forked_from uuid,
  forked_seq int,
  memo jsonb,
  search_attributes jsonb,
  final_seq int,
  final_hash bytea,
  check ((status in ('running', 'paused')) = (closed_at is null)),
  check ((forked_from is null) = (forked_seq is null))
);
create unique index runs_open_workflow_id on reprise.runs (namespace, workflow_id) where closed_at is null;
create index runs_workflow_id on reprise.runs (namespace, workflow_id, run_id);

-- Open runs, one narrow row each. `owner` is a worker's epoch, `lost` the epoch that died while it owned the run. `mail` counts
-- the messages ever sent to the run: it numbers the inbox, and closing and parking compare it.
create table reprise.ready (
  run_id uuid primary key,
  wake_at timestamptz not null,
  owner int,
  lost int,
  mail int not null default 0,
  queue text not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index ready_owner_queue_wake_at on reprise.ready (owner, queue, wake_at);

-- Append-only: see the grants below. `type` holds a code of runtime/core/log/event.ts.
create table reprise.events (
  run_id uuid not null,
  at timestamptz not null,
  seq int not null,
  answers int,
  type smallint not null,
  attempt smallint,
  name text,
  source text check (source in ('tool', 'agent', 'llm', 'system', 'user')),
  source_id text,
  reason text,
  correlation_id text,
  ops json,
  payload bytea,
  meta json,
  hash bytea,
  primary key (run_id, seq),
  check (source is distinct from 'user' or reason is not null)
);

-- Messages that are not in their run's log yet. `id` is the mail number, `owner` the run's owner when it was sent.
create table reprise.inbox (
  run_id uuid not null,
  id int not null,
  owner int,
  type smallint not null,
  name text,
  source_id text,
  reason text,
  correlation_id text,
  payload bytea,
  meta json,
  primary key (run_id, id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index inbox_owner on reprise.inbox (owner) where owner is not null;

-- Progress that a running attempt reported, for its next attempt.
create table reprise.activity_heartbeats (
  run_id uuid not null,
  seq int not null,
  details bytea,
  primary key (run_id, seq)
);

create table reprise.workers (
  epoch int generated always as identity primary key,
  identity text not null,
  queue text not null,
  bundle_hash text,
  started_at timestamptz not null default clock_timestamp(),
  dead_at timestamptz,
  dead_reason text
);
-- The fence of every claim and append, one row for each connection that writes. The lease is in another row, so that heartbeats
-- never wait for a flush.
create table reprise.fences (
  epoch int not null,
  slot smallint not null,
  backend_pid int,
  primary key (epoch, slot)
) with (fillfactor = 50);
create table reprise.leases (
  epoch int primary key,
  queue text not null,
  beat_at timestamptz not null,
  expires_at timestamptz not null
) with (fillfactor = 20);

-- Queries and their answers; none of them needs to survive a crash.
create unlogged table reprise.requests (
  id uuid primary key,
  run_id uuid not null,
  queue text not null,
  name text not null,
  args bytea not null,
  expires_at timestamptz not null,
  answered_at timestamptz,
  answer bytea,
  problem text
);
create index requests_open on reprise.requests (queue) where answered_at is null;

-- Roles: the worker can append to the log but never change it.
do $$
begin
  if not exists (select from pg_roles where rolname = 'reprise_worker') then
    create role reprise_worker nologin;
  end if;
  if not exists (select from pg_roles where rolname = 'reprise_auditor') then
    create role reprise_auditor nologin;
  end if;
exception
  when insufficient_privilege then
    raise warning 'reprise: not allowed to create the roles reprise_worker and reprise_auditor; create them and run the grants of 0001_init.sql by hand';
  when duplicate_object or unique_violation then
    null; -- another database of this cluster made them at the same moment
end $$;

do $$
begin
  if exists (select from pg_roles where rolname = 'reprise_worker') then
    grant usage on schema reprise to reprise_worker;
    grant select, insert on reprise.events to reprise_worker;
    grant select, insert, update on reprise.runs, reprise.workers to reprise_worker;
    grant select, insert, update, delete on reprise.ready, reprise.inbox, reprise.activity_heartbeats,
      reprise.fences, reprise.leases, reprise.requests to reprise_worker;
    grant select on reprise.migrations to reprise_worker;
  end if;
  if exists (select from pg_roles where rolname = 'reprise_auditor') then
    grant usage on schema reprise to reprise_auditor;
    grant select on reprise.runs, reprise.events to reprise_auditor;
  end if;
end $$;
