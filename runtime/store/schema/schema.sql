-- The schema as the migrations of this folder leave it, in one place for reading. Nothing runs this file: it is written
-- by `UPDATE_SCHEMA=1 npm test -- test/store/schema.test.ts`, and the same test compares it with a migrated database.

create schema reprise;
grant usage on schema reprise to reprise_auditor;
grant usage on schema reprise to reprise_pruner;
grant usage on schema reprise to reprise_worker;

create table reprise.activity_heartbeats (
  run_id uuid not null,
  seq integer not null,
  details bytea,
  constraint activity_heartbeats_pkey PRIMARY KEY (run_id, seq)
);
grant delete, insert, select, update on reprise.activity_heartbeats to reprise_worker;
grant delete, select on reprise.activity_heartbeats to reprise_pruner;

create table reprise.activity_rates (
  queue text not null,
  next_at timestamp with time zone not null,
  constraint activity_rates_pkey PRIMARY KEY (queue)
) with (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0.02, fillfactor=20);
grant delete, insert, select, update on reprise.activity_rates to reprise_worker;

create table reprise.activity_tasks (
  run_id uuid not null,
  seq integer not null,
  queue text not null,
  type text not null,
  attempt integer not null,
  due_at timestamp with time zone,
  worker integer,
  started_at timestamp with time zone,
  beat_at timestamp with time zone,
  deadline timestamp with time zone,
  start_by timestamp with time zone,
  close_by timestamp with time zone,
  schedule_to_start interval,
  start_to_close interval,
  heartbeat interval,
  cancel_requested boolean not null default false,
  unsafe boolean not null default false,
  paused boolean not null default false,
  options json,
  staged json,
  args_seq integer,
  due_when_resumed timestamp with time zone,
  constraint activity_tasks_pkey PRIMARY KEY (run_id, seq)
) with (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0.02, fillfactor=70);
CREATE INDEX activity_tasks_deadline ON reprise.activity_tasks USING btree (deadline) WHERE (deadline IS NOT NULL);
CREATE INDEX activity_tasks_due ON reprise.activity_tasks USING btree (queue, type, due_at) WHERE (due_at IS NOT NULL);
CREATE INDEX activity_tasks_worker ON reprise.activity_tasks USING btree (worker) WHERE (worker IS NOT NULL);
grant delete, insert, select, update on reprise.activity_tasks to reprise_worker;

create table reprise.bundles (
  hash text not null,
  stored_at timestamp with time zone not null default clock_timestamp(),
  content bytea not null,
  constraint bundles_pkey PRIMARY KEY (hash)
);
grant insert, select on reprise.bundles to reprise_worker;

create table reprise.checkpoints (
  run_id uuid not null,
  seq integer not null,
  context_seq integer not null,
  name text,
  trigger text not null,
  state bytea not null,
  progress double precision,
  patches integer not null,
  bytes integer not null,
  state_hash bytea not null,
  log_hash bytea not null,
  schema_version smallint not null,
  worker integer,
  pinned boolean not null default false,
  at timestamp with time zone not null default clock_timestamp(),
  constraint checkpoints_pkey PRIMARY KEY (run_id, seq),
  constraint checkpoints_check CHECK (context_seq <= seq),
  constraint checkpoints_trigger_check CHECK (trigger = ANY (ARRAY['automatic'::text, 'patches'::text, 'activities'::text, 'time'::text, 'progress'::text, 'function'::text, 'manual'::text]))
);
grant delete, insert, select, update on reprise.checkpoints to reprise_worker;
grant delete, select on reprise.checkpoints to reprise_pruner;
grant select on reprise.checkpoints to reprise_auditor;

create table reprise.deployment_versions (
  namespace text not null,
  deployment_name text not null,
  build_id text not null,
  is_current boolean not null default false,
  ramp_percentage double precision,
  registered_at timestamp with time zone not null default clock_timestamp(),
  activated_at timestamp with time zone,
  constraint deployment_versions_pkey PRIMARY KEY (namespace, deployment_name, build_id),
  constraint deployment_versions_check CHECK (NOT (is_current AND ramp_percentage IS NOT NULL)),
  constraint deployment_versions_ramp_percentage_check CHECK (ramp_percentage >= 0::double precision AND ramp_percentage <= 100::double precision)
);
CREATE UNIQUE INDEX deployment_versions_current ON reprise.deployment_versions USING btree (namespace, deployment_name) WHERE is_current;
CREATE UNIQUE INDEX deployment_versions_ramping ON reprise.deployment_versions USING btree (namespace, deployment_name) WHERE (ramp_percentage IS NOT NULL);
grant insert, select, update on reprise.deployment_versions to reprise_worker;

