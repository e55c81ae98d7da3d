// Inserts the guard against endless loops into workflow code: a call at the start of every loop body and every function
// body, so that no code runs for long without a check. inside/guard.ts implements the check. Not covered: one long call
// of a built-in (a backtracking regular expression, a sort of millions of items).
import type { AnyNode } from 'acorn';
import { type CodeEdit, closeMark, insertion, type Visited } from './code-edit.ts';

/** Name of the guard, a parameter of the function that wraps workflow code. */
export const guardName = '__repriseGuard';

const call = `${guardName}();`;
const openExpression = `(${guardName}(),`;

/** The text that `guardRule` inserts, without the closing brackets. */
export const insertedGuard: RegExp = new RegExp(`\\{?${guardName}\\(\\);|\\(${guardName}\\(\\),`);

/** In a function body, directives such as 'use strict' stay first. */
function* guardFunction(body: AnyNode): Generator<CodeEdit> {
  if (body.type !== 'BlockStatement') {
    yield insertion(body.start, openExpression);
    yield insertion(body.end, `${closeMark})`);
    return;
  }
  const first = body.body.find((statement) => statement.type !== 'ExpressionStatement' || !statement.directive);
  yield insertion(first?.start ?? body.end - 1, call);
}

function* guardLoop(body: AnyNode): Generator<CodeEdit> {
  if (body.type === 'BlockStatement') {
    yield insertion(body.start + 1, call);
    return;
  }
  yield insertion(body.start, `{${call}`);
  yield insertion(body.end, `${closeMark}}`);
}

export function guardRule({ node }: Visited): Iterable<CodeEdit> {
  switch (node.type) {
    case 'ForStatement':
    case 'ForInStatement':
    case 'ForOfStatement':
    case 'WhileStatement':
    case 'DoWhileStatement':
      return guardLoop(node.body);
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return guardFunction(node.body);
    default:
      return [];
  }
}
