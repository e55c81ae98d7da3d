-- Activities that their run's owner does not execute itself. A row stands for one that is offered (`due_at`), at work
-- (`worker`) or completed by a client (neither). It goes away only together with the message that says what became of it,
-- so an outcome is committed once; `attempt` is what an outcome must match.
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
  -- When the next timeout strikes, of those that the other columns hold.
  deadline timestamptz,
  start_by timestamptz,
  close_by timestamptz,
  schedule_to_start interval,
  start_to_close interval,
  heartbeat interval,
  cancel_requested boolean not null default false,
  -- Begun, and not to be repeated when its worker is lost.
  unsafe boolean not null default false,
  primary key (run_id, seq)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index activity_tasks_due on reprise.activity_tasks (queue, type, due_at) where due_at is not null;
create index activity_tasks_worker on reprise.activity_tasks (worker) where worker is not null;
create index activity_tasks_deadline on reprise.activity_tasks (deadline) where deadline is not null;

-- What a worker can execute; null for one that takes no tasks.
alter table reprise.workers add column activity_types text[];

-- Up to when the starts of activities that a task queue allows in a second are given out.
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