create table reprise.events (
  run_id uuid not null,
  at timestamp with time zone not null,
  seq integer not null,
  answers integer,
  type smallint not null,
  attempt smallint,
  name text,
  source text,
  source_id text,
  reason text,
  correlation_id text,
  ops json,
  payload bytea,
  meta json,
  hash bytea,
  constraint events_pkey PRIMARY KEY (run_id, seq),
  constraint events_check CHECK (source IS DISTINCT FROM 'user'::text OR reason IS NOT NULL),
  constraint events_source_check CHECK (source = ANY (ARRAY['tool'::text, 'agent'::text, 'llm'::text, 'system'::text, 'user'::text]))
);
CREATE INDEX events_updates ON reprise.events USING btree (run_id, correlation_id) WHERE (type = ANY (ARRAY[41, 42, 43]));
CREATE INDEX events_verbs ON reprise.events USING btree (correlation_id) WHERE (type = ANY (ARRAY[13, 14, 18]));
grant delete, select on reprise.events to reprise_pruner;
grant insert, select on reprise.events to reprise_worker;
grant select on reprise.events to reprise_auditor;

create table reprise.fences (
  epoch integer not null,
  slot smallint not null,
  backend_pid integer,
  constraint fences_pkey PRIMARY KEY (epoch, slot)
) with (fillfactor=50);
grant delete, insert, select, update on reprise.fences to reprise_worker;

create table reprise.inbox (
  run_id uuid not null,
  id integer not null,
  owner integer,
  type smallint not null,
  name text,
  source_id text,
  reason text,
  correlation_id text,
  payload bytea,
  meta json,
  answers integer,
  ops json,
  source text,
  constraint inbox_pkey PRIMARY KEY (run_id, id)
) with (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0.02);
CREATE INDEX inbox_owner ON reprise.inbox USING btree (owner) WHERE (owner IS NOT NULL);
grant delete, insert, select, update on reprise.inbox to reprise_worker;
grant delete, select on reprise.inbox to reprise_pruner;

create table reprise.leases (
  epoch integer not null,
  queue text not null,
  beat_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  constraint leases_pkey PRIMARY KEY (epoch)
) with (fillfactor=20);
grant delete, insert, select, update on reprise.leases to reprise_worker;

create table reprise.migration_lock (
  id character varying(255) not null,
  is_locked integer not null default 0,
  constraint migration_lock_pkey PRIMARY KEY (id)
);

create table reprise.migrations (
  name character varying(255) not null,
  timestamp character varying(255) not null,
  constraint migrations_pkey PRIMARY KEY (name)
);
grant select on reprise.migrations to reprise_pruner;
grant select on reprise.migrations to reprise_worker;

create table reprise.outbox (
  run_id uuid not null,
  parent_run_id uuid,
  parent_seq integer,
  links boolean not null,
  made_at timestamp with time zone not null default clock_timestamp(),
  constraint outbox_pkey PRIMARY KEY (run_id),
  constraint outbox_check CHECK ((parent_run_id IS NULL) = (parent_seq IS NULL))
) with (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0.02);
grant delete, insert, select, update on reprise.outbox to reprise_worker;
grant select on reprise.outbox to reprise_pruner;

create table reprise.pruned_runs (
  run_id uuid not null,
  namespace text not null,
  workflow_id text not null,
  workflow_type text not null,
  status text not null,
  started_at timestamp with time zone not null,
  closed_at timestamp with time zone not null,
  final_seq integer,
  final_hash bytea,
  bytes bigint not null,
  archive text,
  pruned_at timestamp with time zone not null default clock_timestamp(),
  constraint pruned_runs_pkey PRIMARY KEY (run_id)
);
CREATE INDEX pruned_runs_workflow_id ON reprise.pruned_runs USING btree (namespace, workflow_id);
grant insert, select on reprise.pruned_runs to reprise_pruner;
grant select on reprise.pruned_runs to reprise_auditor;
grant select on reprise.pruned_runs to reprise_worker;

create table reprise.quarantine (
  run_id uuid not null,
  since timestamp with time zone not null default clock_timestamp(),
  next_try timestamp with time zone not null,
  attempts integer not null,
  cause text not null,
  message text not null,
  epoch integer not null,
  constraint quarantine_pkey PRIMARY KEY (run_id)
);
grant delete, insert, select, update on reprise.quarantine to reprise_worker;

create table reprise.ready (
  run_id uuid not null,
  wake_at timestamp with time zone not null,
  owner integer,
  lost integer,
  mail integer not null default 0,
  queue text not null,
  claimed boolean not null default false,
  deadline timestamp with time zone,
  worker integer,
  constraint ready_pkey PRIMARY KEY (run_id)
) with (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0.02, fillfactor=70);
CREATE INDEX ready_deadline ON reprise.ready USING btree (deadline) WHERE (deadline IS NOT NULL);
CREATE INDEX ready_owner_queue_wake_at ON reprise.ready USING btree (owner, queue, wake_at);
grant delete, insert, select, update on reprise.ready to reprise_worker;

create unlogged table reprise.requests (
  id uuid not null,
  run_id uuid not null,
  queue text not null,
  name text not null,
  args bytea not null,
  expires_at timestamp with time zone not null,
  answered_at timestamp with time zone,
  answer bytea,
  problem text,
  constraint requests_pkey PRIMARY KEY (id)
);
CREATE INDEX requests_open ON reprise.requests USING btree (queue) WHERE (answered_at IS NULL);
grant delete, insert, select, update on reprise.requests to reprise_worker;

