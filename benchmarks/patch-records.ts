// The document of BM-03 and its patches. The workflow and the benchmark that checks its result both compute them here.

export interface PersonRecord {
  id: string;
  name: string;
  email: string;
  dob: string;
  city: string;
  status: string;
}

/** Six fields, about 121 bytes of JSON each. */
export function makeRecords(count: number): PersonRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `rec-${String(i).padStart(6, '0')}`,
    name: `Person Number ${i}`,
    email: `person.${i}@example.com`,
    dob: `${1 + (i % 12)}/${1 + (i % 28)}/${1950 + (i % 50)}`,
    city: `City ${i % 500}`,
    status: 'active',
  }));
}

/** The index of the record that a patch changes. Every patch changes a different record. */
export function patchedRecord(patch: number, patches: number, records: number): number {
  return Math.floor((patch * records) / patches);
}

/** The record's date of birth in ISO 8601. */
export function isoDate(record: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${1950 + (record % 50)}-${two(1 + (record % 12))}-${two(1 + (record % 28))}`;
}
