// zod schemas at the top of a module are made once for all runs of a sandbox: to make one takes zod longer than a short
// workflow takes us. A schema never changes, what its methods return are other schemas.
// Shared is only what surely is such a schema and holds nothing of a run: a chain of zod's builders over literals and
// other shared schemas. One with a function in it (`refine`, `transform`, `lazy`) is made in every run, as it stands; so
// is one that workflow code does more with than check values, because it could reach what zod keeps in it.
import type { AnyNode, CallExpression, Expression, Program } from 'acorn';
import { childrenOf, type CodeEdit, closeMark, insertion, type Visited } from './code-edit.ts';

/** Where the shared schemas are kept, a parameter of the function that workflow code is wrapped in. */
export const sharedName = '__repriseShared';

/** What `sharedSchemaRule` puts in, but for the closing bracket. */
export const insertedSharing: RegExp = new RegExp(`${sharedName}\\[\\d+\\]\\?\\?=\\(`);

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(/\s+/));
}

/** Exports of zod that make a schema, and members on the way to them. */
const factories = words(`any array base64 base64url bigint boolean cidrv4 cidrv6 coerce cuid cuid2 date datetime
  default discriminatedUnion duration e164 email emoji enum exactOptional float32 float64 guid hex hostname httpUrl int
  int32 int64 intersection ipv4 ipv6 iso json jwt ksuid literal looseObject looseRecord mac map nan nanoid nativeEnum
  never null nullable nullish number object optional partialRecord readonly record set strictObject string stringbool
  symbol time tuple uint32 uint64 ulid undefined union unknown url uuid uuidv4 uuidv6 uuidv7 void xid xor z`);

/** Methods of a schema that give a schema. */
const methods = words(`and array base64 base64url brand catch catchall cidrv4 cidrv6 cuid cuid2 date datetime default
  describe duration e164 email emoji endsWith exactOptional exclude extend extract finite gt gte guid includes int ipv4
  ipv6 jwt keyof ksuid length loose lowercase lt lte max merge min multipleOf nanoid negative nonempty nonnegative
  nonoptional nonpositive normalize nullable nullish omit optional or partial passthrough pick pipe positive prefault
  readonly regex required rest safe safeExtend size slugify startsWith step strict strip time toLowerCase toUpperCase
  trim ulid uppercase url uuid uuidv4 uuidv6 uuidv7 xid`);

/** Methods that only look at a value. */
const checks = words('parse parseAsync safeParse safeParseAsync');

/** What these are given may come out of a parse, where a run could change it. */
const keepers = words('catch default prefault');

function isLiteral(node: AnyNode): boolean {
  if (node.type === 'UnaryExpression') return node.argument.type === 'Literal';
  return node.type === 'Literal' || (node.type === 'TemplateLiteral' && node.expressions.length === 0);
}

/** What a run could not change if it got hold of it: a regular expression has a `lastIndex`. */
function isConstant(node: AnyNode): boolean {
  return isLiteral(node) && !(node.type === 'Literal' && 'regex' in node);
}

/** What is called: of `(0, zod.string)()`, as the bundler writes it, `zod.string`. */
function calleeOf({ callee }: CallExpression): AnyNode {
  if (callee.type !== 'SequenceExpression') return callee;
  const [first, second, ...more] = callee.expressions;
  return first?.type === 'Literal' && second !== undefined && more.length === 0 ? second : callee;
}

/** `a.b.c()` gives `a`, `['b', 'c']`; undefined for what is no plain chain. */
function pathOf(node: AnyNode): { readonly root: AnyNode; readonly path: readonly string[] } | undefined {
  if (node.type !== 'MemberExpression') return { root: node, path: [] };
  const inner = pathOf(node.object);
  if (inner === undefined || node.computed || node.optional || node.property.type !== 'Identifier') return undefined;
  return { root: inner.root, path: [...inner.path, node.property.name] };
}

