// What a system must offer to be measured, and what a measurement says. The peers' adapters are .mjs files of this shape:
// what they need is handed to them, so that they import nothing but their own packages.
import type { Question, System, Variant } from './questions.ts';

export type Kind = 'one' | 'sequential' | 'fanOut' | 'hold';

export interface Input {
  readonly payload: unknown;
  readonly steps: number;
}

/** Runs one durable step that gives back what `body` gives. */
export type Step = (name: string, body: () => Promise<unknown>) => PromiseLike<unknown>;

/** Workflow bodies, the same for every peer: `step` is the peer's own. */
export type Shapes = Record<Kind, (step: Step, input: Input) => Promise<unknown>>;

/** Where a server of the system listens: made by `serve`, given to `open`, across processes. */
export type Address = Record<string, number>;

export interface Setting {
  /** Of a fresh database. */
  readonly url: string;
  readonly shapes: Shapes;
  readonly variant: Variant;
  readonly address: Address | undefined;
}

/** A running worker together with a client. */
export interface Engine {
  /** Starts a workflow and waits for its result. */
  execute(kind: Kind, input: Input): Promise<unknown>;
  /** Starts a workflow and does not wait. */
  start(kind: Kind, input: Input): Promise<unknown>;
  stop(): Promise<void>;
}

export interface Adapter {
  /** Makes what the database must hold before the first start, where `open` does not. */
  install?(url: string, runSql: (sql: string) => Promise<void>): Promise<void>;
  /** Starts the system's server; only for systems that have one. */
  serve?(): Promise<{ address: Address; stop(): Promise<void> }>;
  open(setting: Setting): Promise<Engine>;
}

/** Per workflow (W1) or step (W2). */
export interface Cost {
  readonly commits: number;
  readonly walBytes: number;
  readonly tableBytes: number;
}

/** Milliseconds. `sinceOpen` begins when the new process, its imports done, starts the engine. */
export interface Recovery {
  readonly total: number;
  readonly sinceOpen?: number;
  readonly pickup?: number;
  readonly replay?: number;
}

/** The one JSON line that a measurement prints. */
export interface Measured {
  readonly question: Question;
  readonly system: System;
  readonly variant: Variant;
  /** Workflows or steps a second. `inside` runs from the first begin to the last end of workflow code. */
  readonly rates?: { readonly client: number; readonly inside?: number };
  /** Milliseconds. */
  readonly latency?: { readonly p50: number; readonly p95: number; readonly p99: number };
  readonly recovery?: Recovery;
  readonly cost?: Cost;
}
