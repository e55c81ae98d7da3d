// One row of `runs`, as pg returns it.
import type { SearchAttributeType } from '../../core/options/search-attributes.ts';
import type { RunStatus } from '../../core/log/transition.ts';
import type { StoredAttribute } from '../../core/run/run-properties.ts';

export interface RunRow {
  run_id: string;
  namespace: string;
  workflow_id: string;
  workflow_type: string;
  task_queue: string;
  status: RunStatus;
  started_at: Date;
  closed_at: Date | null;
  parent_run_id: string | null;
  forked_from: string | null;
  forked_seq: number | null;
  /** The run whose row holds the start of a fork's history; null: this run. */
  start_run_id: string | null;
  /** The fork that goes on in place of this run. */
  taken_over_by: string | null;
  kind: 'replay' | null;
  fork_request: string | null;
  memo: Record<string, unknown> | null;
  search_attributes: Record<string, StoredAttribute> | null;
  search_attribute_types: Record<string, SearchAttributeType> | null;
  final_seq: number | null;
  final_hash: Buffer | null;
}
