// The context document of one run: attached at its first use, written by patches that are events, migrated to the
// version of the code. On replay the initial document and migrations come from the log, never from the code.
import { type Check, ContextDocument } from '../../core/context/context-patch.ts';
import type { InputOp } from '../../core/context/context-input.ts';
import { type PatchMeta, patchMetaText, readPatchMeta } from '../../core/context/patch-meta.ts';
import type { AskedPatch, MigrationPatch, PatchTrial, PatchVerdict } from '../../core/context/patch-trial.ts';
import { type PatchOrigin, type Provenance, patchOrigin } from '../../core/context/provenance.ts';
import type { Op } from '../../core/json/operation.ts';
import type { HistoryEvent } from '../../core/log/event.ts';
import { describeValue, isStorableName } from '../../core/json/json.ts';
import { RuntimeError } from '../../core/failure/runtime-error.ts';
import { PlainCommand, type OpenTurn } from '../run/open-turn.ts';
import { taskFailureOf } from '../run/task-failure.ts';
import { type ContextDefinition, migrated, migrateDocument } from './context-migration.ts';
import { schemaFault } from './context-schema.ts';
import { recordedOps, updateOfEngineOne } from './recorded-patch.ts';
import type { WorkflowInfo } from '../info/workflow-info.ts';

interface Attached {
  readonly definition: ContextDefinition;
  readonly document: ContextDocument;
}

/** The document of the previous run, until the context is attached. */
interface Inherited {
  /** Operations that create the document. */
  readonly ops: string;
  readonly version: number;
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
  /** Version of the definition that the attached document belongs to. */
  #version = 1;
  #inherited: Inherited | undefined;
  /** What queries see of a document that this code has not migrated yet; dropped when the document changes. */
  #preview: ContextDocument | undefined;
  #checkpoints: Set<string> | undefined;

  constructor(run: ContextRun) {
    this.#run = run;
  }

