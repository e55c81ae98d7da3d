-- Workflows time out without a worker on their queue: any live worker closes runs whose deadline has passed.
alter table reprise.ready add column deadline timestamptz;
create index ready_deadline on reprise.ready (deadline) where deadline is not null;

-- The seq in the receiver's log that the message answers, for example with the outcome of a child or the arrival of a signal.
alter table reprise.inbox add column answers integer;

-- Closed runs that other runs must learn of: written with the close, deleted with the messages.
create table reprise.outbox (
  run_id uuid primary key,
  -- The parent to notify of the outcome, and the seq in its log that this answers.
  parent_run_id uuid,
  parent_seq integer,
  -- Whether the run had children, or messages to others, under way.
  links boolean not null,
  made_at timestamptz not null default clock_timestamp(),
  check ((parent_run_id is null) = (parent_seq is null))
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
do $$
begin
  if exists (select from pg_roles where rolname = 'reprise_worker') then
    -- update: delivery locks the rows first.
    grant select, insert, update, delete on reprise.outbox to reprise_worker;
  end if;
end $$;

-- Finds the chain of a child when its parent closes.
create index runs_parent on reprise.runs (parent_run_id) where parent_run_id is not null;
