// Tells the parts of an incarnation when they have work: on notices from the database, and by periodic looks, because
// notices may be lost. Does none of the work itself.
import type pg from 'pg';
import { Poller } from '../../flow/poller.ts';
import { lookAround } from '../../store/ownership/poll.ts';
import { attemptsItem, listen, splitPayload } from '../../store/sql/notifier.ts';
import type { Claims } from '../claim/claims.ts';
import type { QueryAnswerer } from '../queries/query-answerer.ts';
import type { RunWorker } from './run-worker.ts';
import type { RunStages } from '../turns/run-stages.ts';

const everyMs = 100;

export class LookAround {
  readonly #worker: RunWorker;
  readonly #heart: pg.Client;
  readonly #claims: Claims;
  readonly #queries: QueryAnswerer;
  readonly #stages: RunStages;
  readonly #pollers: readonly Poller[];

  constructor(worker: RunWorker, heart: pg.Client, claims: Claims, queries: QueryAnswerer, stages: RunStages) {
    this.#worker = worker;
    this.#heart = heart;
    this.#claims = claims;
    this.#queries = queries;
    this.#stages = stages;
    const runs = {
      everyMs,
      look: async () => {
        claims.poke();
        queries.poke();
      },
      failed: (error: unknown) => worker.life.warn('runs could not be looked for', error),
    };
    const mail = {
      everyMs,
      look: () => this.#lookAround(),
      failed: (error: unknown) => worker.life.warn('mail could not be looked for', error),
    };
    this.#pollers = [new Poller(runs), new Poller(mail)];
  }

  /** Listens for notices from now on. */
  async listen(): Promise<void> {
    const { database, life } = this.#worker;
    this.#heart.on('notification', ({ channel, payload }) => this.#notified(channel, payload ?? ''));
    const topics = ['wake', 'request', 'task', `mail_${life.epoch}`];
    await listen(
      this.#heart,
      database.schema,
      this.#stages.versionWatch === undefined ? topics : [...topics, 'deployment'],
    );
  }

  start(): void {
    for (const poller of this.#pollers) poller.nudge();
  }

  stop(): void {
    for (const poller of this.#pollers) void poller.stop();
  }

  /** Checks which version is current. After a change, runs may have to leave, and others may be claimed. */
  async refreshRouting(): Promise<void> {
    const { versions, life } = this.#worker;
    const { versionWatch, cache } = this.#stages;
    if (versionWatch === undefined || versions === undefined || !(await versionWatch.refresh())) return;
    this.#claims.poke(true);
    cache
      .releaseMoving(versions)
      .catch((error: unknown) => life.warn('runs could not be handed to another version', error));
  }

  #notified(channel: string, payload: string): void {
    const { database, life, announcedMail, standaloneQueue } = this.#worker;
    const { activities } = this.#stages;
    const topic = channel.slice(database.schema.length + 1);
    const items = splitPayload(payload);
    switch (topic) {
      case 'wake':
        this.#claims.woken(items);
        if (items.includes(standaloneQueue)) activities.pokeStandalone();
        return;
      case 'request':
        if (this.#queries.isAsked(items)) this.#queries.poke();
        return;
      case 'task':
        if (activities.looksInto(items)) activities.poke();
        return;
      case 'deployment':
        this.refreshRouting().catch((error: unknown) => life.warn('what is current could not be asked', error));
        return;
      default:
        if (items.includes(attemptsItem)) activities.check();
        announcedMail.announce(items);
    }
  }

  async #lookAround(): Promise<void> {
    const { database, life, clock, announcedMail, standaloneQueue } = this.#worker;
    const { activities } = this.#stages;
    const found = await lookAround(database, life.epoch, {
      queues: activities.open,
      standaloneQueue,
      now: clock.now(),
    });
    activities.found(found);
    announcedMail.announce(found.mailed);
  }
}
