-- Activities that their run's owner does not execute itself. A task is offered (`due_at`), running (`worker`) or left to a client
-- (neither). Its row is deleted only together with the message that reports its outcome, so an outcome is committed once. An
-- outcome must match `attempt`.
create table reprise.activity_tasks (
  run_id uuid not null,
  seq int not null,
  queue text not null,
  type text not null,
  attempt int not null,
  due_at timestamptz,
  worker int,
  started_at timestamptz,
  beat_at timestamptz,
  -- When the next of its timeouts fires.
  deadline timestamptz,
  start_by timestamptz,
  close_by timestamptz,
  schedule_to_start interval,
  start_to_close interval,
  heartbeat interval,
  cancel_requested boolean not null default false,
  -- The attempt has started and must not be repeated if its worker is lost.
  unsafe boolean not null default false,
  primary key (run_id, seq)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index activity_tasks_due on reprise.activity_tasks (queue, type, due_at) where due_at is not null;
create index activity_tasks_worker on reprise.activity_tasks (worker) where worker is not null;
create index activity_tasks_deadline on reprise.activity_tasks (deadline) where deadline is not null;

-- Activity types that the worker executes for others; null when it takes no tasks.
alter table reprise.workers add column activity_types text[];

-- The time up to which a task queue's rate limit has handed out starts of activities.
create table reprise.activity_rates (
  queue text primary key,
  next_at timestamptz not null
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

do $$
begin
  if exists (select from pg_roles where rolname = 'reprise_worker') then
    grant select, insert, update, delete on reprise.activity_tasks, reprise.activity_rates to reprise_worker;
  end if;
end $$;
