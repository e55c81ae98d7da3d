-- Timeouts of workflows fire without a worker on the queue: whoever lives closes runs whose deadline has passed.
alter table reprise.ready add column deadline timestamptz;
create index ready_deadline on reprise.ready (deadline) where deadline is not null;

-- A message that answers something in the receiver's log: how a child ended, that a signal has arrived.
alter table reprise.inbox add column answers integer;

-- Closed runs that other runs have still to hear of: written with the close, deleted with the messages.
create table reprise.outbox (
  run_id uuid primary key,
  -- Whom to tell how the run ended, and what that answers in its log.
  parent_run_id uuid,
  parent_seq integer,
  -- Whether the run had children or messages to others under way.
  links boolean not null,
  made_at timestamptz not null default clock_timestamp(),
  check ((parent_run_id is null) = (parent_seq is null))
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
do $$
begin
  if exists (select from pg_roles where rolname = 'reprise_worker') then
    -- update: rows are locked before they are delivered.
    grant select, insert, update, delete on reprise.outbox to reprise_worker;
  end if;
end $$;

-- A child's chain is found by it when the parent closes.
create index runs_parent on reprise.runs (parent_run_id) where parent_run_id is not null;
