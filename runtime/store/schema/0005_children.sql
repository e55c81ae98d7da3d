-- Timeouts of workflows fire without a worker on the queue: whoever lives closes runs whose deadline has passed.
alter table reprise.ready add column deadline timestamptz;
create index ready_deadline on reprise.ready (deadline) where deadline is not null;
