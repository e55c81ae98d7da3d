// reprise/client: starting runs and talking to them. Loads no worker, sandbox, bundler or server.
import { checkConnection, Connection } from './connection.ts';
import { defaultMaxPayloadBytes } from './encode-arguments.ts';
import { refuseUnknown } from './refuse-unknown.ts';
import { WorkflowClient } from './workflow-client.ts';

export interface ClientOptions {
  connection: Connection;
  namespace?: string;
  /** Limit of one payload; default 2 MiB. */
  maxPayloadBytes?: number;
}

const known = Object.keys({
  connection: true,
  namespace: true,
  maxPayloadBytes: true,
} satisfies Record<keyof ClientOptions, true>);
const unsupported = ['dataConverter', 'identity', 'interceptors', 'plugins', 'queryRejectCondition', 'workflow'];

export class Client {
  readonly connection: Connection;
  readonly workflow: WorkflowClient;

  /** @throws RuntimeError INVALID_INPUT */
  constructor(options: ClientOptions) {
    refuseUnknown('Client', options, known, unsupported);
    checkConnection('Client', options.connection);
    this.connection = options.connection;
    this.workflow = new WorkflowClient(
      options.connection,
      options.namespace ?? 'default',
      options.maxPayloadBytes ?? defaultMaxPayloadBytes,
    );
  }
}

export {
  QueryNotRegisteredError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
} from './client-errors.ts';
export { Connection, type ConnectionOptions } from './connection.ts';
export type { HistoryRecord, TemporalHistory } from './history-view.ts';
export type { StatusName, Workflow, WorkflowExecutionInfo, WorkflowResultType } from './execution-info.ts';
export {
  type KyselyTransaction,
  type ListOptions,
  WorkflowClient,
  type WorkflowStartOptions,
} from './workflow-client.ts';
export { type Definition, type WorkflowExecutionDescription, WorkflowHandle } from './workflow-handle.ts';
export type { PatchFilter, PatchRecord, StatePoint, StateResult } from '../runtime/replay/state-at.ts';
export { type ErrorCode, RuntimeError } from '../runtime/history/runtime-error.ts';
