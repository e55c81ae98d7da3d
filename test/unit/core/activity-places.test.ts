// The places of a run's activities, and which changes of place are allowed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RuntimeError } from '../../../runtime/core/failure/runtime-error.ts';
import { type ActivityPlace, ActivityPlaces } from '../../../runtime/core/activity/activity-places.ts';

const seq = 2;
const moves: Readonly<Record<ActivityPlace, (places: ActivityPlaces) => void>> = {
  local: (places) => places.returned(seq),
  task: (places) => places.offered(seq),
  told: (places) => places.told(seq, 1),
  asked: (places) => places.found(seq, 'asked'),
  held: (places) => {
    if (!places.hold(seq)) throw new RuntimeError('ASSERTION_FAILED', 'it is not held');
  },
};

test('an activity moves only as the table allows', () => {
  const allowed = [
    ...['local task', 'local told', 'local held', 'task told', 'task held', 'told told', 'told local'],
    ...['asked told', 'asked local', 'asked held', 'held held', 'held local'],
  ];
  for (const from of ['local', 'task', 'told', 'asked', 'held'] as const) {
    for (const to of ['local', 'task', 'told', 'held'] as const) {
      const places = new ActivityPlaces();
      places.found(seq, from);
      if (allowed.includes(`${from} ${to}`)) {
        moves[to](places);
        assert.equal(places.of(seq), to);
      } else assert.throws(() => moves[to](places), { code: 'ASSERTION_FAILED' }, `${from} ${to}`);
    }
  }
});

test('a closed activity leaves no trace', () => {
  const places = new ActivityPlaces();
  places.told(seq, 3);
  assert.equal(places.toldAttempt(seq), 3);
  places.closed(seq);
  assert.equal(places.of(seq), 'local');
  assert.equal(places.toldAttempt(seq), undefined);
});
