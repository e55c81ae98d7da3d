// Splits a visibility query into tokens with positions. Pure.
import { RuntimeError } from '../../core/failure/runtime-error.ts';

/** `name`: a name in backticks, never a keyword. `word`: a name or a keyword. */
export interface Token {
  readonly kind: 'word' | 'name' | 'text' | 'number' | 'symbol' | 'end';
  /** The token's text without quotes. A word keeps its spelling. */
  readonly value: string;
  /** Index of the token's first character, from 0. */
  readonly position: number;
}

const lengthMax = 20_000;
const excerptLength = 20;
const space = /\s+/y;
const plain = [
  ['word', /[A-Za-z_]\w*/y],
  ['number', /[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])/y],
  ['symbol', /==|!=|<>|<=|>=|[=<>(),]/y],
] as const;

/** `position` counts from 0. The message counts from 1. */
export function queryError(query: string, position: number, found: string, expected: string): RuntimeError {
  const rest = query.slice(position, position + excerptLength);
  const near = rest === '' ? 'at its end' : `at character ${position + 1} (${JSON.stringify(rest)})`;
  return new RuntimeError('INVALID_INPUT', `The query cannot be read ${near}: found ${found}, expected ${expected}.`);
}

/** The last token is of kind `end`. @throws INVALID_INPUT */
export function tokens(query: string): Token[] {
  if (query.length > lengthMax) {
    throw new RuntimeError('INVALID_INPUT', `The query has ${query.length} characters, the limit is ${lengthMax}.`);
  }
  const found: Token[] = [];
  for (let position = skipSpace(query, 0); position < query.length; ) {
    const [token, end] = tokenAt(query, position);
    found.push(token);
    position = skipSpace(query, end);
  }
  found.push({ kind: 'end', value: '', position: query.length });
  return found;
}

function skipSpace(query: string, position: number): number {
  space.lastIndex = position;
  return space.test(query) ? space.lastIndex : position;
}

function tokenAt(query: string, position: number): [Token, number] {
  const quote = query[position]!;
  if (quote === "'" || quote === '"' || quote === '`') return quoted(query, position, quote);
  for (const [kind, pattern] of plain) {
    pattern.lastIndex = position;
    const match = pattern.exec(query);
    if (match !== null) return [{ kind, value: match[0], position }, pattern.lastIndex];
  }
  throw queryError(query, position, JSON.stringify(quote), "a name, a value such as 'text' or 5, or an operator");
}

/** A quote inside the text is doubled or preceded by a backslash. */
function quoted(query: string, start: number, quote: string): [Token, number] {
  let value = '';
  for (let i = start + 1; i < query.length; i++) {
    const character = query[i]!;
    if (character === '\\' && quote !== '`' && i + 1 < query.length) {
      value += query[++i]!;
    } else if (character !== quote) {
      value += character;
    } else if (query[i + 1] === quote) {
      value += query[++i]!;
    } else {
      if (!value.isWellFormed() || value.includes('\0')) {
        throw queryError(query, start, 'text with NUL or half a surrogate pair', 'text that Postgres can hold');
      }
      return [{ kind: quote === '`' ? 'name' : 'text', value, position: start }, i + 1];
    }
  }
  throw queryError(query, start, 'a quote that is not closed', `another ${quote} behind it`);
}
