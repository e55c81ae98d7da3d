// What each line of a run bundle must look like. Loaded only to read a bundle, because zod takes time to load.
import * as z from 'zod';
import { isStorableText } from '../../core/json/json.ts';
import { contextSources, type EventType, eventCode } from '../../core/log/event.ts';
import { runStatuses } from '../../core/log/transition.ts';
import { bundleFormat, type BundleHeader, bundleVersion, type EventLine } from './bundle-lines.ts';
import type { LineSegment } from '../../core/log/line.ts';

const seqMax = 2_147_483_647;
const smallMax = 32_767;
const segmentsMax = 10_000;

const text = z.string().refine(isStorableText, 'contains NUL or half a surrogate pair');
const name = text.max(10_000);
const seq = z.int().min(1).max(seqMax);
const runId = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'is not a run id');
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hex');
const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/, 'is not base64');
const segment = z.strictObject({ runId, first: seq, last: seq });

const headerLine = z.strictObject({
  format: z.literal(bundleFormat),
  version: z.literal(bundleVersion),
  run: z.strictObject({ runId, workflowId: name, workflowType: name, status: z.enum(runStatuses) }),
  head: z.strictObject({ seq, hash: digest.nullable() }),
  line: z.array(segment).min(1).max(segmentsMax),
  codeHash: digest.nullable(),
  code: z.strictObject({ sha256: digest, length: z.int().min(0) }).nullable(),
  exportedAt: text.max(100),
});

const segmentLine = z.strictObject({ segment });

const event = z.strictObject({
  seq,
  type: z.enum(Object.keys(eventCode) as [EventType, ...EventType[]]),
  at: z.int().min(0),
  name: name.optional(),
  answers: seq.optional(),
  attempt: z.int().min(0).max(smallMax).optional(),
  source: z.enum(contextSources).optional(),
  sourceId: name.optional(),
  reason: name.optional(),
  correlationId: name.optional(),
  ops: text.optional(),
  json: z.string().optional(),
  base64: base64.optional(),
  meta: text.optional(),
  hash: digest.optional(),
});

const codeLine = z.strictObject({ code: z.string() });
const endLine = z.strictObject({ end: z.strictObject({ events: seq }) });

const lineSchemas = { header: headerLine, segment: segmentLine, event, code: codeLine, end: endLine };

/** The schemas give what the writer of a bundle takes. */
export interface BundleLines {
  readonly header: BundleHeader;
  readonly segment: { readonly segment: LineSegment };
  readonly event: EventLine;
  readonly code: { readonly code: string };
  readonly end: { readonly end: { readonly events: number } };
}

export type CheckLine = typeof checkLine;

/** The checked line, or what is wrong with it. */
export function checkLine<Kind extends keyof BundleLines>(
  kind: Kind,
  value: unknown,
): { readonly line: BundleLines[Kind] } | { readonly fault: string } {
  const schema: z.ZodType<BundleLines[Kind]> = lineSchemas[kind] as never;
  const { success, data, error } = schema.safeParse(value);
  if (success) return { line: data };
  const [issue] = error.issues;
  const path = issue?.path.join('.') ?? '';
  return { fault: `${path === '' ? '' : `${path}: `}${issue?.message ?? 'unknown'}`.slice(0, 300) };
}
