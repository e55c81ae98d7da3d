-- search_attributes holds plain values by name; this column holds their types under the same names.
alter table reprise.runs add column search_attribute_types jsonb;

-- Indexes only runs that have attributes. Includes the types, because a query by words looks for attributes of type TEXT.
create index runs_search_attributes on reprise.runs
  using gin (search_attributes jsonb_path_ops, search_attribute_types jsonb_path_ops) where search_attributes is not null;
