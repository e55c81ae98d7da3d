// Where the pending activities of a run are: the one owner of that fact, with the moves that are allowed. Pure: it starts
// and sends nothing.
import { assert } from '../failure/runtime-error.ts';

/**
 * Who knows what becomes of an activity. `local`: the owner of its run executes it, or will. `task`: another worker or a
 * client ends its task by a message. `told`: a message told the outcome, which is on its way into the log. `asked`: a
 * client asked to take its outcome, which counts if there is neither a task nor another message.
 */
export type ActivityPlace = 'local' | 'task' | 'told' | 'asked';

const moves: Readonly<Record<ActivityPlace, readonly ActivityPlace[]>> = {
  local: ['task', 'told'],
  task: ['told'],
  told: ['told', 'local'],
  asked: ['told', 'local'],
};

interface Standing {
  readonly place: ActivityPlace;
  /** The attempt whose outcome a message told. */
  readonly attempt?: number;
}

export class ActivityPlaces {
  /** By the seq of the activity, for those that are not `local`; made with the first. */
  #elsewhere: Map<number, Standing> | undefined;

  of(seq: number): ActivityPlace {
    return this.#elsewhere?.get(seq)?.place ?? 'local';
  }

  /** The attempt whose outcome a message told, while that is on its way into the log. */
  toldAttempt(seq: number): number | undefined {
    return this.#elsewhere?.get(seq)?.attempt;
  }

  /** The database holds this of the activity, as its run comes into memory. */
  found(seq: number, place: ActivityPlace): void {
    this.#set(seq, { place });
  }

  /** The owner makes a task of it. */
  offered(seq: number): void {
    this.#move(seq, { place: 'task' });
  }

  /** A message told the outcome of this attempt. */
  told(seq: number, attempt: number): void {
    this.#move(seq, { place: 'told', attempt });
  }

  /** The owner starts or offers its next attempt. */
  returned(seq: number): void {
    this.#move(seq, { place: 'local' });
  }

  /** It has an outcome in the log. */
  closed(seq: number): void {
    this.#elsewhere?.delete(seq);
  }

  #move(seq: number, to: Standing): void {
    const from = this.of(seq);
    assert(moves[from].includes(to.place), `activity ${seq} moves from ${from} to ${to.place}`);
    this.#set(seq, to);
  }

  #set(seq: number, standing: Standing): void {
    if (standing.place === 'local') this.#elsewhere?.delete(seq);
    else (this.#elsewhere ??= new Map()).set(seq, standing);
  }
}
