-- Forks: runs whose history begins with rows of other runs. A fork copies nothing: its first own event (WorkflowForked, type 15)
-- lists the ancestors' part of its history in meta.line, and its seqs go on from there. The columns are null for all other runs.
alter table reprise.runs
  add column start_run_id uuid,
  add column taken_over_by uuid,
  add column kind text,
  add column fork_request text,
  add constraint runs_fork_check check ((forked_from is null) = (start_run_id is null)),
  add constraint runs_kind_check check (kind = 'replay');
comment on column reprise.runs.start_run_id is 'The run whose row holds event 1 of this history; null: this run';
comment on column reprise.runs.taken_over_by is 'The fork that goes on in place of this run; null: none';
comment on column reprise.runs.kind is 'replay: a fork that exists for comparison only, hidden from lists; null: an ordinary run';
comment on column reprise.runs.fork_request is 'Id of the request that made this fork, so that a repeated request finds it';

create unique index runs_fork_request on reprise.runs (fork_request) where fork_request is not null;
create index runs_forked_from on reprise.runs (forked_from) where forked_from is not null;

-- The rows that make up the history of a run, oldest first. The run's own rows come last, without an end.
create function reprise.line(run uuid) returns table (run_id uuid, first int, last int)
language plpgsql stable parallel safe rows 3
set search_path = pg_catalog
as $$
declare
  own record;
begin
  select e.seq, e.type, e.meta into own from reprise.events e where e.run_id = run order by e.seq limit 1;
  if own.type = 15 then
    return query select (segment->>'runId')::uuid, (segment->>'first')::int, (segment->>'last')::int
      from json_array_elements(own.meta->'line') with ordinality as ancestors (segment, place) order by place;
    return query select run, own.seq, 2147483647;
  else
    return query select run, 1, 2147483647;
  end if;
end
$$;

-- The run that goes on in place of `run` and whose history holds event `event_seq` of that run; null when there is none.
create function reprise.heir(run uuid, event_seq int) returns uuid
language sql stable
set search_path = pg_catalog
as $$
  select r.taken_over_by from reprise.runs r cross join lateral reprise.line(r.taken_over_by) l
  where r.run_id = run and l.run_id = run and event_seq between l.first and l.last
$$;

-- Checks the hash chain of a run: returns one row (true, last seq, null), or one row (false, seq, problem) for each fault. Reports
-- a broken hash at the last event of its turn. Computes what runtime/core/log/hash-chain.ts computes. Cannot detect a missing
-- tail: only a copy of the head kept elsewhere (runs.final_hash, an export) shows that. Loops over one ordered index scan, since a
-- grouping query must sort all contents and took twice as long. Checks the whole line of a fork:
-- each event is hashed with the id of the run whose row holds it.
create or replace function reprise_audit.verify(run uuid) returns table (ok boolean, seq int, problem text)
language plpgsql stable
set search_path = pg_catalog
set jit = off
as $$
declare
  nothing constant bytea := '\x';
  segment record;
  event record;
  expected int := 1;
  turn_first int := 1;
  turn_bytes bytea := nothing;
  head bytea := nothing;
  first_type smallint;
  faults int := 0;
