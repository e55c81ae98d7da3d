// Part of `npm run check`: checks that every link within the documents leads to an existing file and heading.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const inDocs = await readdir(join(root, 'docs'), { recursive: true });
const documents = [
  ...['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'benchmarks/README.md'],
  ...inDocs.filter((name) => name.endsWith('.md')).map((name) => join('docs', name)),
];

const faults: string[] = [];
for (const document of documents) {
  const text = await readFile(join(root, document), 'utf8');
  for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
    const fault = await faultOf(document, target);
    if (fault !== undefined) faults.push(`${document}: ${target} leads to ${fault}`);
  }
}
if (faults.length > 0) {
  console.error(faults.join('\n'));
  process.exitCode = 1;
}

async function faultOf(document: string, target: string): Promise<string | undefined> {
  const [file = '', heading] = target.split('#');
  const path = file === '' ? join(root, document) : join(root, dirname(document), file);
  if (!existsSync(path)) return 'no file';
  if (heading === undefined || anchorsOf(await readFile(path, 'utf8')).includes(heading)) return undefined;
  return 'no heading';
}

/** The anchors of a document's headings. */
function anchorsOf(text: string): string[] {
  const headings = text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
