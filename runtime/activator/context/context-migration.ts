// Brings a context document to the version of the code. The result is a patch, which the log keeps: a replay applies the
// patch and never calls `migrate`.
import jsonPatch from 'fast-json-patch';
import type { ContextDocument } from '../../core/context/context-patch.ts';
import type { MigrationPatch } from '../../core/context/patch-trial.ts';
import { patchMetaText } from '../../core/context/patch-meta.ts';
import { copyJson, describeValue, type Json, JsonFault } from '../../core/json/json.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import type { Op } from '../../core/json/operation.ts';
import { type ContextSchema, schemaFault } from './context-schema.ts';

/** The document of an earlier version, as `migrate` gets it. */
// oxlint-disable-next-line typescript/no-explicit-any -- earlier code decided its shape, and only the author knows it
type Earlier = any;
export type Migrate<T = unknown> = (document: Earlier, from: number) => T;

/** The argument of `defineContext`. Two definitions are equal if they are the same object. */
export interface ContextDefinition {
  readonly initial: unknown;
  readonly schema: ContextSchema | undefined;
  /** 1 for a definition that names none. */
  readonly version: number;
  readonly migrate: Migrate | undefined;
}

interface Versioned {
  readonly runId: string;
  readonly workflowType: string;
  readonly document: ContextDocument;
  readonly version: number;
}

/**
 * Applies the migration to the document and returns it; undefined when the document has the version of the code.
 * @throws CONTEXT_VERSION_TOO_HIGH, CONTEXT_PATCH_INVALID, and what `migrate` throws
 */
export function migrateDocument(definition: ContextDefinition, from: Versioned): MigrationPatch | undefined {
  const { version, schema } = definition;
  const { runId, workflowType, document } = from;
  if (from.version === version) return undefined;
  if (from.version > version) {
    throw new RuntimeError(
      'CONTEXT_VERSION_TOO_HIGH',
      `The context of run ${runId} has version ${from.version}, but this code defines version ${version}. Newer code ` +
        'has migrated the document. Deploy code of that version or a later one.',
      { runId },
    );
  }
  const before = document.snapshot();
  const ops = document.apply(fewestOps(before, migrated(definition, document.snapshot(), from)));
  const fault = schema === undefined ? undefined : schemaFault(schema, document.state);
  if (fault !== undefined) {
    throw invalid(from, version, `gives a document that does not fit the schema: ${fault.text}`, fault.error);
  }
  return {
    ops: JSON.stringify(ops),
    sourceId: workflowType,
    reason: `The context was migrated from version ${from.version} to version ${version}.`,
    meta: patchMetaText({ version })!,
  };
}

/** The migrated document, for readers that may not write. */
export function migrated(
  { migrate, version }: ContextDefinition,
  document: Json,
  from: Omit<Versioned, 'document'>,
): Json {
  const result: unknown = migrate?.(document, from.version);
  try {
    const copy = copyJson(result);
    if (typeof copy === 'object' && copy !== null) return copy;
    throw new JsonFault('', describeValue(copy), 'an object or a list');
  } catch (cause) {
    if (!(cause instanceof JsonFault)) throw cause;
    throw invalid(from, version, `returns no document: ${cause.message}`, cause);
  }
}

function invalid(
  { runId, version: from }: Omit<Versioned, 'document'>,
  version: number,
  problem: string,
  cause: unknown,
): RuntimeError {
  return new RuntimeError(
    'CONTEXT_PATCH_INVALID',
    `migrate of defineContext, called for run ${runId} from version ${from} to ${version}, ${problem}. ` +
      'Nothing was changed. Fix migrate; the workflow task is tried again.',
    { runId, cause },
  );
}

/** The shorter one of a list of changes and a replacement of the whole document. */
function fewestOps(before: Json, after: Json): readonly Op[] {
  const whole: readonly Op[] = [{ op: 'replace', path: '', value: after }];
  if (Array.isArray(before) !== Array.isArray(after)) return whole;
  const changes = jsonPatch.compare(before as object, after as object) as Op[];
  return JSON.stringify(changes).length <= JSON.stringify(whole).length ? changes : whole;
}
