// Restores names that were capitalized, cut off or abbreviated.

/** `CHICAGO O'HARE INTL ARPT` becomes `Chicago O'Hare International Airport`. */
export function unshout(name: string): string {
  return name.replace(/[A-Z']+/g, (word) => unshoutedWords[word] ?? capitalise(word));
}

/** "O'HARE" becomes "O'Hare". */
function capitalise(word: string): string {
  return word.toLowerCase().replace(/(^|')[a-z]/g, (letter) => letter.toUpperCase());
}

/** Abbreviations in the bird strike file, initials, and company names with an unusual spelling. */
const unshoutedWords: Readonly<Record<string, string>> = {
  ABX: 'ABX',
  AFB: 'AFB',
  AIRTRAN: 'AirTran',
  ARPT: 'Airport',
  COMMUTAIR: 'CommutAir',
  EXPRESSJET: 'ExpressJet',
  EXPRS: 'Express',
  FEDEX: 'FedEx',
  INTL: 'International',
  JETBLUE: 'JetBlue',
  LAGUARDIA: 'LaGuardia',
  NATL: 'National',
  NY: 'NY',
  OR: 'OR',
  PSA: 'PSA',
  SKYWEST: 'SkyWest',
  UPS: 'UPS',
  US: 'US',
  WASH: 'Washington',
};

/** Replaces whole words that the table contains. */
export function replaceWords(name: string, table: Readonly<Record<string, string>>): string {
  return name.replace(/[A-Za-z]+/g, (word) => (Object.hasOwn(table, word) ? (table[word] ?? word) : word));
}
