// Owns, for each pending activity of a run, where its outcome will come from, and which changes of that place are
// allowed. Pure: starts and sends nothing.
import { assert } from '../failure/runtime-error.ts';

/**
 * Where an activity's outcome comes from. `local`: the owner of its run executes it, now or later. `task`: the activity
 * was offered as a task, whose outcome another worker or a client reports by a message. `told`: a message brought the
 * outcome, which the log does not hold yet. `asked`: a client sent an outcome, which counts only if there is neither a
 * task nor another message. `held`: a person asked for a retry or a skip, which the log does not hold yet; until then
 * no attempt starts.
 */
export type ActivityPlace = 'local' | 'task' | 'told' | 'asked' | 'held';

const moves: Readonly<Record<ActivityPlace, readonly ActivityPlace[]>> = {
  local: ['task', 'told', 'asked', 'held'],
  task: ['told', 'held'],
  told: ['told', 'local'],
  asked: ['told', 'local', 'held'],
  held: ['held', 'local'],
};

interface Standing {
  readonly place: ActivityPlace;
  /** The attempt whose outcome a message brought. */
  readonly attempt?: number;
  /** A message about a `held` activity is on its way into the log. Unset when only the inbox holds the message. */
  readonly isTaken?: true;
}

export class ActivityPlaces {
  /** The activities that are not `local`, by seq; undefined before the first one. */
  #elsewhere: Map<number, Standing> | undefined;

  of(seq: number): ActivityPlace {
    return this.#elsewhere?.get(seq)?.place ?? 'local';
  }

  /** The attempt whose outcome a message brought, until the log holds the outcome. */
  toldAttempt(seq: number): number | undefined {
    return this.#elsewhere?.get(seq)?.attempt;
  }

  /** Sets the place that was read from the database when the run was loaded. */
  found(seq: number, place: ActivityPlace): void {
    this.#set(seq, { place });
  }

  /** The run's owner offered the activity as a task. */
  offered(seq: number): void {
    this.#move(seq, { place: 'task' });
  }

  /** A message brought the outcome of this attempt. */
  told(seq: number, attempt: number): void {
    this.#move(seq, { place: 'told', attempt });
  }

  /** The run's owner executed the activity and sent the outcome to the inbox, where it counts as a client's. */
  sent(seq: number): void {
    this.#move(seq, { place: 'asked' });
  }

  /** Holds the activity for a person's verb. Returns false when an earlier message about it is not in the log yet. */
  hold(seq: number): boolean {
    if (this.of(seq) === 'told' || this.isTaken(seq)) return false;
    this.#move(seq, { place: 'held', isTaken: true });
    return true;
  }

  /** Whether a person's verb about the activity is on its way into the log. */
  isTaken(seq: number): boolean {
    return this.#elsewhere?.get(seq)?.isTaken === true;
  }

  /** The run's owner executes or offers the activity's next attempt. */
  returned(seq: number): void {
    this.#move(seq, { place: 'local' });
  }

  /** The log holds the activity's outcome. */
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
