// Rules that tidy the FAA bird strikes.
import type { Strike } from './records.ts';
import type { Rule } from './rule.ts';
import { replaceWords, unshout } from './spelling.ts';

const stateCodes: Readonly<Record<string, string>> = {
  Arizona: 'AZ',
  California: 'CA',
  Colorado: 'CO',
  Florida: 'FL',
  Georgia: 'GA',
  Hawaii: 'HI',
  Illinois: 'IL',
  Indiana: 'IN',
  Kentucky: 'KY',
  Louisiana: 'LA',
  Maryland: 'MD',
  Massachusetts: 'MA',
  Michigan: 'MI',
  Minnesota: 'MN',
  Missouri: 'MO',
  Nebraska: 'NE',
  'New Jersey': 'NJ',
  'New York': 'NY',
  'North Carolina': 'NC',
  Ohio: 'OH',
  Oklahoma: 'OK',
  Oregon: 'OR',
  Pennsylvania: 'PA',
  'South Carolina': 'SC',
  Tennessee: 'TN',
  Texas: 'TX',
  Utah: 'UT',
  Washington: 'WA',
};

const virginiaAirports: readonly unknown[] = ['WASHINGTON DULLES INTL ARPT', 'RONALD REAGAN WASHINGTON NATL'];

/**
 * The file has a column of twelve characters for the model, which often also contains a shortened name of the maker.
 */
const modelWords: Readonly<Record<string, string>> = {
  AEROS: 'Aerospatiale',
  BJET: 'Beechjet',
  CENTUR: 'Centurion',
  CONQUE: 'Conquest',
  GRUMAMER: 'Grumman American',
  GULFAERO: 'Gulfstream',
  GULFSTRM: 'Gulfstream',
  JETSTR: 'Jetstream',
  KING: 'King Air',
  RKWL: 'Rockwell',
  RKWLTRBO: 'Rockwell Turbo',
  SABRLNR: 'Sabreliner',
  SDLY: 'Siddeley',
  SKYLAN: 'Skylane',
  SKYWAG: 'Skywagon',
  STATIO: 'Stationair',
};

const airbornePhases: readonly unknown[] = ['Climb', 'Descent', 'Approach'];

export const strikeRules: readonly Rule<Strike>[] = [
  {
    name: 'not-reported',
    reason: 'Nothing was reported: null says so, the text "unknown" or an empty one passes for a value',
    confidence: 0.98,
    repair: ({ operator, species, speed }) => ({
      operator: operator === 'UNKNOWN' ? null : operator,
      species: species?.startsWith('Unknown bird') ? null : species,
      speed: speed === '' ? null : speed,
    }),
  },
  {
    name: 'impossible-speed',
    reason: 'No aircraft climbs, descends or approaches at 0 knots: the speed was not known',
    confidence: 0.95,
    repair: ({ phase, speed }) => (speed === '0' && airbornePhases.includes(phase) ? { speed: null } : {}),
  },
  {
    name: 'cost-not-reported',
    reason: 'The aircraft was damaged, so a cost of exactly 0 means that nobody reported one',
    confidence: 0.8,
    repair: ({ damage, costTotal }) =>
      damage !== 'None' && costTotal === '0' ? { costOther: null, costRepair: null, costTotal: null } : {},
  },
  {
    name: 'repaired-undamaged',
    reason: 'A repair was paid for, so the damage was not "None"; how bad it was is not known',
    confidence: 0.7,
    repair: ({ damage, costRepair }) => (damage === 'None' && costRepair !== '0' ? { damage: null } : {}),
  },
  {
    name: 'mishap-class',
    reason: 'A letter is an Air Force mishap class, by cost; it is none of the four grades of damage',
    confidence: 0.75,
    repair: ({ damage }) => (damage === 'B' || damage === 'C' ? { damage: null } : {}),
  },
  {
    name: 'across-the-river',
    reason: 'Dulles and Reagan National serve Washington but stand in Virginia',
    confidence: 0.97,
    repair: ({ airport, state }) => (state === 'DC' && virginiaAirports.includes(airport) ? { state: 'VA' } : {}),
  },
  {
    name: 'state-code',
    reason: 'State spelled out; the ZIP codes of the same warehouse use the two-letter code',
    confidence: 0.99,
    repair: ({ state }) => ({ state: stateCodes[state ?? ''] ?? state }),
  },
  {
    name: 'letter-case',
    reason: 'Capital in mid-phrase: the other phases of flight have none',
    confidence: 0.99,
    repair: ({ phase }) => ({ phase: phase === 'Landing Roll' ? 'Landing roll' : phase }),
  },
  {
    name: 'cut-off-model',
    reason: 'Model name cut off or squeezed to fit a column of twelve characters',
    confidence: 0.85,
    repair: ({ aircraft }) => ({
      aircraft:
        aircraft &&
        replaceWords(aircraft, modelWords)
          .replace(/ UNKN$/, '')
          .replace(/ {2,}/g, ' '),
    }),
  },
  {
    name: 'footnote-mark',
    reason: 'An asterisk points to a footnote that this file does not have',
    confidence: 0.97,
    repair: ({ operator }) => ({ operator: operator?.replace(/\*$/, '') ?? null }),
  },
  {
    name: 'shouted-name',
    reason: 'Name in capitals with abbreviations',
    confidence: 0.9,
    repair: ({ airport, operator }) => ({
      airport: airport && unshout(airport),
      operator: operator && unshout(operator.replace(/(\w)AIRLINES$/, '$1 AIRLINES')),
    }),
  },
];
