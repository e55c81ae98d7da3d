// The context document of one run: attached at its first use, and written by patches that are events.
import { type Check, ContextDocument } from '../../core/context/context-patch.ts';
import type { InputOp } from '../../core/context/context-input.ts';
import type { Op } from '../../core/json/operation.ts';
import { type ContextSource, contextSources, type HistoryEvent } from '../../core/log/event.ts';
import { describeValue, isStorableName } from '../../core/json/json.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { PlainCommand, type OpenTurn } from '../run/open-turn.ts';
import { recordedOps, updateOfEngineOne } from './recorded-patch.ts';
import type { WorkflowInfo } from '../info/workflow-info.ts';
import { checkOptions, optionTable, unchecked } from '../../core/options/option-table.ts';

/** Where a patch comes from. */
export interface Provenance {
  /** Default 'system'. */
  readonly source?: ContextSource;
  /** Identity within the source. Default: the workflow type. */
  readonly sourceId?: string;
  /** Required when the source is 'user'. */
  readonly reason?: string;
  /** 0 to 1. Recorded on each operation that has no confidence of its own. */
  readonly confidence?: number;
}

/** The part of a zod schema that the engine uses. */
export interface ContextSchema {
  safeParse(value: unknown): { readonly success: boolean; readonly error?: unknown };
}

/** The argument of `defineContext`. Two definitions are equal if they are the same object. */
export interface ContextDefinition {
  readonly initial: unknown;
  readonly schema: ContextSchema | undefined;
}

interface Origin {
  readonly source: ContextSource;
  readonly sourceId: string;
  readonly reason: string | null;
  readonly confidence: number | undefined;
}

interface Attached {
  readonly definition: ContextDefinition;
  readonly document: ContextDocument;
}

/** zod's findings as text; undefined when there are none. */
function schemaFault(schema: ContextSchema, state: unknown): { text: string; error: unknown } | undefined {
  let error: unknown;
  try {
    const verdict = schema.safeParse(state);
    if (verdict.success) return undefined;
    error = verdict.error;
  } catch (thrown) {
    // A schema with an asynchronous refinement throws. A context is checked synchronously.
    return {
      text: `the schema cannot check synchronously (${String(thrown)}). Use only synchronous refinements`,
      error: thrown,
    };
  }
  const issues = (error as { issues?: readonly { path?: readonly unknown[]; message?: unknown }[] } | undefined)
    ?.issues;
  if (!Array.isArray(issues)) return { text: String(error), error };
  const told = issues.map(({ path = [], message }) => `/${path.join('/')}: ${String(message)}`);
  return { text: told.join('; '), error };
}

function invalid(message: string): RuntimeError {
  return new RuntimeError('INVALID_INPUT', message);
}

const provenanceOptions = optionTable<Provenance>(unchecked('source', 'sourceId', 'reason', 'confidence'));

