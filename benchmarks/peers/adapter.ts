// The interface that a system must implement to be measured, and the shape of a measurement. The peers' adapters are
// .mjs files that implement `Adapter`. They get everything as parameters, so each imports only the peer's packages.
import type { Question, System, Variant } from './questions.ts';

export type Kind = 'one' | 'sequential' | 'fanOut' | 'hold';

export interface Input {
  readonly payload: unknown;
  readonly steps: number;
}

/** Runs one durable step that returns what `body` returns. */
export type Step = (name: string, body: () => Promise<unknown>) => PromiseLike<unknown>;

/** Workflow bodies, the same for every peer. Each peer passes its own `step`. */
export type Shapes = Record<Kind, (step: Step, input: Input) => Promise<unknown>>;

/** Address of a system's server. `serve` returns it, and `open` receives it, perhaps in another process. */
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
  /** Creates the tables that the system needs before its first start. Absent if `open` creates them. */
  install?(url: string, runSql: (sql: string) => Promise<void>): Promise<void>;
  /** Starts the system's server. Absent if the system has no server. */
  serve?(): Promise<{ address: Address; stop(): Promise<void> }>;
  open(setting: Setting): Promise<Engine>;
}

/** Cost of one workflow (W1) or one step (W2). */
export interface Cost {
  readonly commits: number;
  readonly walBytes: number;
  readonly tableBytes: number;
}

/** In ms. `sinceOpen` counts from the moment when the new process has imported everything and starts the engine. */
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
  /** In ms. */
  readonly latency?: { readonly p50: number; readonly p95: number; readonly p99: number };
  readonly recovery?: Recovery;
  readonly cost?: Cost;
}
