// Rules that tidy the US ZIP codes.
import type { Cell, ZipCode } from './records.ts';
import type { Rule } from './rule.ts';
import { replaceWords } from './spelling.ts';

const abbreviations: Readonly<Record<string, string>> = {
  Bch: 'Beach',
  Ctr: 'Center',
  Fac: 'Facility',
  Ft: 'Fort',
  Md: 'Maryland',
  Mt: 'Mount',
  Natl: 'National',
  Pk: 'Park',
  Twp: 'Township',
};

const initials: Readonly<Record<string, string>> = { Afb: 'AFB', Amf: 'AMF', Cbc: 'CBC', Jrb: 'JRB', Nas: 'NAS' };

const cutOff: Readonly<Record<string, string>> = {
  'King And Queen Court Hous': 'King And Queen Court House',
  'Federated States Of Micro': 'Federated States Of Micronesia',
};

/** Maps variants of county names to the county's own spelling. */
const countySpellings: Readonly<Record<string, string>> = {
  'De Kalb': 'DeKalb',
  Dekalb: 'DeKalb',
  'Du Page': 'DuPage',
};

const possessiveCounties: Readonly<Record<string, string>> = {
  'Prince Georges': "Prince George's",
  'Queen Annes': "Queen Anne's",
  'Saint Marys': "Saint Mary's",
};

/** The bounds of the islands in degrees: south, north, west, east. */
const islands: Readonly<Record<string, readonly [number, number, number, number]>> = {
  HI: [18.8, 22.3, -160.6, -154.7],
  AS: [-14.6, -14.1, -171.2, -169.3],
};

export const zipRules: readonly Rule<ZipCode>[] = [
  {
    name: 'spreadsheet-boolean',
    reason: 'A spreadsheet took the town of True, West Virginia, for a boolean',
    confidence: 0.99,
    repair: ({ city }) => ({ city: city === 'TRUE' ? 'True' : city }),
  },
  {
    name: 'cut-off-name',
    reason: 'Name cut off after 25 characters',
    confidence: 0.99,
    repair: ({ city, county }) => ({
      city: cutOff[city ?? ''] ?? city,
      county: cutOff[county ?? ''] ?? county,
    }),
  },
  {
    name: 'initials',
    reason: 'Initials spaced out or in lower case: AFB is an air force base, not a word',
    confidence: 0.95,
    repair: onNames((name) =>
      replaceWords(name, initials).replace(/\b(?:[A-Z] ){2,}[A-Z]\b/g, (spaced) => spaced.replaceAll(' ', '')),
    ),
  },
  {
    name: 'abbreviation',
    reason: 'Abbreviated here, written out in all other records',
    confidence: 0.95,
    repair: onNames((name) =>
      replaceWords(name, abbreviations)
        .replace(/^W (?=\w{2})/, 'West ')
        .replace(/^S (?=\w{2})/, 'South '),
    ),
  },
  {
    name: 'saint',
    reason: 'Saint is written out in nine records of ten',
    confidence: 0.9,
    repair: onNames((name) => name.replace(/\bSt\b/g, 'Saint')),
  },
  {
    name: 'mc-name',
    reason: 'A Mc torn from its name, or a name that lost its second capital',
    confidence: 0.95,
    repair: onNames((name) => name.replace(/\bMc ?([A-Za-z])/g, (_, letter: string) => `Mc${letter.toUpperCase()}`)),
  },
  {
    name: 'lost-apostrophe',
    reason: 'The apostrophe was dropped on the way',
    confidence: 0.9,
    repair: ({ city, county }) => ({
      city: city && withApostrophes(city),
      county: (county && possessiveCounties[county]) ?? county,
    }),
  },
  {
    name: 'county-spelling',
    reason: 'The county spells itself in one word',
    confidence: 0.9,
    repair: ({ county }) => ({ county: countySpellings[county ?? ''] ?? county }),
  },
  {
    name: 'small-word',
    reason: 'Capital on a word between others',
    confidence: 0.97,
    repair: onNames((name) => name.replace(/(?<= )(Of|And|The|On|In|By|Du)(?= )/g, (word) => word.toLowerCase())),
  },
  {
    name: 'point-in-the-sea',
    reason: 'The point lies in the open Pacific, far from every island of the state',
    confidence: 0.97,
    repair: (record) => (isInTheSea(record) ? { latitude: null, longitude: null } : {}),
  },
  {
    name: 'shared-point',
    reason: 'Several cities share this point to the last digit: it stands for their area, good for about 10 km',
    confidence: 0.8,
    repair: ({ citiesAtPoint, latitude, longitude }) =>
      citiesAtPoint > 1 ? { latitude: oneDecimal(latitude), longitude: oneDecimal(longitude) } : {},
  },
];

function onNames(mend: (name: string) => string): Rule<ZipCode>['repair'] {
  return ({ city, county }) => ({ city: city && mend(city), county: county && mend(county) });
}

function withApostrophes(city: string): string {
  return city
    .replace(/^Land O Lakes$/, "Land O' Lakes")
    .replace(/\bO (?=[A-Z][a-z])/, "O'")
    .replace(/\bOhare$/, "O'Hare")
    .replace(/ D (?=[A-Z])/, " d'")
    .replace(/^D (?=[A-Z])/, "D'");
}

function isInTheSea({ state, latitude, longitude }: ZipCode): boolean {
  const box = islands[state ?? ''];
  if (box === undefined || latitude === null || longitude === null) return false;
  const [south, north, west, east] = box;
  return !(+latitude >= south && +latitude <= north && +longitude >= west && +longitude <= east);
}

function oneDecimal(degrees: Cell): Cell {
  return degrees && Number(degrees).toFixed(1);
}