create table reprise.run_holds (
  run_id uuid not null,
  reason text not null,
  actor text not null,
  at timestamp with time zone not null default clock_timestamp(),
  constraint run_holds_pkey PRIMARY KEY (run_id)
);
grant delete, insert, select, update on reprise.run_holds to reprise_worker;
grant select on reprise.run_holds to reprise_auditor;
grant select on reprise.run_holds to reprise_pruner;

create table reprise.runs (
  run_id uuid not null,
  namespace text not null,
  workflow_id text not null,
  workflow_type text not null,
  task_queue text not null,
  status text not null,
  started_at timestamp with time zone not null,
  closed_at timestamp with time zone,
  parent_run_id uuid,
  forked_from uuid,
  forked_seq integer,
  memo jsonb,
  search_attributes jsonb,
  final_seq integer,
  final_hash bytea,
  search_attribute_types jsonb,
  start_run_id uuid,
  taken_over_by uuid,
  kind text,
  fork_request text,
  worker integer,
  constraint runs_pkey PRIMARY KEY (run_id),
  constraint runs_check CHECK ((status = ANY (ARRAY['running'::text, 'paused'::text])) = (closed_at IS NULL)),
  constraint runs_check1 CHECK ((forked_from IS NULL) = (forked_seq IS NULL)),
  constraint runs_fork_check CHECK ((forked_from IS NULL) = (start_run_id IS NULL)),
  constraint runs_kind_check CHECK (kind = 'replay'::text),
  constraint runs_status_check CHECK (status = ANY (ARRAY['running'::text, 'paused'::text, 'completed'::text, 'failed'::text, 'cancelled'::text, 'terminated'::text, 'timed_out'::text, 'continued_as_new'::text, 'rolled_back'::text, 'recovered'::text]))
);
CREATE UNIQUE INDEX runs_fork_request ON reprise.runs USING btree (fork_request) WHERE (fork_request IS NOT NULL);
CREATE INDEX runs_forked_from ON reprise.runs USING btree (forked_from) WHERE (forked_from IS NOT NULL);
CREATE UNIQUE INDEX runs_open_workflow_id ON reprise.runs USING btree (namespace, workflow_id) WHERE (closed_at IS NULL);
CREATE INDEX runs_parent ON reprise.runs USING btree (parent_run_id) WHERE (parent_run_id IS NOT NULL);
CREATE INDEX runs_search_attributes ON reprise.runs USING gin (search_attributes jsonb_path_ops, search_attribute_types jsonb_path_ops) WHERE (search_attributes IS NOT NULL);
CREATE INDEX runs_workflow_id ON reprise.runs USING btree (namespace, workflow_id, run_id);
grant delete, select on reprise.runs to reprise_pruner;
grant insert, select, update on reprise.runs to reprise_worker;
grant select on reprise.runs to reprise_auditor;

create table reprise.system_checkpoints (
  id uuid not null,
  name text not null,
  at timestamp with time zone not null default clock_timestamp(),
  lsn text,
  heads json not null,
  schema_version smallint not null,
  constraint system_checkpoints_pkey PRIMARY KEY (id),
  constraint system_checkpoints_name_key UNIQUE (name)
);
grant delete, select on reprise.system_checkpoints to reprise_pruner;
grant insert, select on reprise.system_checkpoints to reprise_worker;
grant select on reprise.system_checkpoints to reprise_auditor;

create table reprise.workers (
  epoch integer not null generated always as identity,
  identity text not null,
  queue text not null,
  bundle_hash text,
  started_at timestamp with time zone not null default clock_timestamp(),
  dead_at timestamp with time zone,
  dead_reason text,
  activity_types text[],
  deployment_name text,
  build_id text,
  engine integer not null default 1,
  constraint workers_pkey PRIMARY KEY (epoch)
);
grant insert, select, update on reprise.workers to reprise_worker;

create function reprise.heir(run uuid, event_seq integer) returns uuid
  language sql stable set search_path=pg_catalog;

create function reprise.line(run uuid) returns TABLE(run_id uuid, first integer, last integer)
  language plpgsql stable set search_path=pg_catalog;

create schema reprise_audit;
grant usage on schema reprise_audit to reprise_auditor;
grant usage on schema reprise_audit to reprise_worker;

create function reprise_audit.apply_op(doc jsonb, op jsonb) returns jsonb
  language plpgsql immutable set search_path=pg_catalog;

create function reprise_audit.pointer_keys(pointer text) returns text[]
  language plpgsql immutable strict set search_path=pg_catalog;

create function reprise_audit.state_at(run uuid, at_seq integer DEFAULT NULL::integer) returns jsonb
  language plpgsql stable set search_path=pg_catalog;

create function reprise_audit.state_at(run uuid, at_time timestamp with time zone) returns jsonb
  language sql stable set search_path=pg_catalog;

create function reprise_audit.value_at(document jsonb, keys text[]) returns jsonb
  language plpgsql immutable strict set search_path=pg_catalog;

create function reprise_audit.verify(run uuid) returns TABLE(ok boolean, seq integer, problem text)
  language plpgsql stable set search_path=pg_catalog set jit=off;