/** Reads what a variable is made of. */
class SchemaReader {
  readonly #zod: ReadonlySet<string>;
  /** Variables that must be shared schemas for this one to be one. */
  readonly uses = new Set<string>();

  constructor(zod: ReadonlySet<string>) {
    this.#zod = zod;
  }

  /** A call that gives a schema: `z.string().min(1)`, `(0, zod.object)({})`, `Order.pick({ id: true })`. */
  isSchemaCall(node: AnyNode): boolean {
    if (node.type !== 'CallExpression' || node.optional) return false;
    const chain = pathOf(calleeOf(node));
    const name = chain?.path.at(-1);
    if (chain === undefined || name === undefined) return false;
    const { root, path } = chain;
    const isFactory = root.type === 'Identifier' && this.#zod.has(root.name);
    if (isFactory ? !path.every((part) => factories.has(part)) : !methods.has(name)) return false;
    if (!isFactory && !this.#isSchema(root, path.slice(0, -1))) return false;
    return node.arguments.every((argument) => (keepers.has(name) ? isConstant(argument) : this.#isPart(argument)));
  }

  /** `Order`, `Order.shape.id`, or a call. */
  #isSchema(root: AnyNode, path: readonly string[]): boolean {
    if (path.length !== 0 && !(path.length === 2 && path[0] === 'shape')) return false;
    if (root.type !== 'Identifier') return this.isSchemaCall(root);
    this.uses.add(root.name);
    return true;
  }

  /** What a builder may be given. */
  #isPart(node: AnyNode): boolean {
    switch (node.type) {
      case 'ArrayExpression':
        return node.elements.every((part) => part !== null && this.#isPart(part));
      case 'ObjectExpression':
        return node.properties.every((part) => this.#isPart(part));
      case 'Property':
        return node.kind === 'init' && !node.computed && this.#isPart(node.value);
      case 'SpreadElement': {
        // `...Order.shape`
        const chain = pathOf(node.argument);
        return chain?.path.join() === 'shape' && this.#isSchema(chain.root, []);
      }
      default: {
        const chain = pathOf(node);
        return isLiteral(node) || (chain !== undefined && this.#isSchema(chain.root, chain.path));
      }
    }
  }
}

/** Whether it is `require("zod")`, also in a helper of the bundler. */
function requiresZod(init: Expression): boolean {
  if (init.type !== 'CallExpression' || init.callee.type !== 'Identifier') return false;
  const [argument] = init.arguments;
  if (argument === undefined) return false;
  if (init.callee.name === '__toESM') return argument.type === 'CallExpression' && requiresZod(argument);
  return init.callee.name === 'require' && argument.type === 'Literal' && /^zod(?:$|\/)/.test(String(argument.value));
}

/** Top-level variables and what they are made of. */
function* topLevel(program: Program): Generator<[name: string, init: Expression]> {
  for (const statement of program.body) {
    if (statement.type !== 'VariableDeclaration') continue;
    for (const { id, init } of statement.declarations) if (id.type === 'Identifier' && init) yield [id.name, init];
  }
}

/** A mention of a name, whatever it refers to there, and the nodes around it, the innermost first. */
interface Mention {
  readonly name: string;
  readonly around: readonly AnyNode[];
}

/** All but the names of members. */
function* mentions(node: AnyNode, around: readonly AnyNode[]): Generator<Mention> {
  if (node.type === 'Identifier') yield { name: node.name, around };
  const isNamed = (node.type === 'MemberExpression' || node.type === 'Property') && !node.computed;
  const memberName = isNamed ? (node.type === 'Property' ? node.key : node.property) : undefined;
  for (const child of childrenOf(node)) if (child !== memberName) yield* mentions(child, [node, ...around]);
}

function calls(node: AnyNode | undefined, name: string): boolean {
  if (node?.type !== 'CallExpression') return false;
  const callee = calleeOf(node);
  return callee.type === 'Identifier' ? callee.name === name : pathOf(callee)?.path.at(-1) === name;
}

/** `Order.parse(value)`: gives out nothing of the schema. */
function isCheck([parent, grand]: readonly AnyNode[]): boolean {
  if (parent?.type !== 'MemberExpression' || parent.computed || parent.property.type !== 'Identifier') return false;
  return checks.has(parent.property.name) && grand?.type === 'CallExpression' && grand.callee === parent;
}

/** `defineContext(…, { schema: Order })`. */
function isOfContext([parent, , call]: readonly AnyNode[]): boolean {
  return (
    parent?.type === 'Property' &&
    parent.key.type === 'Identifier' &&
    parent.key.name === 'schema' &&
    calls(call, 'defineContext')
  );
}

/** `__export(workflows_exports, { Order: () => Order })` of the bundle itself, which only the engine looks into. */
function isExport([fn, , , call]: readonly AnyNode[], bundleExports: string | undefined): boolean {
  if (fn?.type !== 'ArrowFunctionExpression' || call?.type !== 'CallExpression' || !calls(call, '__export'))
    return false;
  const [target] = call.arguments;
  return target?.type === 'Identifier' && target.name === bundleExports;
}

/** The variable of `module.exports = __toCommonJS(workflows_exports)`, when nothing else mentions it. */
function exportsName(program: Program, all: readonly Mention[]): string | undefined {
  for (const statement of program.body) {
    if (statement.type !== 'ExpressionStatement' || statement.expression.type !== 'AssignmentExpression') continue;
    const { right } = statement.expression;
    if (right.type !== 'CallExpression' || !calls(right, '__toCommonJS')) continue;
    const [target] = right.arguments;
    if (target?.type !== 'Identifier') continue;
    // Its declaration, what fills it, and here.
    return all.filter(({ name }) => name === target.name).length === 3 ? target.name : undefined;
  }
  return undefined;
}

interface Candidate {
  readonly init: Expression;
  readonly uses: ReadonlySet<string>;
}

function candidatesIn(declared: readonly [string, Expression][], zod: ReadonlySet<string>): Map<string, Candidate> {
  const found = new Map<string, Candidate>();
  const seen = new Set<string>();
  for (const [name, init] of declared) {
    const reader = new SchemaReader(zod);
    if (reader.isSchemaCall(init) && !seen.has(name)) found.set(name, { init, uses: reader.uses });
    else found.delete(name);
    seen.add(name);
  }
  return found;
}

/** What makes the shared schemas, in the order of the code. */
function sharedSchemas(program: Program): Expression[] {
  const declared = [...topLevel(program)];
  const zod = new Set(declared.filter(([, init]) => requiresZod(init)).map(([name]) => name));
  if (zod.size === 0) return [];
  const shared = candidatesIn(declared, zod);
  const all = [...mentions(program, [])];
  const bundleExports = exportsName(program, all);
  const ofSchemas = all.filter(({ name }) => shared.has(name));
  const reaches = (name: string, { around }: Mention): boolean => {
    const [parent] = around;
    if (parent?.type === 'VariableDeclarator' && parent.init === shared.get(name)?.init) return false;
    if (isCheck(around) || isOfContext(around) || isExport(around, bundleExports)) return false;
    return ![...shared.values()].some(({ init }) => around.includes(init));
  };
  // One that is not shared after all makes others so that use it, or are used by it.
  for (let before = -1; before !== shared.size; ) {
    before = shared.size;
    for (const [name, { uses }] of shared) {
      const isReached = ofSchemas.some((mention) => mention.name === name && reaches(name, mention));
      if (isReached || [...uses].some((used) => !shared.has(used))) shared.delete(name);
    }
  }
  return [...shared.values()].map(({ init }) => init);
}

export function* sharedSchemaRule({ node }: Visited): Iterable<CodeEdit> {
  if (node.type !== 'Program') return;
  for (const [index, init] of sharedSchemas(node).entries()) {
    yield insertion(init.start, `${sharedName}[${index}]??=(`);
    yield insertion(init.end, `${closeMark})`);
  }
}
