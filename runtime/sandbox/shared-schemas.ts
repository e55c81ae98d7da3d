// zod schemas at the top of a module are made once for all runs of a sandbox: to make one takes zod longer than a short
// workflow takes us. A schema never changes, what its methods return are other schemas.
// Shared is only what surely is such a schema and holds nothing of a run: a chain of zod's builders over literals and
// other shared schemas. One with a function in it (`refine`, `transform`, `lazy`) is made in every run, as it stands.
import type { AnyNode, Expression, Program } from 'acorn';
import { type CodeEdit, closeMark, insertion, nodesUnder, type Visited } from './code-edit.ts';

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

/** What these are given may come out of a parse, where a run could change it. */
const keepers = words('catch default prefault');

function isLiteral(node: AnyNode): boolean {
  if (node.type === 'UnaryExpression') return node.argument.type === 'Literal';
  return node.type === 'Literal' || (node.type === 'TemplateLiteral' && node.expressions.length === 0);
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
    const chain = pathOf(node.callee.type === 'SequenceExpression' ? node.callee.expressions.at(-1)! : node.callee);
    const name = chain?.path.at(-1);
    if (chain === undefined || name === undefined) return false;
    const { root, path } = chain;
    const isFactory = root.type === 'Identifier' && this.#zod.has(root.name);
    if (isFactory ? !path.every((part) => factories.has(part)) : !methods.has(name)) return false;
    if (!isFactory && !this.#isSchema(root, path.slice(0, -1))) return false;
    return node.arguments.every((argument) => isLiteral(argument) || (!keepers.has(name) && this.#isPart(argument)));
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

function* names(node: AnyNode): Generator<string> {
  for (const inner of nodesUnder(node)) if (inner.type === 'Identifier') yield inner.name;
}

/** Top-level variables and what they are made of. */
function* topLevel(program: Program): Generator<[name: string, init: Expression]> {
  for (const statement of program.body) {
    if (statement.type !== 'VariableDeclaration') continue;
    for (const { id, init } of statement.declarations) if (id.type === 'Identifier' && init) yield [id.name, init];
  }
}

/** Names that are assigned to anywhere, whatever they refer to there, or declared twice. */
function changedNames(program: Program): Set<string> {
  const changed = new Set<string>();
  const declared = new Set<string>();
  for (const [name] of topLevel(program)) (declared.has(name) ? changed : declared).add(name);
  for (const node of nodesUnder(program)) {
    if (node.type === 'UpdateExpression') for (const name of names(node.argument)) changed.add(name);
    if (node.type !== 'AssignmentExpression' && node.type !== 'ForInStatement' && node.type !== 'ForOfStatement')
      continue;
    if (node.left.type !== 'VariableDeclaration') for (const name of names(node.left)) changed.add(name);
  }
  return changed;
}

/** What makes the shared schemas, in the order of the code. */
function sharedSchemas(program: Program): Iterable<Expression> {
  const declared = [...topLevel(program)];
  const zod = new Set(declared.filter(([, init]) => requiresZod(init)).map(([name]) => name));
  const found = new Map<string, Expression>();
  if (zod.size === 0) return [];
  const changed = changedNames(program);
  for (const [name, init] of declared) {
    const reader = new SchemaReader(zod);
    // A schema uses none that stands behind it.
    const isShared = reader.isSchemaCall(init) && [...reader.uses].every((used) => found.has(used));
    if (isShared && !changed.has(name)) found.set(name, init);
  }
  return found.values();
}

export function* sharedSchemaRule({ node }: Visited): Iterable<CodeEdit> {
  if (node.type !== 'Program') return;
  let index = 0;
  for (const init of sharedSchemas(node)) {
    yield insertion(init.start, `${sharedName}[${index++}]??=(`);
    yield insertion(init.end, `${closeMark})`);
  }
}
