// The repair rules of examples/warehouse against all of the real data.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { hashOf, runPlainLoop } from '../../examples/warehouse/plain-loop.ts';
import { loadRecords, recordsMax, type WarehouseRecord } from '../../examples/warehouse/records.ts';
import { applyRules, type Repair } from '../../examples/warehouse/repair.ts';

let records: WarehouseRecord[];
let repairs: Repair[][];
before(() => {
  records = loadRecords();
  repairs = records.map((record) => applyRules(record).repairs);
});

/** How often each rule changes a record, among the 50,000 records of vega-datasets 3.2.1. */
const firings: Record<string, number> = {
  'shouted-name': 10_000,
  'state-code': 9_525,
  'not-reported': 8_754,
  'shared-point': 7_942,
  'letter-case': 1_405,
  'footnote-mark': 1_084,
  'cost-not-reported': 907,
  'mc-name': 554,
  'across-the-river': 475,
  'small-word': 388,
  'cut-off-model': 244,
  'county-spelling': 142,
  'lost-apostrophe': 121,
  'point-in-the-sea': 52,
  initials: 41,
  saint: 38,
  'repaired-undamaged': 27,
  abbreviation: 20,
  'mishap-class': 15,
  'impossible-speed': 8,
  'cut-off-name': 5,
  'spreadsheet-boolean': 1,
};

test('there are 50,000 records with different ids', () => {
  assert.equal(records.length, recordsMax);
  assert.equal(new Set(records.map(({ id }) => id)).size, recordsMax);
});

test('every rule applies to the known number of records', () => {
  const counted: Record<string, number> = {};
  for (const { rule } of repairs.flat()) counted[rule] = (counted[rule] ?? 0) + 1;
  assert.deepEqual(counted, firings);
});

test('a repaired record needs no repair', () => {
  for (const record of records) assert.deepEqual(applyRules(applyRules(record).record).repairs, [], record.id);
});

test('every repair states its reason, its confidence and the value in the file', () => {
  for (const [index, ofRecord] of repairs.entries()) {
    const cells: Record<string, unknown> = { ...records[index] };
    for (const { reason, confidence, changes } of ofRecord) {
      assert.ok(reason.length > 10 && confidence > 0.5 && confidence < 1);
      for (const [field, { was, is }] of Object.entries(changes)) {
        assert.equal(was, cells[field]);
        assert.notEqual(is, was);
      }
    }
  }
});

test('repaired names are spelled as their owners spell them', () => {
  const known: [field: string, was: string, is: string][] = [
    ['airport', "CHICAGO O'HARE INTL ARPT", "Chicago O'Hare International Airport"],
    ['airport', 'CHARLESTON AFB/INTL ARPT', 'Charleston AFB/International Airport'],
    ['operator', 'EXPRESSJET (CONTINENTAL EXPRS)', 'ExpressJet (Continental Express)'],
    ['operator', 'ALLEGHENYAIRLINES', 'Allegheny Airlines'],
    ['operator', 'FEDEX EXPRESS', 'FedEx Express'],
    ['aircraft', 'C-210 CENTUR', 'C-210 Centurion'],
    ['city', 'TRUE', 'True'],
    ['city', 'East Mc Keesport', 'East McKeesport'],
    ['city', 'Malmstrom A F B', 'Malmstrom AFB'],
    ['city', 'Coeur D Alene', "Coeur d'Alene"],
    ['county', 'District Of Columbia', 'District of Columbia'],
    ['county', 'Prince Georges', "Prince George's"],
  ];
  const changes = repairs.flat().flatMap((repair) => Object.entries(repair.changes));
  for (const [field, was, is] of known) {
    assert.ok(
      changes.some(([name, change]) => name === field && change.was === was && change.is === is),
      `${field}: ${was} → ${is}`,
    );
  }
});

test('a page of 1,000 records stays under a quarter of the payload limit', () => {
  for (let first = 0; first < records.length; first += 1_000) {
    assert.ok(JSON.stringify(records.slice(first, first + 1_000)).length < 512 * 1024);
  }
});

test('the plain loop gives the same document every time, and a different document for different records', () => {
  const sample = records.slice(0, 3_000);
  const once = runPlainLoop(sample);
  assert.equal(once.state.done, 3_000);
  assert.equal(hashOf(once.state), hashOf(runPlainLoop(structuredClone(sample)).state));
  assert.notEqual(hashOf(once.state), hashOf(runPlainLoop(sample.slice(1)).state));
});

test('the hash does not depend on the order of keys', () => {
  assert.equal(hashOf({ a: 1, b: { c: null, d: 'ä' } }), hashOf({ b: { d: 'ä', c: null }, a: 1 }));
});
