-- Versions of worker deployments, one row a build that a worker had, and where new runs go: to the build that is current,
-- and by the share of their workflow ids to the one that is ramping.
create table reprise.deployment_versions (
  namespace text not null,
  deployment_name text not null,
  build_id text not null,
  is_current boolean not null default false,
  ramp_percentage float8 check (ramp_percentage between 0 and 100),
  registered_at timestamptz not null default clock_timestamp(),
  -- When it was current or ramping for the first time; null: it never was.
  activated_at timestamptz,
  primary key (namespace, deployment_name, build_id),
  check (not (is_current and ramp_percentage is not null))
);
create unique index deployment_versions_current on reprise.deployment_versions (namespace, deployment_name) where is_current;
create unique index deployment_versions_ramping on reprise.deployment_versions (namespace, deployment_name)
  where ramp_percentage is not null;

-- Of a worker that takes part in versioning.
alter table reprise.workers add column deployment_name text, add column build_id text;

do $$
begin
  if exists (select from pg_roles where rolname = 'reprise_worker') then
    grant select, insert, update on reprise.deployment_versions to reprise_worker;
  end if;
end $$;
