// What a system must offer to be measured, and the shape of a measurement. The peers' adapters are .mjs files of this shape;
// their parameters give them everything, so that they import only their own packages.
import type { Question, System, Variant } from './questions.ts';

export type Kind = 'one' | 'sequential' | 'fanOut' | 'hold';

export interface Input {
  readonly payload: unknown;
  readonly steps: number;
}

/** Runs one durable step that returns what `body` returns. */
export type Step = (name: string, body: () => Promise<unknown>) => PromiseLike<unknown>;

/** Workflow bodies, the same for every peer; `step` is the peer's own. */
export type Shapes = Record<Kind, (step: Step, input: Input) => Promise<unknown>>;

/** Address of a system's server: `serve` creates it, `open` gets it, across processes. */
export type Address = Record<string, number>;

export interface Setting {
  /** URL of a fresh database. */
  readonly url: string;
  readonly shapes: Shapes;
  readonly variant: Variant;
  readonly address: Address | undefined;
}

/** A running worker with a client. */
export interface Engine {
  /** Starts a workflow and waits for its result. */
  execute(kind: Kind, input: Input): Promise<unknown>;
  /** Starts a workflow and does not wait. */
  start(kind: Kind, input: Input): Promise<unknown>;
  stop(): Promise<void>;
}

export interface Adapter {
  /** Creates what the database must hold before the first start, if `open` does not. */
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

/** Milliseconds. `sinceOpen` starts when the new process has imported everything and starts the engine. */
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
  /** Workflows or steps per second. `inside` counts from the first start to the last end of workflow code. */
  readonly rates?: { readonly client: number; readonly inside?: number };
  /** Milliseconds. */
  readonly latency?: { readonly p50: number; readonly p95: number; readonly p99: number };
  readonly recovery?: Recovery;
  readonly cost?: Cost;
}
