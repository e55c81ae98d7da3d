-- Versions of worker deployments, one row for each build that has had a worker, and their routing: new runs go to the current
-- build, and by a share of their workflow ids to the ramping one.
create table reprise.deployment_versions (
  namespace text not null,
  deployment_name text not null,
  build_id text not null,
  is_current boolean not null default false,
  ramp_percentage float8 check (ramp_percentage between 0 and 100),
  registered_at timestamptz not null default clock_timestamp(),
  -- When it was first current or ramping; null: never.
  activated_at timestamptz,
  primary key (namespace, deployment_name, build_id),
  check (not (is_current and ramp_percentage is not null))
);
create unique index deployment_versions_current on reprise.deployment_versions (namespace, deployment_name) where is_current;
create unique index deployment_versions_ramping on reprise.deployment_versions (namespace, deployment_name)
  where ramp_percentage is not null;

-- The version of a worker that takes part in versioning.
alter table reprise.workers add column deployment_name text, add column build_id text;

do $$
begin
  if exists (select from pg_roles where rolname = 'reprise_worker') then
    grant select, insert, update on reprise.deployment_versions to reprise_worker;
  end if;
end $$;
