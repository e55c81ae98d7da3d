-- search_attributes holds plain values by name, as they were; the type of each stands here under the same name.
alter table reprise.runs add column search_attribute_types jsonb;

-- Of runs that have some: the others cost nothing. Types too, because words of a TEXT are looked for by its type.
create index runs_search_attributes on reprise.runs
  using gin (search_attributes jsonb_path_ops, search_attribute_types jsonb_path_ops) where search_attributes is not null;
