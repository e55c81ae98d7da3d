-- Functions for auditors: read-only, on the log alone.

create schema reprise_audit;

-- Checks the hash chain of a run: returns one row (true, last seq, null), or one row (false, seq, problem) for each fault. Reports
-- a broken hash at the last event of its turn. Computes what runtime/core/log/hash-chain.ts computes. Cannot detect a missing
-- tail: only a copy of the head kept elsewhere (runs.final_hash, an export) shows that. Loops over one ordered index scan, since a
-- grouping query must sort all contents and took twice as long.
create function reprise_audit.verify(run uuid) returns table (ok boolean, seq int, problem text)
language plpgsql stable
set search_path = pg_catalog
set jit = off
as $$
declare
  nothing constant bytea := '\x';
  event record;
  expected int := 1;
  turn_first int := 1;
  turn_bytes bytea := nothing;
  head bytea := nothing;
  first_type smallint;
  faults int := 0;
begin
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
    where e.run_id = run
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
-- The context of a run at any point, in SQL: the same fold as runtime/core/json/json-patch.ts, for auditors without code. Each
-- operation rewrites the document (about 7 ms per megabyte), so fold long histories of large documents in a client.

-- The keys of a JSON Pointer (RFC 6901).
create function reprise_audit.pointer_keys(pointer text) returns text[]
language plpgsql immutable strict parallel safe
set search_path = pg_catalog
as $$
begin
  if pointer = '' then return '{}'; end if;
  if left(pointer, 1) <> '/' or pointer ~ '~([^01]|$)' then
    raise exception '"%" is not a JSON Pointer', pointer using errcode = 'invalid_parameter_value';
  end if;
  return array(
    select replace(replace(key, '~1', '/'), '~0', '~')
    from unnest((string_to_array(pointer, '/'))[2:]) with ordinality as keys (key, place)
    order by place
  );
end $$;

-- The value at `keys`; SQL null when there is none. #> alone accepts "-1" and "01" as list indices.
create function reprise_audit.value_at(document jsonb, keys text[]) returns jsonb
language plpgsql immutable strict parallel safe
set search_path = pg_catalog
as $$
begin
  for place in 1 .. cardinality(keys) loop
    if keys[place] ~ '^\s*[-+]?[0-9]+$' and keys[place] !~ '^(0|[1-9][0-9]*)$'
      and jsonb_typeof(document #> keys[:place - 1]) = 'array'
    then
      return null;
    end if;
  end loop;
  return document #> keys;
end $$;

-- The document after one RFC 6902 operation. Raises invalid_parameter_value when it does not fit.
create function reprise_audit.apply_op(doc jsonb, op jsonb) returns jsonb
language plpgsql immutable parallel safe
set search_path = pg_catalog
as $$
declare
  verb constant text := op ->> 'op';
  path constant text := op ->> 'path';
  origin constant text := op ->> 'from';
  value jsonb := op -> 'value';
  keys text[] := reprise_audit.pointer_keys(path);
  above constant text[] := keys[:cardinality(keys) - 1];
  key text := keys[cardinality(keys)];
  parent jsonb;
  size int;
begin
  if path is null then
    raise exception 'operation % has no path', op using errcode = 'invalid_parameter_value';
  end if;
  case
    when verb in ('move', 'copy') then
      value := reprise_audit.value_at(doc, reprise_audit.pointer_keys(origin));
      if value is null then
        raise exception '%: no value at "%"', verb, origin using errcode = 'invalid_parameter_value';
      end if;
      if verb = 'move' then
        if path = origin then return doc; end if;
        if starts_with(path, origin || '/') then
          raise exception 'move: "%" is inside "%"', path, origin using errcode = 'invalid_parameter_value';
        end if;
        doc := reprise_audit.apply_op(doc, jsonb_build_object('op', 'remove', 'path', origin));
      end if;
      return reprise_audit.apply_op(doc, jsonb_build_object('op', 'add', 'path', path, 'value', value));
    when verb in ('add', 'replace', 'test') then
      if value is null then
        raise exception '% "%": no value is given', verb, path using errcode = 'invalid_parameter_value';
      end if;
    when verb = 'remove' then
      if path = '' then
        raise exception 'remove: the whole document cannot be removed' using errcode = 'invalid_parameter_value';
      end if;
    else
      raise exception 'unknown operation %', op using errcode = 'invalid_parameter_value';
  end case;

  if verb = 'test' then
    if reprise_audit.value_at(doc, keys) = value then return doc; end if;
    raise exception 'test: another value at "%"', path using errcode = 'invalid_parameter_value';
  end if;
  if path = '' then return value; end if;

  parent := reprise_audit.value_at(doc, above);
  case jsonb_typeof(parent)
    when 'object' then
      if verb <> 'add' and not parent ? key then
        raise exception '%: no value at "%"', verb, path using errcode = 'invalid_parameter_value';
      end if;
    when 'array' then
      size := jsonb_array_length(parent);
      if verb = 'add' and key = '-' then key := size::text; end if;
      if key !~ '^(0|[1-9][0-9]{0,8})$' or key::int > size or (verb <> 'add' and key::int = size) then
        raise exception '%: no item at "%" in a list of %', verb, path, size using errcode = 'invalid_parameter_value';
      end if;
      keys := above || key;
    else
      raise exception '%: no object or list above "%"', verb, path using errcode = 'invalid_parameter_value';
  end case;
  return case
    when verb = 'remove' then doc #- keys
    when jsonb_typeof(parent) = 'array' and verb = 'add' then jsonb_insert(doc, keys, value)
    else jsonb_set(doc, keys, value)
  end;
end $$;

-- The context of a run after event `at_seq`, by default at the end; SQL null when nothing was patched before.
create function reprise_audit.state_at(run uuid, at_seq int default null) returns jsonb
language plpgsql stable parallel safe
set search_path = pg_catalog
as $$
declare
  document jsonb;
  op json;
begin
  for op in
    select operation.op
    from reprise.events event
    cross join lateral json_array_elements(event.ops) with ordinality as operation (op, place)
    where event.run_id = run and event.type = 50 and (at_seq is null or event.seq <= at_seq)
    order by event.seq, operation.place
  loop
    document := reprise_audit.apply_op(document, op::jsonb);
  end loop;
  return document;
end $$;

-- The context at a time: after the last event that the run had then.
create function reprise_audit.state_at(run uuid, at_time timestamptz) returns jsonb
language sql stable parallel safe
set search_path = pg_catalog
as $$
  select reprise_audit.state_at(run, coalesce(max(event.seq), 0))
  from reprise.events event
  where event.run_id = run and event.at <= at_time
$$;

do $$
begin
  if exists (select from pg_roles where rolname = 'reprise_auditor') then
    grant usage on schema reprise_audit to reprise_auditor;
  end if;
end $$;
