// Wrong usage of commands: each says what is wrong and what to do, and exits with 64. None of it needs a database.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inFlags } from '../../server/cli/flag-names.ts';
import { reprise } from '../support/reprise-command.ts';

const unreachable = 'postgres://127.0.0.1:1/none';

const wrong: readonly (readonly [string, RegExp])[] = [
  ['signal order approve Bob', /got Bob\. A text needs quotes of its own: '"Bob"'/],
  ['hold order', /--reason <text>, or --release/],
  ['retry order --input /0/cents=abc', /got abc\. A text needs quotes of its own: '"abc"'/],
  ['retry order --set 0=1', /such as \/0\/delayMs=8000/],
  ['skip order --activity a#1', /--result null for nothing/],
  ['skip order --activity a#1 --result {', /Expected JSON/],
  ['reset order', /--to <step>/],
  ['fork order', /--as <workflow id>/],
  ['patch-context order --set /a=b --reason why', /texts need quotes/],
  ['show order --events few', /whole number, or "all"/],
  ['list --limit none', /whole number from 1/],
  ['show', /missing required argument 'id'/],
];

for (const [line, remedy] of wrong) {
  test(`"workflow ${line}" says what to do instead`, async () => {
    const { code, out, err } = await reprise(['workflow', ...line.split(' ')], { url: unreachable });
    assert.deepEqual([code, out], [64, '']);
    assert.match(err, /^error: /);
    assert.match(err, remedy);
    assert.match(err, /\(--help shows the usage\)/);
  });
}

test('error texts of the client get the names of the flags', () => {
  assert.equal(
    inFlags('allow that with allowEffects: ["wire","pay"]. Repeat it with the same requestId.'),
    'allow that with --allow-effects wire,pay. Repeat it with the same --request-id.',
  );
  assert.equal(
    inFlags('rollback needs a point: pass toSeq or checkpoint.'),
    'rollback needs a point: pass --to-seq or --checkpoint.',
  );
  assert.equal(
    inFlags('fork was given to and toSeq: pass one of them.'),
    'fork was given --to and --to-seq: pass one of them.',
  );
  assert.equal(inFlags('pass --request-id'), 'pass --request-id');
});
