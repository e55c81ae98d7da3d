// Where a patch comes from: what users say about it, checked, with defaults. Workflow code, activities and clients share
// these rules.
import { RuntimeError } from '../failure/runtime-error.ts';
import { describeValue, isStorableName } from '../json/json.ts';
import { type ContextSource, contextSources } from '../log/event.ts';
import { checkOptions, optionTable, unchecked } from '../options/option-table.ts';

interface ProvenanceParts {
  /** Identity within the source. Default: the type of the workflow or activity. */
  readonly sourceId?: string;
  /** 0 to 1. Recorded on each operation that has no confidence of its own. */
  readonly confidence?: number;
}

/** Where a patch comes from. A patch of a person needs a reason. */
export type Provenance = ProvenanceParts &
  (
    | {
        /** Default: 'system' in workflow code, 'tool' in an activity. */
        readonly source?: Exclude<ContextSource, 'user'>;
        readonly reason?: string;
      }
    | { readonly source: 'user'; readonly reason: string }
  );

/** A provenance with its defaults. */
export interface PatchOrigin {
  readonly source: ContextSource;
  readonly sourceId: string;
  readonly reason: string | null;
  readonly confidence: number | undefined;
}

const provenanceOptions = optionTable<Required<Provenance>>(unchecked('source', 'sourceId', 'reason', 'confidence'));

/** @throws INVALID_INPUT */
export function patchOrigin(
  provenance: Provenance,
  defaults: { readonly source: ContextSource; readonly sourceId: string },
): PatchOrigin {
  checkOptions('The provenance of a context patch', provenance, provenanceOptions);
  const { source = defaults.source, sourceId = defaults.sourceId, reason, confidence } = provenance;
  if (!contextSources.includes(source)) {
    throw invalid(`A context patch has source '${String(source)}', expected one of ${contextSources.join(', ')}.`);
  }
  if (typeof sourceId !== 'string' || !isStorableName(sourceId)) {
    throw invalid(
      `A context patch has sourceId ${describeValue(sourceId)}, expected text of 1 to 1000 characters without NUL.`,
    );
  }
  if (reason !== undefined && typeof reason !== 'string') {
    throw invalid(`A context patch has reason ${describeValue(reason)}, expected text.`);
  }
  if (source === 'user' && !reason) {
    throw invalid("A context patch of source 'user' has no reason. Say why it was made.");
  }
  if (confidence !== undefined && !(confidence >= 0 && confidence <= 1)) {
    throw invalid(`A context patch has confidence ${confidence}, expected a number from 0 to 1.`);
  }
  return { source, sourceId, reason: reason ?? null, confidence };
}

function invalid(message: string): RuntimeError {
  return new RuntimeError('INVALID_INPUT', message);
}
