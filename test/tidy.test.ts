// The house rules that a machine can check: directions of imports, sizes of files, words, and references in documents.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { errorCodes } from '../runtime/core/failure/runtime-error.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const tops = ['runtime', 'sdk', 'server', 'test', 'benchmarks', 'examples'];

/** For each room, the rooms that it may import besides itself. */
const directions: Record<string, readonly string[]> = {
  'runtime/core': [],
  'runtime/activator': ['runtime/core'],
  'runtime/sandbox': ['runtime/activator', 'runtime/core'],
  'runtime/flow': ['runtime/core'],
  'runtime/store': ['runtime/flow', 'runtime/core'],
  'runtime/worker': ['runtime/replay', 'runtime/store', 'runtime/sandbox', 'runtime/flow', 'runtime/core'],
  'runtime/replay': ['runtime/store', 'runtime/sandbox', 'runtime/flow', 'runtime/core'],
  'runtime/recovery': ['runtime/store', 'runtime/core'],
  sdk: ['runtime'],
  server: ['runtime', 'sdk/client.ts'],
  examples: [],
};
/** For these folders inside rooms, what they may import besides themselves. */
const folderDirections: Record<string, readonly string[]> = {
  'runtime/core/json': ['runtime/core/failure'],
  'runtime/core/payload': ['runtime/core/failure'],
  'runtime/core/context': ['runtime/core/json', 'runtime/core/log', 'runtime/core/options', 'runtime/core/failure'],
  'runtime/activator/scopes': ['runtime/activator/run', 'runtime/core'],
  'runtime/activator/messages': ['runtime/activator/run', 'runtime/core'],
  'runtime/activator/info': ['runtime/activator/run', 'runtime/activator/determinism', 'runtime/core'],
  'runtime/activator/determinism': ['runtime/activator/run', 'runtime/activator/info', 'runtime/core'],
  'runtime/activator/context': ['runtime/activator/run', 'runtime/activator/info', 'runtime/core'],
  'runtime/sandbox/inside': ['runtime/activator', 'runtime/core'],
  'runtime/sandbox/bundle': ['runtime/sandbox/stacks', 'runtime/core'],
  'runtime/sandbox/stacks': ['runtime/sandbox/bundle', 'runtime/activator', 'runtime/core'],
};
const pureRooms = ['runtime/core', 'runtime/activator'];

interface Source {
  /** Path from the root, with forward slashes. */
  path: string;
  text: string;
  lines: number;
}

const sources = await readSources();
const code = sources.filter((source) => source.path.endsWith('.ts'));

async function readSources(): Promise<Source[]> {
  const found: Source[] = [];
  for (const top of tops) {
    if (!existsSync(join(root, top))) continue;
    for (const file of await readdir(join(root, top), { recursive: true })) {
      const path = posix.join(top, file.replaceAll('\\', '/'));
      if (!/\.(ts|sql)$/.test(path) || path.includes('node_modules/')) continue;
      const text = await readFile(join(root, path), 'utf8');
      found.push({ path, text, lines: text.split('\n').length - 1 });
    }
  }
  return found;
}

function roomOf(path: string): string | undefined {
  return Object.keys(directions).find((room) => path.startsWith(`${room}/`));
}

/** The files and folders that a source imports by relative paths, including type-only and dynamic imports. */
function targetsOf(source: Source): string[] {
  const relative = importsOf(source).filter((name) => name.startsWith('.'));
  return relative.map((specifier) => posix.join(dirname(source.path), specifier));
}

function againstDirections(table: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(table).flatMap(([place, others]) =>
    code
      .filter((source) => source.path.startsWith(`${place}/`))
      .flatMap((source) =>
        targetsOf(source)
          .filter((target) => ![place, ...others].some((to) => target === to || target.startsWith(`${to}/`)))
          .map((target) => `${source.path} imports ${target}`),
      ),
  );
}