function originOf(provenance: Provenance, workflowType: string): Origin {
  checkOptions('The provenance of a context patch', provenance, provenanceOptions);
  const { source = 'system', sourceId = workflowType, reason, confidence } = provenance;
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

interface ContextRun {
  readonly runId: string;
  readonly turn: OpenTurn;
  readonly info: WorkflowInfo;
  /** Engine number that the run was started under. */
  readonly engine: number;
}

export class RunContext {
  readonly #run: ContextRun;
  #attached: Attached | undefined;
  /** Operations for the document of the previous run, until the context is attached. */
  #inherited: string | undefined;

  constructor(run: ContextRun) {
    this.#run = run;
  }

  /** A live view. A query before the first use sees the initial document and attaches nothing. */
  state(definition: ContextDefinition): unknown {
    if (this.#attached === undefined && !this.#run.turn.isWritable) {
      const document =
        this.#inherited === undefined
          ? new ContextDocument(definition.initial)
          : this.#inheritedDocument(this.#inherited);
      return document.state;
    }
    return this.#attach(definition).state;
  }

  patch(definition: ContextDefinition, given: InputOp | readonly InputOp[], provenance: Provenance = {}): void {
    const ops = Array.isArray(given) ? (given as readonly InputOp[]) : [given as InputOp];
    const { turn, info } = this.#run;
    if (turn.isReplaying && turn.isWritable) {
      const origin = originOf(provenance, info.workflowType);
      const document = this.#attach(definition);
      const recorded = turn.expected();
      const held =
        recorded?.type === 'ContextPatched' && recorded.ops !== null
          ? recordedOps(ops, recorded.ops, origin.confidence)
          : undefined;
      if (held !== undefined) {
        document.applyRecorded(held);
        this.#issueText(recorded?.ops ?? '', origin);
        return;
      }
    }
    this.#write(definition, (document, check) => document.apply(ops, check), provenance);
  }

  update(definition: ContextDefinition, change: (draft: unknown) => unknown, provenance: Provenance = {}): void {
    const { turn, engine } = this.#run;
    this.#write(
      definition,
      (document, check) =>
        engine === 1
          ? updateOfEngineOne(document, change, turn.nextRecordedPatch()?.ops, check)
          : document.record(change, check),
      provenance,
    );
  }

  #write(
    definition: ContextDefinition,
    change: (document: ContextDocument, check: Check | undefined) => Op[],
    provenance: Provenance,
  ): void {
    this.#run.turn.assertWritable();
    const origin = originOf(provenance, this.#run.info.workflowType);
    const document = this.#attach(definition);
    const { schema } = definition;
    const check =
      schema === undefined
        ? undefined
        : (made: readonly Op[], changed: ContextDocument) => this.#check(schema, changed, made, origin);
    const made = change(document, check);
    if (made.length > 0) this.#issue(made, origin);
  }

  /** Applies a patch that did not come from workflow code. Before the context is attached it has no effect. */
  applyInput(event: HistoryEvent): void {
    if (event.answers === null || event.ops === null) return;
    // A patch that answers the start holds the document of the previous run.
    if (event.answers === 1) this.#inherited = event.ops;
    this.#attached?.document.applyRecorded(JSON.parse(event.ops) as Op[]);
  }

  /** Operations that create the current document, for the run that continues this one; null without a context. */
  carried(): string | null {
    if (this.#attached === undefined) return this.#inherited ?? null;
    return JSON.stringify([{ op: 'add', path: '', value: this.#attached.document.snapshot() }]);
  }

  #inheritedDocument(ops: string): ContextDocument {
    const document = new ContextDocument({});
    document.applyRecorded(JSON.parse(ops) as Op[]);
    return document;
  }

  #attach(definition: ContextDefinition): ContextDocument {
    if (this.#attached === undefined && this.#inherited !== undefined) {
      this.#attached = { definition, document: this.#inheritedDocument(this.#inherited) };
      this.#inherited = undefined;
    }
    if (this.#attached === undefined) {
      const document = new ContextDocument(definition.initial);
      const origin = originOf({}, this.#run.info.workflowType);
      const made: readonly Op[] = [{ op: 'add', path: '', value: document.snapshot() }];
      if (definition.schema !== undefined) this.#check(definition.schema, document, made, origin);
      this.#attached = { definition, document };
      this.#issue(made, origin);
    }
    if (this.#attached.definition !== definition) {
      throw new RuntimeError(
        'CONTEXT_ALREADY_DEFINED',
        `Run ${this.#run.runId} uses a second context definition. A run has one context: ` +
          'call defineContext once, at module level, and import its result.',
        { runId: this.#run.runId },
      );
    }
    return this.#attached.document;
  }

  /**
   * On replay, recorded patches are not checked again, so a schema may be tightened while runs are open. A patch that
   * is not recorded was rejected in the original turn, and is rejected again.
   */
  #check(schema: ContextSchema, document: ContextDocument, made: readonly Op[], origin: Origin): void {
    if (this.#run.turn.nextRecordedPatch()?.ops === textOf(made, origin.confidence)) return;
    const fault = schemaFault(schema, document.state);
    if (fault === undefined) return;
    throw new RuntimeError(
      'CONTEXT_PATCH_INVALID',
      `${this.#attached === undefined ? 'The initial document of the context' : 'A context patch'} of run ` +
        `${this.#run.runId} does not fit the context's schema: ${fault.text}. It was not applied.`,
      { runId: this.#run.runId, cause: fault.error },
    );
  }

  #issue(made: readonly Op[], origin: Origin): void {
    this.#issueText(textOf(made, origin.confidence), origin);
  }

  #issueText(ops: string, { source, sourceId, reason }: Origin): void {
    this.#run.turn.issue(new PlainCommand('ContextPatched', { ops, source, sourceId, reason }));
  }
}

function textOf(made: readonly Op[], confidence: number | undefined): string {
  return JSON.stringify(confidence === undefined ? made : made.map((op) => ({ confidence, ...op })));
}
