-- Patches of the context from outside of workflow code. A person's patch is a message to the run; an activity's patches come
-- with its result (in `meta` of the message), and wait with the task while a client completes the activity.
alter table reprise.inbox add column ops json, add column source text;
comment on column reprise.inbox.ops is 'ContextPatched: the operations as they were asked for, verbs such as set and merge included';
alter table reprise.activity_tasks add column staged json;
comment on column reprise.activity_tasks.staged is 'Patches that the attempt staged before it was left to a client';
