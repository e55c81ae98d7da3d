// Parses a visibility query, the filter of lists of runs, in Temporal's language. Pure. visibility-filter.ts knows the
// meaning of names and how values compare.
//
//   query     = [condition] ["GROUP BY" name] ["ORDER BY" name ["ASC" | "DESC"]]
//   condition = "NOT" condition | "(" condition ")" | condition ("AND" | "OR") condition | predicate
//   predicate = name ("=" | "!=" | ">" | ">=" | "<" | "<=") value | name ["NOT"] "IN" "(" value {"," value} ")"
//             | name ["NOT"] "BETWEEN" value "AND" value | name ["NOT"] "STARTS_WITH" value | name "IS" ["NOT"] "NULL"
import { queryError, type Token, tokens } from './visibility-token.ts';

export type CompareOperator = '=' | '!=' | '>' | '>=' | '<' | '<=';

export interface Named {
  readonly name: string;
  readonly position: number;
}

export interface Literal {
  readonly value: string | number | boolean;
  readonly position: number;
}

/** `negated`: a NOT precedes a predicate that has no opposite operator. */
export type Predicate =
  | { readonly kind: 'compare'; readonly field: Named; readonly operator: CompareOperator; readonly value: Literal }
  | { readonly kind: 'in'; readonly field: Named; readonly values: readonly Literal[]; readonly negated: boolean }
  | {
      readonly kind: 'between';
      readonly field: Named;
      readonly from: Literal;
      readonly to: Literal;
      readonly negated: boolean;
    }
  | { readonly kind: 'starts'; readonly field: Named; readonly value: Literal; readonly negated: boolean }
  | { readonly kind: 'null'; readonly field: Named; readonly negated: boolean };

/** The parser has moved NOT down to the predicates. */
export type Condition = { readonly kind: 'and' | 'or'; readonly parts: readonly Condition[] } | Predicate;

export interface VisibilityQuery {
  readonly text: string;
  readonly where: Condition | undefined;
  readonly groupBy: Named | undefined;
  readonly orderBy: (Named & { readonly descending: boolean }) | undefined;
}

const depthMax = 100;
const keywords = new Set('and or not in between is null starts_with group order by asc desc true false'.split(' '));
const opposite: Record<CompareOperator, CompareOperator> = {
  '=': '!=',
  '!=': '=',
  '>': '<=',
  '<=': '>',
  '<': '>=',
  '>=': '<',
};
const spelling: Record<string, CompareOperator> = { '==': '=', '<>': '!=' };

/** @throws INVALID_INPUT that names the position */
export function parseVisibilityQuery(text: string): VisibilityQuery {
  return new QueryReader(text).query();
}