function importsOf(source: Source): string[] {
  const pattern = /(?:\bfrom|^import|\bimport\()\s*'([^']+)'/gm;
  return [...source.text.matchAll(pattern)].map((match) => match[1] ?? '');
}

/** The lines that match `pattern`, in the form `path:line: text`. */
function linesWith(files: readonly Source[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    file.text
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file.path}:${index + 1}: ${line.trim()}`] : [])),
  );
}

test('the direction check finds imports of types, of side effects and of modules that are loaded later', () => {
  const text = [
    "import { a, type B } from './value.ts';",
    "import type {\n  C,\n} from './type.ts';",
    "export type { D } from './exported.ts';",
    "import './effect.ts';",
    "const later = await import('./later.ts');",
    "let e: import('./inline.ts').E;",
  ].join('\n');
  const seen = importsOf({ path: '', text, lines: 0 });
  assert.deepEqual(
    seen,
    ['value', 'type', 'exported', 'effect', 'later', 'inline'].map((name) => `./${name}.ts`),
  );
});

test('rooms and their folders import only from the rooms that their direction allows', () => {
  assert.deepEqual(againstDirections(directions), []);
  assert.deepEqual(againstDirections(folderDirections), []);
});

test('no imports form a circle, not even type-only and dynamic imports', () => {
  const targets = new Map(code.map((source) => [source.path, targetsOf(source)]));
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' -> '));
    if (done.has(path) || way.includes(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...way, path]);
    done.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  assert.deepEqual(circles, []);
});

test('the pure rooms import nothing of Node', () => {
  const faults = code.filter((source) => pureRooms.includes(roomOf(source.path) ?? ''));
  assert.deepEqual(
    faults.filter((source) => importsOf(source).some((name) => name.startsWith('node:'))).map((source) => source.path),
    [],
  );
});

test('no file is longer than its limit', () => {
  const limit = (path: string): number => (path.endsWith('.sql') ? 600 : path.endsWith('.test.ts') ? 800 : 400);
  assert.deepEqual(
    sources.filter((source) => source.lines > limit(source.path)).map((source) => `${source.path}: ${source.lines}`),
    [],
  );
});

test('a file opens with a comment of one to six lines', () => {
  const faults = code
    .filter((source) => !source.path.endsWith('.test.ts'))
    .filter((source) => {
      const lines = source.text.split('\n').filter((line) => !line.startsWith('#!'));
      const length = lines.findIndex((line) => !line.startsWith('// ')); // a diagram may follow after an empty line
      return length < 1 || length > 6;
    });
  assert.deepEqual(
    faults.map((source) => source.path),
    [],
  );
});

test('files are named after a concept, in kebab-case', () => {
  const vague = /^(utils?|helpers?|types?|common|interfaces?|index|misc)\.ts$/;
  const faults = code.filter(({ path }) => {
    const name = posix.basename(path);
    return path !== 'sdk/common.ts' && (vague.test(name) || !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*\.ts$/.test(name));
  });
  assert.deepEqual(
    faults.map((source) => source.path),
    [],
  );
});

test('one spelling: cancelled, behavior', () => {
  const wrong = new RegExp(['cance' + 'led\\b', 'behavio' + 'ur'].join('|'), 'i');
  // Names that users write and read keep Temporal's spelling.
  const ours = sources.filter((source) => !/^(test\/)?sdk\//.test(source.path));
  assert.deepEqual(linesWith(ours, wrong), []);
});

test('the engine speaks of runs, activities and events, not of jobs or steps', () => {
  const declared =
    /^(export )?(async )?((const|let|function|class|interface|type)|\s+readonly) (\w*[a-z])?([Jj]ob|[Ss]tep)s?([A-Z]\w*)?\b/;
  assert.deepEqual(
    linesWith(
      code.filter((source) => source.path.startsWith('runtime/')),
      declared,
    ),
    [],
  );
  const columns = /\b\w*(job|step|execution)\w*\b/;
  assert.deepEqual(
    linesWith(
      sources.filter((source) => source.path.endsWith('.sql')),
      columns,
    ),
    [],
  );
});

test('no code is left undone, no test is skipped, and no value is untyped', () => {
  const words = ['\\bTO' + 'DO\\b', '\\bFIX' + 'ME\\b', '@ts-' + 'ignore', '@ts-' + 'nocheck'];
  assert.deepEqual(linesWith(code, new RegExp(words.join('|'))), []);
  const faults = [
    ...['\\bas' + ' any\\b', ':' + ' any\\b', '<an' + 'y\\b'],
    ...['\\b(test|it|describe|suite)\\.(on' + 'ly|sk' + 'ip|to' + 'do)\\b', '\\bt\\.(sk' + 'ip|to' + 'do)\\('],
    '[{,]\\s*(on' + 'ly|sk' + 'ip|to' + 'do):',
  ];
  // Temporal's type has `any` too, so that activities need to change only their imports.
  const excepted = {
    path: 'runtime/worker/activities/activity-context.ts',
    line: '  readonly heartbeatDetails: an' + 'y;\n',
  };
  const comments = /^\s*(\/\/|\/?\*).*$/gm;
  const uncommented = code.map((source) => ({
    ...source,
    text: (source.path === excepted.path ? source.text.replace(excepted.line, '') : source.text).replace(comments, ''),
  }));
  assert.deepEqual(linesWith(uncommented, new RegExp(faults.join('|'))), []);
  const swallowed = code.filter(({ text }) => /catch\s*(\([^)]*\))?\s*\{\s*\}/.test(text));
  assert.deepEqual(
    swallowed.map((source) => source.path),
    [],
  );
});

test('no named statement asks for all columns of a table', () => {
  const faults = code
    .filter((source) => source.path.startsWith('runtime/store/'))
    .flatMap(({ path, text }) => {
      const statements = text.match(/\bname: `reprise_[\s\S]*?\bvalues:/g) ?? [];
      return statements.filter(asksForAll).map((statement) => `${path}: ${statement.split('\n')[0]}`);
    });
  assert.deepEqual(faults, []);
  const table = '${schema}.runs';
  for (const text of [`select * from ${table}`, `select r.* from ${table} r`, 'returning *', 'returning t.*']) {
    assert.ok(asksForAll(text), text);
  }
});