begin
  for segment in select l.run_id, l.first, l.last from reprise.line(run) l loop
    for event in
      select
        e.seq,
        e.type,
        e.hash,
        uuid_send(e.run_id) || int4send(e.seq) || int2send(e.type) || timestamptz_send(e.at)
          || int4send(coalesce(e.answers, 0)) || int2send(coalesce(e.attempt, 0::smallint))
          || case when e.name is null then '\xffffffff'::bytea
               else int4send(octet_length(convert_to(e.name, 'UTF8'))) || convert_to(e.name, 'UTF8') end
          || case when e.source is null and e.source_id is null and e.reason is null and e.correlation_id is null
               then '\xffffffffffffffffffffffffffffffff'::bytea
               else
                 case when e.source is null then '\xffffffff'::bytea
                   else int4send(octet_length(convert_to(e.source, 'UTF8'))) || convert_to(e.source, 'UTF8') end
                 || case when e.source_id is null then '\xffffffff'::bytea
                   else int4send(octet_length(convert_to(e.source_id, 'UTF8'))) || convert_to(e.source_id, 'UTF8') end
                 || case when e.reason is null then '\xffffffff'::bytea
                   else int4send(octet_length(convert_to(e.reason, 'UTF8'))) || convert_to(e.reason, 'UTF8') end
                 || case when e.correlation_id is null then '\xffffffff'::bytea
                   else int4send(octet_length(convert_to(e.correlation_id, 'UTF8')))
                     || convert_to(e.correlation_id, 'UTF8') end
               end
          || case when e.ops is null then '\x00'::bytea else '\x01'::bytea || sha256(convert_to(e.ops::text, 'UTF8')) end
          || case when e.payload is null then '\x00'::bytea else '\x01'::bytea || sha256(e.payload) end
          || case when e.meta is null then '\x00'::bytea else '\x01'::bytea || sha256(convert_to(e.meta::text, 'UTF8')) end
          as bytes
      from reprise.events e
      where e.run_id = segment.run_id and (segment.first = 1 or e.seq >= segment.first) and e.seq <= segment.last
      order by e.seq
    loop
      if event.seq <> expected then
        faults := faults + 1;
        return query select false, expected, case
          when event.seq < expected then format('event %s stands where event %s is expected: added or out of order', event.seq, expected)
          when event.seq = expected + 1 then format('event %s is missing', expected)
          else format('events %s to %s are missing', expected, event.seq - 1) end;
      end if;
      first_type := coalesce(first_type, event.type);
      expected := event.seq + 1;
      turn_bytes := turn_bytes || event.bytes;
      if event.hash is not null then
        if event.hash <> sha256(head || turn_bytes) then
          faults := faults + 1;
          return query select false, event.seq,
            format('the turn of events %s to %s does not match its hash', turn_first, event.seq);
        end if;
        head := event.hash;
        turn_bytes := nothing;
        turn_first := expected;
      end if;
    end loop;
    if segment.last < 2147483647 and expected <= segment.last then
      faults := faults + 1;
      return query select false, expected, case when expected = segment.last then format('event %s is missing', expected)
        else format('events %s to %s are missing', expected, segment.last) end;
      expected := segment.last + 1;
    end if;
  end loop;
  if first_type is null then
    return query select false, 1, 'event 1 is missing';
  -- A client writes the start of a run (type 1) without a hash; the first turn of its worker covers it.
  elsif turn_first < expected and not (turn_first = 1 and expected = 2 and first_type = 1) then
    return query select false, expected - 1,
      format('the turn of events %s to %s has no hash', turn_first, expected - 1);
  elsif faults = 0 then
    return query select true, expected - 1, null::text;
  end if;
end
$$;
-- The context of a run after event `at_seq`, by default at the end; SQL null when nothing was patched before.
create or replace function reprise_audit.state_at(run uuid, at_seq int default null) returns jsonb
language plpgsql stable parallel safe
set search_path = pg_catalog
as $$
declare
  document jsonb;
  segment record;
  op json;
begin
  for segment in select l.run_id, l.first, least(l.last, at_seq) as last from reprise.line(run) l loop
    for op in
      select operation.op
      from reprise.events event
      cross join lateral json_array_elements(event.ops) with ordinality as operation (op, place)
      where event.run_id = segment.run_id and event.type = 50 and event.seq between segment.first and segment.last
      order by event.seq, operation.place
    loop
      document := reprise_audit.apply_op(document, op::jsonb);
    end loop;
  end loop;
  return document;
end $$;

-- The context at a time: after the last event that the run had then.
create or replace function reprise_audit.state_at(run uuid, at_time timestamptz) returns jsonb
language sql stable parallel safe
set search_path = pg_catalog
as $$
  select reprise_audit.state_at(run, coalesce(max(event.seq), 0))
  from reprise.line(run) segment
  join reprise.events event on event.run_id = segment.run_id and event.seq between segment.first and segment.last
  where event.at <= at_time
$$;