  /** A live view. A query before the first use sees the initial document and attaches nothing. */
  state(definition: ContextDefinition): unknown {
    if (this.#run.turn.isWritable) return this.#attach(definition).state;
    if (this.#attached !== undefined) {
      const document = this.#attach(definition);
      return this.#shown(definition, document, this.#version).state;
    }
    if (this.#inherited === undefined) return new ContextDocument(definition.initial).state;
    return this.#shown(definition, documentOf(this.#inherited.ops), this.#inherited.version).state;
  }

  patch(definition: ContextDefinition, given: InputOp | readonly InputOp[], provenance: Provenance = {}): void {
    const ops = Array.isArray(given) ? (given as readonly InputOp[]) : [given as InputOp];
    const { turn } = this.#run;
    if (turn.isReplaying && turn.isWritable) {
      const origin = this.#originOf(provenance);
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

  /** Records how far the run has come: a patch without operations. */
  progress(definition: ContextDefinition, progress: number, step: string | undefined): void {
    this.#run.turn.assertWritable();
    if (!(typeof progress === 'number' && progress >= 0 && progress <= 1)) {
      throw invalid(`progress() got ${describeValue(progress)}, expected a number from 0 to 1.`);
    }
    if (step !== undefined && (typeof step !== 'string' || !isStorableName(step))) {
      throw invalid(
        `progress() got the step ${describeValue(step)}, expected text of 1 to 1000 characters without NUL.`,
      );
    }
    this.#attach(definition);
    this.#issueText('[]', this.#originOf({}), { progress: progress + 0, ...(step === undefined ? {} : { ref: step }) });
  }

  /** Names the present state of the document. */
  checkpoint(definition: ContextDefinition, name: string): void {
    this.#run.turn.assertWritable();
    if (typeof name !== 'string' || !isStorableName(name)) {
      throw invalid(
        `checkpoint() got the name ${describeValue(name)}, expected text of 1 to 1000 characters without NUL.`,
      );
    }
    if (this.#checkpoints?.has(name) === true) {
      throw invalid(
        `checkpoint() got the name '${name}' a second time in run ${this.#run.runId}. Names of checkpoints are unique ` +
          'in a run: add a number or a key to the name.',
      );
    }
    this.#attach(definition);
    this.#checkpoints ??= new Set();
    this.#checkpoints.add(name);
    this.#run.turn.issue(new PlainCommand('CheckpointSaved', { name }));
  }

  #write(
    definition: ContextDefinition,
    change: (document: ContextDocument, check: Check | undefined) => Op[],
    provenance: Provenance,
  ): void {
    this.#run.turn.assertWritable();
    const origin = this.#originOf(provenance);
    const document = this.#attach(definition);
    const { schema } = definition;
    const check =
      schema === undefined
        ? undefined
        : (made: readonly Op[], changed: ContextDocument) => this.#check(definition, changed, made, origin);
    const made = change(document, check);
    if (made.length > 0) this.#issueText(textOf(made, origin.confidence), origin);
  }

  /** Applies the patches of an activation that did not come from workflow code. Returns whether there were any. */
  applyInputs(inputs: readonly HistoryEvent[]): boolean {
    let isChanged = false;
    for (const input of inputs) {
      if (input.type !== 'ContextPatched') continue;
      this.#applyInput(input);
      isChanged = true;
    }
    return isChanged;
  }

  /** JSON text of the document; undefined before the code has attached the context. */
  get text(): string | undefined {
    return this.#attached?.document.text;
  }

  /** Before the context is attached, only the document of the previous run counts. It answers the start. */
  #applyInput({ answers, ops, meta }: HistoryEvent): void {
    if (answers === null || ops === null) return;
    this.#preview = undefined;
    const { version } = readPatchMeta(meta);
    if (this.#attached === undefined) {
      if (answers === 1) this.#inherited = { ops, version: version ?? 1 };
      return;
    }
    this.#attached.document.applyRecorded(JSON.parse(ops) as Op[]);
    if (version !== undefined) this.#version = version;
  }

  /**
   * Migrates the document if its version is lower than the code's, and then tries each group of patches in order; a group
   * is accepted as a whole or not at all. Afterwards the document is as it was: what was accepted comes back as inputs.
   */
  tryPatches(groups: readonly (readonly AskedPatch[])[]): PatchTrial {
    const attached = this.#attached;
    if (attached === undefined) {
      return { ok: true, migration: undefined, verdicts: Array.from(groups, () => this.#notAttached()) };
    }
    const { definition, document } = attached;
    return document.rehearse((): PatchTrial => {
      let migration: MigrationPatch | undefined;
      try {
        migration = this.#run.turn.readOnly(() =>
          migrateDocument(definition, this.#versioned(document, this.#version)),
        );
      } catch (error) {
        return { ok: false, failure: taskFailureOf(error) };
      }
      return { ok: true, migration, verdicts: Array.from(groups, (group) => this.#try(attached, group)) };
    });
  }

  #try({ definition, document }: Attached, group: readonly AskedPatch[]): PatchVerdict {
    try {
      const accepted = document.rehearseAll(() => {
        const texts = Array.from(group, ({ ops }) => JSON.stringify(document.apply(JSON.parse(ops) as InputOp[])));
        const fault = definition.schema === undefined ? undefined : schemaFault(definition.schema, document.state);
        if (fault !== undefined) {
          throw new RuntimeError(
            'CONTEXT_PATCH_INVALID',
            `The patch does not fit the schema of the context: ${fault.text}. It was not applied.`,
          );
        }
        return texts;
      });
      return { ok: true, ops: accepted };
    } catch (error) {
      if (error instanceof RuntimeError) return { ok: false, code: error.code, message: error.message };
      return { ok: false, code: 'CONTEXT_PATCH_INVALID', message: taskFailureOf(error).message };
    }
  }

  #notAttached(): PatchVerdict {
    const message =
      `Run ${this.#run.runId} has not used its context yet, so there is no document to patch. Use the context first, ` +
      'for example by reading its state at the top of the workflow.';
    return { ok: false, code: 'CONTEXT_NOT_ATTACHED', message };
  }

  /** The current document for the run that continues this one; undefined without a context. */
  carried(): { readonly ops: string; readonly version: number } | undefined {
    if (this.#attached === undefined) return this.#inherited;
    const ops = JSON.stringify([{ op: 'add', path: '', value: this.#attached.document.snapshot() }]);
    return { ops, version: this.#version };
  }

  #attach(definition: ContextDefinition): ContextDocument {
    if (this.#attached === undefined) {
      if (this.#inherited !== undefined) this.#attachInherited(definition, this.#inherited);
      else this.#attachInitial(definition);
    }
    if (this.#attached!.definition !== definition) {
      throw new RuntimeError(
        'CONTEXT_ALREADY_DEFINED',
        `Run ${this.#run.runId} uses a second context definition. A run has one context: ` +
          'call defineContext once, at module level, and import its result.',
        { runId: this.#run.runId },
      );
    }
    return this.#attached!.document;
  }

  /** On replay the log holds the initial document, so the code's may have changed since. */
  #attachInitial(definition: ContextDefinition): void {
    const { turn } = this.#run;
    const recorded = turn.isReplaying ? turn.nextRecordedPatch() : undefined;
    if (recorded?.ops?.startsWith(wholeDocument) === true) {
      this.#attached = { definition, document: documentOf(recorded.ops) };
      this.#version = readPatchMeta(recorded.meta).version ?? 1;
      return this.#issueRecorded(recorded);
    }
    const document = new ContextDocument(definition.initial);
    const origin = this.#originOf({});
    const made: readonly Op[] = [{ op: 'add', path: '', value: document.snapshot() }];
    if (definition.schema !== undefined) this.#check(definition, document, made, origin);
    const { version } = definition;
    this.#attached = { definition, document };
    this.#version = version;
    this.#issueText(textOf(made, undefined), origin, version === 1 ? {} : { version });
  }

  /** The previous run's document may have an earlier version. Its migration is then the first patch of this run's code. */
  #attachInherited(definition: ContextDefinition, inherited: Inherited): void {
    const { turn } = this.#run;
    const document = documentOf(inherited.ops);
    const recorded = turn.isReplaying ? turn.nextRecordedPatch() : undefined;
    const version = readPatchMeta(recorded?.meta).version;
    if (recorded !== undefined && version !== undefined) {
      document.applyRecorded(JSON.parse(recorded.ops ?? '[]') as Op[]);
      this.#adopt(definition, document, version);
      return this.#issueRecorded(recorded);
    }
    if (turn.isReplaying) return this.#adopt(definition, document, inherited.version);
    try {
      const migration = turn.readOnly(() => migrateDocument(definition, this.#versioned(document, inherited.version)));
      this.#adopt(definition, document, definition.version);
      if (migration === undefined) return;
      turn.issue(new PlainCommand('ContextPatched', { source: 'system', ...migration }));
    } catch (error) {
      // The workflow cannot catch this: it has no document to work on.
      turn.fail(taskFailureOf(error));
      throw error;
    }
  }

  #adopt(definition: ContextDefinition, document: ContextDocument, version: number): void {
    this.#attached = { definition, document };
    this.#version = version;
    this.#inherited = undefined;
  }

  #shown(definition: ContextDefinition, document: ContextDocument, version: number): ContextDocument {
    if (version >= definition.version) return document;
    const from = this.#versioned(document, version);
    this.#preview ??= new ContextDocument(migrated(definition, document.snapshot(), from));
    return this.#preview;
  }

  #versioned(
    document: ContextDocument,
    version: number,
  ): { runId: string; workflowType: string; document: ContextDocument; version: number } {
    return { runId: this.#run.runId, workflowType: this.#run.info.workflowType, document, version };
  }

  #originOf(provenance: Provenance): PatchOrigin {
    return patchOrigin(provenance, { source: 'system', sourceId: this.#run.info.workflowType });
  }

  /**
   * On replay, recorded patches are not checked again, so a schema may be tightened while runs are open. A patch that
   * is not recorded was rejected in the original turn, and is rejected again.
   */
  #check({ schema }: ContextDefinition, document: ContextDocument, made: readonly Op[], origin: PatchOrigin): void {
    if (schema === undefined || this.#run.turn.nextRecordedPatch()?.ops === textOf(made, origin.confidence)) return;
    const fault = schemaFault(schema, document.state);
    if (fault === undefined) return;
    throw new RuntimeError(
      'CONTEXT_PATCH_INVALID',
      `${this.#attached === undefined ? 'The initial document of the context' : 'A context patch'} of run ` +
        `${this.#run.runId} does not fit the context's schema: ${fault.text}. It was not applied.`,
      { runId: this.#run.runId, cause: fault.error },
    );
  }

  #issueText(ops: string, { source, sourceId, reason }: PatchOrigin, meta?: PatchMeta): void {
    this.#preview = undefined;
    const columns = { ops, source, sourceId, reason, meta: meta === undefined ? null : patchMetaText(meta) };
    this.#run.turn.issue(new PlainCommand('ContextPatched', columns));
  }

  #issueRecorded({ ops, source, sourceId, reason, meta }: HistoryEvent): void {
    this.#preview = undefined;
    this.#run.turn.issue(new PlainCommand('ContextPatched', { ops, source, sourceId, reason, meta }));
  }
}

/** How the operations of a patch begin that creates a document. */
const wholeDocument = '[{"op":"add","path":"",';

function documentOf(ops: string): ContextDocument {
  const document = new ContextDocument({});
  document.applyRecorded(JSON.parse(ops) as Op[]);
  return document;
}

function invalid(message: string): RuntimeError {
  return new RuntimeError('INVALID_INPUT', message);
}

function textOf(made: readonly Op[], confidence: number | undefined): string {
  return JSON.stringify(confidence === undefined ? made : made.map((op) => ({ confidence, ...op })));
}
