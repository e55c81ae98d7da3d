// Edits generated JavaScript by positions of its syntax tree, without printing the tree again. Line numbers never
// change.
import { type AnyNode, type Program, parse } from 'acorn';

/** Replaces `[start, end)`. An insertion has start = end. */
export interface CodeEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Precedes each closing bracket that an edit inserts, to distinguish it from the brackets of the code. */
export const closeMark = '/*reprise*/';

export function insertion(at: number, text: string): CodeEdit {
  return { start: at, end: at, text };
}

/** Replaces `[start, end)` by as many blanks, so that later columns stay correct. */
export function blanks(code: string, start: number, end: number): CodeEdit {
  return { start, end, text: code.slice(start, end).replaceAll(/[^\n]/g, ' ') };
}

export interface Visited {
  readonly node: AnyNode;
  readonly parent: AnyNode | undefined;
}

export type CodeRule = (visited: Visited, code: string) => Iterable<CodeEdit>;

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && 'type' in value;
}

/** The children of a node, in the order of its fields. */
function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node).flat().filter(isNode);
}

/** Visits children first. */
function visit(node: AnyNode, parent: AnyNode | undefined, onNode: (visited: Visited) => void): void {
  for (const child of childrenOf(node)) visit(child, node, onNode);
  onNode({ node, parent });
}

/** Applies all rules to a script. Among insertions at one position, those of inner nodes come first. */
export function editCode(code: string, rules: readonly CodeRule[]): string {
  const program: Program = parse(code, { ecmaVersion: 'latest', sourceType: 'script' });
  const edits: CodeEdit[] = [];
  visit(program, undefined, (visited) => {
    for (const rule of rules) for (const edit of rule(visited, code)) edits.push(edit);
  });
  // An insertion goes before a replacement that starts at the same place.
  edits.sort((a, b) => a.start - b.start || a.end - b.end);
  let done = 0;
  let edited = '';
  for (const { start, end, text } of edits) {
    edited += code.slice(done, start) + text;
    done = end;
  }
  return edited + code.slice(done);
}