class QueryReader {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokens(text);
  }

  query(): VisibilityQuery {
    const hasCondition = !this.#sees('group') && !this.#sees('order') && this.#token.kind !== 'end';
    const where = hasCondition ? this.#or(false) : undefined;
    const groupBy = this.#takesClause('group') ? this.#name() : undefined;
    const orderBy = this.#takesClause('order') ? this.#order() : undefined;
    if (this.#token.kind !== 'end') throw this.#unexpected('AND, OR, GROUP BY, ORDER BY or the end');
    return { text: this.#text, where, groupBy, orderBy };
  }

  #order(): VisibilityQuery['orderBy'] {
    const name = this.#name();
    const descending = this.#takes('desc');
    if (!descending) this.#takes('asc');
    return { ...name, descending };
  }

  #or(negated: boolean): Condition {
    return this.#joined('or', negated, () => this.#and(negated));
  }

  #and(negated: boolean): Condition {
    return this.#joined('and', negated, () => this.#unary(negated));
  }

  /** By De Morgan's law, AND inside a negation becomes OR. */
  #joined(word: 'and' | 'or', negated: boolean, part: () => Condition): Condition {
    const parts = [part()];
    while (this.#takes(word)) parts.push(part());
    if (parts.length === 1) return parts[0]!;
    return { kind: negated === (word === 'and') ? 'or' : 'and', parts };
  }

  #unary(negated: boolean): Condition {
    if (!this.#sees('not') && !this.#seesSymbol('(')) return this.#predicate(negated);
    if (++this.#depth > depthMax) throw this.#unexpected(`at most ${depthMax} conditions inside each other`);
    let condition: Condition;
    if (this.#takes('not')) condition = this.#unary(!negated);
    else {
      this.#symbol('(');
      condition = this.#or(negated);
      this.#symbol(')');
    }
    this.#depth--;
    return condition;
  }

  #predicate(outer: boolean): Predicate {
    const field = this.#name();
    if (this.#takes('is')) {
      const negated = this.#takes('not') !== outer;
      if (!this.#takes('null')) throw this.#unexpected('NULL');
      return { kind: 'null', field, negated };
    }
    const negated = this.#takes('not') !== outer;
    if (this.#takes('in')) return { kind: 'in', field, values: this.#list(), negated };
    if (this.#takes('starts_with')) return { kind: 'starts', field, value: this.#literal(), negated };
    if (this.#takes('between')) {
      const from = this.#literal();
      if (!this.#takes('and')) throw this.#unexpected('AND and the upper end');
      return { kind: 'between', field, from, to: this.#literal(), negated };
    }
    const { kind, value } = this.#token;
    const operator = spelling[value] ?? (value as CompareOperator);
    const before = this.#tokens[this.#next - 1]!;
    const isOperator = kind === 'symbol' && Object.hasOwn(opposite, operator);
    if (!isOperator || (before.kind === 'word' && before.value.toLowerCase() === 'not')) {
      throw this.#unexpected('=, !=, >, >=, <, <=, IN, BETWEEN, STARTS_WITH or IS');
    }
    this.#next++;
    return { kind: 'compare', field, operator: outer ? opposite[operator] : operator, value: this.#literal() };
  }

  #list(): Literal[] {
    this.#symbol('(');
    const values = [this.#literal()];
    while (this.#seesSymbol(',')) {
      this.#next++;
      values.push(this.#literal());
    }
    this.#symbol(')');
    return values;
  }

  #literal(): Literal {
    const { kind, value, position } = this.#token;
    const word = kind === 'word' ? value.toLowerCase() : '';
    if (kind !== 'text' && kind !== 'number' && word !== 'true' && word !== 'false') {
      throw this.#unexpected("a value: 'text', a number, true or false");
    }
    this.#next++;
    if (kind === 'text') return { value, position };
    if (kind === 'word') return { value: word === 'true', position };
    if (Number.isFinite(Number(value))) return { value: Number(value), position };
    throw queryError(this.#text, position, 'a number that is too large', 'one that a double can hold');
  }

  #name(): Named {
    const { kind, value, position } = this.#token;
    if (kind !== 'name' && (kind !== 'word' || keywords.has(value.toLowerCase()))) {
      throw this.#unexpected('the name of a field or of a search attribute');
    }
    this.#next++;
    return { name: value, position };
  }

  get #token(): Token {
    return this.#tokens[this.#next]!;
  }

  #sees(keyword: string): boolean {
    const { kind, value } = this.#token;
    return kind === 'word' && value.toLowerCase() === keyword;
  }

  #seesSymbol(symbol: string): boolean {
    return this.#token.kind === 'symbol' && this.#token.value === symbol;
  }

  #takes(keyword: string): boolean {
    const sees = this.#sees(keyword);
    if (sees) this.#next++;
    return sees;
  }

  #takesClause(keyword: 'group' | 'order'): boolean {
    if (!this.#takes(keyword)) return false;
    if (!this.#takes('by')) throw this.#unexpected('BY');
    return true;
  }

  #symbol(symbol: string): void {
    if (!this.#seesSymbol(symbol)) throw this.#unexpected(`"${symbol}"`);
    this.#next++;
  }

  #unexpected(expected: string): Error {
    const { kind, value, position } = this.#token;
    const found = {
      word: value,
      name: `\`${value}\``,
      text: 'a text',
      number: value,
      symbol: `"${value}"`,
      end: 'its end',
    };
    return queryError(this.#text, position, found[kind], expected);
  }
}
