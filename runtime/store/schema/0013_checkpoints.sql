-- Checkpoints: cached states of contexts, and the heads of all open runs at one time. What retention keeps, and what stays of a run
-- that it removed.

-- A cache of the log: deleting any row loses nothing but time.
create table reprise.checkpoints (
  run_id uuid not null,
  seq integer not null,
  context_seq integer not null,
  name text,
  trigger text not null check (trigger in ('automatic', 'patches', 'activities', 'time', 'progress', 'function', 'manual')),
  state bytea not null,
  progress double precision,
  patches integer not null,
  bytes integer not null,
  state_hash bytea not null,
  log_hash bytea not null,
  schema_version smallint not null,
  worker integer,
  pinned boolean not null default false,
  at timestamptz not null default clock_timestamp(),
  primary key (run_id, seq),
  check (context_seq <= seq)
);
alter table reprise.checkpoints alter column state set storage external;
comment on table reprise.checkpoints is 'Cached states of contexts. Valid while state_hash and log_hash match; otherwise readers pass a row over';
comment on column reprise.checkpoints.seq is 'The end of a turn: the state is the one after this event';
comment on column reprise.checkpoints.context_seq is 'The last context patch in the state';
comment on column reprise.checkpoints.state is 'JSON text of the document, compressed with zstd';
comment on column reprise.checkpoints.progress is 'The highest progress that the run had reported';
comment on column reprise.checkpoints.patches is 'Number of context patches of the run up to here';
comment on column reprise.checkpoints.bytes is 'Size of the JSON text before compression';
comment on column reprise.checkpoints.state_hash is 'sha256 of seq, context_seq, patches and bytes (int4 each) and the stored bytes: finds damage';
comment on column reprise.checkpoints.log_hash is 'The chain hash of event seq: proves that the state belongs to this log';
comment on column reprise.checkpoints.worker is 'Epoch of the worker that wrote the row; null when a client did';

create table reprise.system_checkpoints (
  id uuid primary key,
  name text not null unique,
  at timestamptz not null default clock_timestamp(),
  lsn text,
  heads json not null,
  schema_version smallint not null
);
comment on column reprise.system_checkpoints.lsn is 'Position in the write-ahead log of Postgres; null on a server that does not say';
comment on column reprise.system_checkpoints.heads is 'The last seq of every run that was open, by run id';

create table reprise.run_holds (
  run_id uuid primary key,
  reason text not null,
  actor text not null,
  at timestamptz not null default clock_timestamp()
);
comment on table reprise.run_holds is 'Runs that retention must keep, for example for a legal matter. A table of its own, because closed runs are never written again';

create table reprise.pruned_runs (
  run_id uuid primary key,
  namespace text not null,
  workflow_id text not null,
  workflow_type text not null,
  status text not null,
  started_at timestamptz not null,
  closed_at timestamptz not null,
  final_seq integer,
  final_hash bytea,
  bytes bigint not null,
  archive text,
  pruned_at timestamptz not null default clock_timestamp()
);
comment on table reprise.pruned_runs is 'What stays of a run that retention removed. final_hash proves that an archive is the log of the run';
comment on column reprise.pruned_runs.archive is 'Name of the archive file; null when the run was not archived';
create index pruned_runs_workflow_id on reprise.pruned_runs (namespace, workflow_id);

-- The role of retention: it alone may delete from the log.
do $$
begin
  if not exists (select from pg_roles where rolname = 'reprise_pruner') then
    create role reprise_pruner nologin;
  end if;
exception
  when insufficient_privilege then
    raise warning 'reprise: not allowed to create the role reprise_pruner; create it and run the grants of 0013_checkpoints.sql by hand';
  when duplicate_object or unique_violation then
    null; -- another database of this cluster made it at the same moment
end $$;

do $$
begin
  if exists (select from pg_roles where rolname = 'reprise_worker') then
    grant select, insert, update, delete on reprise.checkpoints to reprise_worker;
    grant select, insert on reprise.system_checkpoints to reprise_worker;
    grant select, insert, update, delete on reprise.run_holds to reprise_worker;
    grant select on reprise.pruned_runs to reprise_worker;
    grant usage on schema reprise_audit to reprise_worker; -- for verify
  end if;
  if exists (select from pg_roles where rolname = 'reprise_auditor') then
    grant select on reprise.checkpoints, reprise.system_checkpoints, reprise.run_holds, reprise.pruned_runs to reprise_auditor;
  end if;
  if exists (select from pg_roles where rolname = 'reprise_pruner') then
    grant usage on schema reprise to reprise_pruner;
    grant select, delete on reprise.events, reprise.runs, reprise.checkpoints, reprise.system_checkpoints,
      reprise.activity_heartbeats, reprise.inbox to reprise_pruner;
    grant select on reprise.run_holds, reprise.migrations, reprise.outbox to reprise_pruner;
    grant select, insert on reprise.pruned_runs to reprise_pruner;
  end if;
end $$;