/**
 * Matches a `*` for the columns of a table. For the columns of an array or of a part of the statement, `*` is harmless.
 */
function asksForAll(statement: string): boolean {
  if (/\breturning (\w+\.)?\*|\bselect \*\s+from \$\{/.test(statement)) return true;
  const aliases = [...statement.matchAll(/\bselect (\w+)\.\*/g)].map((match) => match[1]);
  return aliases.some((alias) => new RegExp(`\\$\\{[\\w.]*schema\\}\\.\\w+ ${alias}\\b`).test(statement));
}

test('every error code is documented', async () => {
  const text = await readFile(join(root, 'docs/errors.md'), 'utf8');
  assert.deepEqual(
    errorCodes.filter((errorCode) => !text.includes(`\`${errorCode}\``)),
    [],
  );
});

test('every invariant names a test that exists', async () => {
  const architecture = await readFile(join(root, 'ARCHITECTURE.md'), 'utf8');
  const items = architecture.match(/^\| I\d+ \|.*$/gm) ?? [];
  assert.ok(items.length > 0, 'ARCHITECTURE.md has no table rows that begin with "| I1 |"');
  for (const item of items) {
    const files = item.match(/\btest\/[\w/.-]+\.test\.ts\b/g) ?? [];
    assert.ok(files.length > 0, `no test is named by: ${item}`);
    for (const file of files) assert.ok(existsSync(join(root, file)), `${file} does not exist, named by: ${item}`);
  }
});

test('the changelog has an entry for the version of the package', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const changelog = await readFile(join(root, 'CHANGELOG.md'), 'utf8');
  assert.ok(changelog.includes(`\n## [${version}]`), `CHANGELOG.md has no entry for ${version}`);
});
