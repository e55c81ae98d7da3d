// The parts that the stages of the loop over runs use. Types only.
import type { ActivityDispatcher } from '../activities/activity-dispatcher.ts';
import type { Checkpoints } from './checkpoints.ts';
import type { CodeReloader } from '../cache/code-reloader.ts';
import type { EventActions } from './event-actions.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Links } from '../links/links.ts';
import type { LockedClose } from './locked-close.ts';
import type { MailDelivery } from './mail-delivery.ts';
import type { Quarantine } from '../life/quarantine.ts';
import type { ReplayForks } from '../replays/replay-forks.ts';
import type { RunCache } from '../cache/run-cache.ts';
import type { RunLoader } from '../cache/run-loader.ts';
import type { RunTimers } from '../cache/run-timers.ts';
import type { VersionWatch } from '../versions/version-watch.ts';

/** The parts that the stages of the loop use. */
export interface RunStages {
  readonly mail: MailDelivery;
  readonly timers: RunTimers;
  readonly links: Links;
  readonly activities: ActivityDispatcher;
  readonly cache: RunCache;
  readonly actions: EventActions;
  readonly commit: GroupCommit;
  readonly checkpoints: Checkpoints;
  readonly lockedClose: LockedClose;
  readonly loader: RunLoader;
  readonly reloader: CodeReloader;
  readonly quarantine: Quarantine;
  readonly versionWatch: VersionWatch | undefined;
  readonly replays: ReplayForks;
}
