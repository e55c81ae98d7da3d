// Removes work from bundled code that esbuild's helpers would repeat in every run: copies of a shared module's
// namespace (`__toESM`), the copy of the exports (`__toCommonJS`), and names set on functions that already have them
// (`__name`).
// Source: esbuild's runtime, to which these helpers belong. Their names are reserved in its output.
import type { AnyNode, CallExpression, Class } from 'acorn';
import { blanks, type CodeEdit, type CodeRule } from './code-edit.ts';

function nameOfKey(node: AnyNode): string | undefined {
  if (node.type === 'Identifier') return node.name;
  if (node.type === 'PrivateIdentifier') return `#${node.name}`;
  return node.type === 'Literal' && typeof node.value === 'string' ? node.value : undefined;
}

/** The name that JavaScript gives to an anonymous function at this place. */
function inferredName(value: AnyNode, parent: AnyNode): string | undefined {
  switch (parent.type) {
    case 'VariableDeclarator':
      return parent.init === value ? nameOfKey(parent.id) : undefined;
    case 'AssignmentExpression':
      return parent.operator === '=' && parent.left.type === 'Identifier' ? parent.left.name : undefined;
    case 'AssignmentPattern':
      return parent.left.type === 'Identifier' ? parent.left.name : undefined;
    case 'Property':
    case 'PropertyDefinition':
      return parent.value === value && !parent.computed ? nameOfKey(parent.key) : undefined;
    default:
      return undefined;
  }
}

/** `helper(x, y)` becomes `(x)`. */
function* leaveFirstArgument(call: CallExpression, code: string): Generator<CodeEdit> {
  yield blanks(code, call.callee.start, call.callee.end);
  const [, second] = call.arguments;
  // Searches back from the second argument, because the first may be in parentheses.
  if (second !== undefined) yield blanks(code, code.lastIndexOf(',', second.start), call.end - 1);
}

/** `__name(function f() {}, "f")` and `const f = __name(() => {}, "f")`: keeps only the first argument. */
function* dropNameCall(call: CallExpression, parent: AnyNode, code: string): Generator<CodeEdit> {
  const [target, name] = call.arguments;
  if (target === undefined || name?.type !== 'Literal') return;
  if (target.type === 'Identifier' && target.name === name.value && parent.type === 'ExpressionStatement') {
    yield blanks(code, call.start, call.end);
    return;
  }
  if (target.type !== 'ArrowFunctionExpression' && target.type !== 'FunctionExpression') return;
  const ownName = target.type === 'FunctionExpression' ? target.id?.name : undefined;
  if ((ownName ?? inferredName(call, parent)) !== name.value) return;
  yield* leaveFirstArgument(call, code);
}

/** `static { __name(this, "C"); }` in `class C` and `const C = class`. */
function* dropNameBlock(node: Class, parent: AnyNode, code: string): Generator<CodeEdit> {
  const [block] = node.body.body;
  if (block?.type !== 'StaticBlock' || block.body.length !== 1) return;
  const [statement] = block.body;
  if (statement?.type !== 'ExpressionStatement' || !isCallTo('__name', statement.expression)) return;
  const [target, name] = statement.expression.arguments;
  const ownName = node.id?.name ?? inferredName(node as AnyNode, parent);
  if (target?.type !== 'ThisExpression' || name?.type !== 'Literal' || name.value !== ownName) return;
  yield blanks(code, block.start, block.end);
}

function isCallTo(helper: string, node: AnyNode | undefined): node is CallExpression {
  return node?.type === 'CallExpression' && node.callee.type === 'Identifier' && node.callee.name === helper;
}

/** `__toESM(require("zod"), 1)` becomes `(require("zod"))`, since a shared namespace needs no conversion. */
function* dropConversion(call: CallExpression, code: string, sharedEsm: ReadonlySet<string>): Generator<CodeEdit> {
  const [required] = call.arguments;
  if (required === undefined || !isCallTo('require', required)) return;
  const [id] = required.arguments;
  if (id?.type !== 'Literal' || !sharedEsm.has(String(id.value))) return;
  yield* leaveFirstArgument(call, code);
}

/** `sharedEsm`: ids of shared modules whose `require` returns a namespace object. */
export function bundlerHelperRule(sharedEsm: ReadonlySet<string>): CodeRule {
  return ({ node, parent }, code) => {
    if (parent === undefined) return [];
    if (node.type === 'ClassDeclaration' || node.type === 'ClassExpression') return dropNameBlock(node, parent, code);
    if (node.type !== 'CallExpression' || node.callee.type !== 'Identifier') return [];
    switch (node.callee.name) {
      case '__name':
        return dropNameCall(node, parent, code);
      case '__toESM':
        return dropConversion(node, code, sharedEsm);
      case '__toCommonJS':
        return parent.type === 'AssignmentExpression' ? [blanks(code, node.callee.start, node.callee.end)] : [];
      default:
        return [];
    }
  };
}
