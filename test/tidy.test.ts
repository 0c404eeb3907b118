// What tidy finds, shown on small planted repositories, and that this one has nothing to be found.
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { EXCEPTIONS } from '../scripts/tidy/exceptions.ts';
import type { Exception } from '../scripts/tidy/size.ts';
import { findingText, tidy } from '../scripts/tidy/tidy.ts';
import { readTree } from '../scripts/tidy/tree.ts';

/** What one rule says about planted files. */
function say(rule: string, files: Record<string, string>, exceptions: readonly Exception[] = []): string[] {
  const tree = Object.entries(files).map(([path, text]) => ({ path, text }));
  return tidy(tree, exceptions)
    .filter((finding) => finding.rule === rule && !finding.path.startsWith('scripts/tidy/'))
    .map(findingText);
}

const lines = (count: number): string => 'f();\n'.repeat(count);

describe('the import chain', () => {
  test('an import that points right along the chain is found, with its line', () => {
    const found = say('zone', {
      'src/log/log.ts': "\nimport { turn } from '../session/turn.ts';\n",
      'src/session/turn.ts': 'export const turn = 1;',
    });

    expect(found).toEqual(['src/log/log.ts:2 [zone] log may not import session (../session/turn.ts)']);
  });

  test('an import that points left along the chain is fine', () => {
    const found = say('zone', {
      'src/session/turn.ts': "import { log } from '../log/log.ts'; import { id } from '../kernel/ids.ts';",
      'src/testing/turns.ts': "import '../session/turn.ts'; import '../store/sqlite/sqlite.ts';",
      'src/cli/main.ts': "import '../face/http/http.ts'; import '../agent/scripted/scripted.ts';",
    });

    expect(found).toEqual([]);
  });

  test('a contract takes types from wire, and neither its values nor another contract', () => {
    const found = say('zone', {
      'src/store/store.ts': [
        "import type { Event } from '../wire/event.ts';",
        "import { textOf } from '../wire/message.ts';",
        "import type { Agent } from '../agent/agent.ts';",
      ].join('\n'),
    });

    expect(found).toEqual([
      'src/store/store.ts:2 [zone] store may import wire by `import type` only (../wire/message.ts)',
      'src/store/store.ts:3 [zone] store may not import agent (../agent/agent.ts)',
    ]);
  });

  test('a backend sees its own contract and not its siblings, another contract or the domain', () => {
    const found = say('zone', {
      'src/agent/echo/echo.ts': [
        "import type { Agent } from '../agent.ts';",
        "import { words } from './words.ts';",
        "import { run } from '../function/function.ts';",
        "import type { Store } from '../../store/store.ts';",
        "import { eventText } from '../../log/event.ts';",
      ].join('\n'),
    });

    expect(found).toEqual([
      'src/agent/echo/echo.ts:3 [zone] agent/echo may not import agent/function (../function/function.ts)',
      'src/agent/echo/echo.ts:4 [zone] agent/echo may not import store (../../store/store.ts)',
      'src/agent/echo/echo.ts:5 [zone] agent/echo may not import log (../../log/event.ts)',
    ]);
  });

  test('a face sees neither a sibling, nor a session, nor a store', () => {
    const found = say('zone', {
      'src/face/http/http.ts': [
        "import { auth } from '../auth.ts';",
        "import { mcp } from '../mcp/mcp.ts';",
        "import { Session } from '../../session/session.ts';",
        "import type { StoredEvent } from '../../store/store.ts';",
      ].join('\n'),
    });

    expect(found.map((line) => line.split('(')[0])).toEqual([
      'src/face/http/http.ts:2 [zone] face/http may not import face/mcp ',
      'src/face/http/http.ts:3 [zone] face/http may not import session ',
      'src/face/http/http.ts:4 [zone] face/http may not import store ',
    ]);
  });

  test('a worker started by its address counts as an import, and so does one that is awaited', () => {
    const found = say('zone', {
      'src/log/log.ts': [
        "new Worker(new URL('../session/worker.ts', import.meta.url));",
        "await import('../runtime/runtime.ts');",
      ].join('\n'),
    });

    expect(found).toHaveLength(2);
  });

  test('an example that reaches into src is found, one that starts the command is not', () => {
    const found = say('zone', {
      'examples/01-echo.ts': "import '../src/index.ts'; import 'sojourn';",
      'examples/02-start.ts': "spawn(process.execPath, [new URL('../src/cli/main.ts', import.meta.url)]);",
    });

    expect(found).toHaveLength(1);
  });

  test('a folder that nobody placed is found', () => {
    expect(say('zone', { 'src/helpers2/a.ts': '' })).toHaveLength(1);
  });

  test('a client that needs Node, even through another file, is found', () => {
    const found = say('browser', {
      'src/client/client.ts': "import { systemIds } from '../kernel/ids.ts';",
      'src/client/types.ts': "import type { Ids } from '../kernel/ids.ts';",
      'src/kernel/ids.ts': "import { randomBytes } from 'node:crypto';",
    });

    expect(found).toEqual([
      'src/client/client.ts:1 [browser] must run in a browser, but src/kernel/ids.ts imports node:crypto',
    ]);
  });
});

describe('libraries', () => {
  const manifest = (fields: object): string => JSON.stringify({ name: 'sojourn', ...fields });

  test('a library outside its folder, and one that has none, are found', () => {
    const found = say('library', {
      'package.json': manifest({ dependencies: { commander: '15.0.0', leftpad: '1.0.0' } }),
      'src/cli/program.ts': "import { Command } from 'commander';",
      'src/runtime/runtime.ts': "import { Command } from 'commander';\nimport pad from 'leftpad';",
    });

    expect(found).toEqual([
      'src/runtime/runtime.ts:1 [library] commander lives in src/cli',
      'src/runtime/runtime.ts:2 [library] leftpad has no folder in scripts/tidy/libraries.ts',
    ]);
  });

  test('an optional library is awaited, never imported at once', () => {
    const optional = { peerDependencies: { ai: '7.0.0' }, peerDependenciesMeta: { ai: { optional: true } } };
    const found = say('library', {
      'package.json': manifest(optional),
      'src/agent/ai-sdk/late.ts': "import type { Agent } from 'ai'; await import('ai');",
      'src/agent/ai-sdk/early.ts': "import { streamText } from 'ai';",
    });

    expect(found).toEqual([
      'src/agent/ai-sdk/early.ts:1 [library] ai is optional: load it by `await import`',
    ]);
  });

  test('a dependency that nobody imports, and an import that is no dependency, are found', () => {
    const found = say('library', {
      'package.json': manifest({ dependencies: { commander: '15.0.0' } }),
      'test/a.test.ts': "import fc from 'fast-check';",
    });

    expect(found).toEqual([
      'test/a.test.ts:1 [library] fast-check is not in package.json',
      'package.json [library] commander is a dependency, and nothing imports it',
    ]);
  });
});

describe('time, chance, the environment and the terminal', () => {
  test.each([
    ['Date.now()', 'Date.now: take a Clock'],
    ['const now = Date.now;', 'Date.now: take a Clock'],
    ['new Date()', 'Date.now: take a Clock'],
    ['setTimeout(f, 5)', 'setTimeout: take a Clock'],
    ['globalThis.setTimeout(f, 5)', 'globalThis.setTimeout: take a Clock'],
    ['performance.now()', 'performance.now: take a Clock'],
    ["import { setTimeout as sleep } from 'node:timers/promises';", 'imports node:timers/promises'],
    ['Math.random()', 'Math.random: take Ids'],
    ["import { randomUUID } from 'node:crypto'; randomUUID()", 'randomUUID: take Ids'],
    ['process.env.HOME', 'process.env: take an option'],
    ['console.log(1)', 'console: take a Logger'],
  ])('%s is found below the command line', (code, message) => {
    const found = say('outside', { 'src/runtime/a.ts': code, 'src/kernel/a.ts': '' });

    expect(found).toEqual([`src/runtime/a.ts:1 [outside] ${message}`]);
  });

  test('names that only look alike are fine', () => {
    const code = 'new Date(5); clock.now(); type T = typeof setTimeout; const o = { console: 1 }; o.console;';

    expect(say('outside', { 'src/runtime/a.ts': code })).toEqual([]);
  });

  test('a permission that its file does not need any more is found', () => {
    const found = tidy([{ path: 'src/kernel/clock.ts', text: 'export const now = 1;' }]).map(findingText);

    expect(found).toContain(
      'scripts/tidy/outside.ts [outside] src/kernel/clock.ts does not need time any more: remove its row from ALLOWED',
    );
  });

  test('the command line may print and read the environment', () => {
    expect(say('outside', { 'src/cli/main.ts': 'console.log(process.env.HOME)' })).toEqual([]);
  });
});

describe('size', () => {
  test('a file of 400 lines is fine, one of 401 is found', () => {
    expect(say('size', { 'src/log/a.ts': lines(400) })).toEqual([]);
    expect(say('size', { 'src/log/a.ts': lines(401) })).toEqual([
      'src/log/a.ts [size] the file has 401 lines, at most 400 are allowed',
    ]);
  });

  test('a function of 60 lines is fine, one of 61 is found by its name', () => {
    expect(say('size', { 'src/log/a.ts': `function long() {\n${lines(58)}}` })).toEqual([]);
    expect(say('size', { 'src/log/a.ts': `class A {\n  long() {\n${lines(59)}}\n}` })).toEqual([
      'src/log/a.ts:2 [size] long has 61 lines, at most 60 are allowed',
    ]);
  });

  test('a function that holds tests may be long, a test may not', () => {
    const holder = `describe('a', () => {\n${'test("b", () => {});\n'.repeat(80)}});`;
    const test = `describe('a', () => { test('b', () => {\n${lines(80)}}); });`;

    expect(say('size', { 'test/a.test.ts': holder })).toEqual([]);
    expect(say('size', { 'src/testing/a.ts': holder.replaceAll('test(', 'runner.test(') })).toEqual([]);
    expect(say('size', { 'test/a.test.ts': test })).toHaveLength(1);
  });

  test('a list of texts may be long, what runs beside it may not', () => {
    const list = `export const A = [\n${"'a',\n".repeat(500)}];\n`;

    expect(say('size', { 'src/log/a.ts': list + lines(400) })).toEqual([]);
    expect(say('size', { 'src/log/a.ts': list + lines(401) })).toHaveLength(1);
  });

  test('an exception holds for its own number of lines only', () => {
    const files = { 'src/log/a.ts': lines(410) };
    const exception = (count: number): Exception[] => [
      { path: 'src/log/a.ts', lines: count, why: 'a plant' },
    ];

    expect(say('size', files, exception(410))).toEqual([]);
    expect(say('size', files, exception(405))[0]).toContain('at most 405 are allowed');
    expect(say('size', files, exception(420))[0]).toContain('lower its exception');
    expect(say('size', { 'src/log/a.ts': lines(10) }, exception(410))[0]).toContain('remove it');
  });
});

describe('names and words', () => {
  test('drawers and empty words are found', () => {
    const found = say('name', {
      'src/log/utils/a.ts': '',
      'src/log/session-manager.ts': '',
      'src/log/b.ts': 'export class TurnHandler {}\ninterface UserInfo {}\nconst info = 1;\nconst data2 = 1;',
    });

    expect(found).toEqual([
      'src/log/utils/a.ts [name] "utils" is a drawer: name what the file is about',
      'src/log/session-manager.ts [name] "manager" says nothing: find what the file is about',
      'src/log/b.ts:1 [name] TurnHandler: "handler" says nothing',
      'src/log/b.ts:2 [name] UserInfo: "info" says nothing',
      'src/log/b.ts:3 [name] info: "info" says nothing',
    ]);
  });

  test('a decision needs a number of its own', () => {
    const found = say('name', {
      'decisions/0001-one.md': '',
      'decisions/0001-two.md': '',
      'decisions/notes.md': '',
    });

    expect(found).toEqual([
      'decisions [name] decisions/0001-two.md: the number 0001 is taken',
      'decisions [name] decisions/notes.md must be named NNNN-slug.md',
    ]);
  });

  test('a reminder needs the number of an issue', () => {
    const found = say('words', { 'src/log/a.ts': '// TODO(#12): later\n/* FIXME soon */\nf("TODO");' });

    expect(found).toEqual([
      'src/log/a.ts:2 [words] FIXME without an issue number: write FIXME(#12), or do it',
    ]);
  });

  test("a path of somebody's machine and a registry of somebody's network are found", () => {
    const host = `https://${['npm', 'mirror'].join('-')}.example.org`;
    const found = say('words', {
      'README.md': `Open ${['', 'home', 'ada', 'code'].join('/')}/a.ts\nor http://127.0.0.1:4242/v1/work/a`,
      'package-lock.json': `"resolved": "${host}/a.tgz"\n"resolved": "https://registry.npmjs.org/a.tgz"`,
    });

    expect(found).toEqual([
      "README.md:1 [words] names a path of somebody's machine",
      'package-lock.json:1 [words] names a registry',
    ]);
  });
});

describe('what is published and what is reached', () => {
  test('a file that nothing leads to is found', () => {
    const found = say('reach', {
      'package.json': JSON.stringify({ scripts: { start: 'node src/cli/main.ts start' } }),
      'src/cli/main.ts': "import '../log/log.ts'; fork('src/cli/child.ts');",
      'src/cli/child.ts': '',
      'src/log/log.ts': "new URL('./worker.ts', import.meta.url);",
      'src/log/worker.ts': '',
      'src/log/old.ts': '',
    });

    expect(found).toEqual(['src/log/old.ts [reach] nothing leads here: delete it']);
  });

  test('a door that leads nowhere, or whose targets differ, is found', () => {
    const door = (name: string, built: string): object => ({
      'sojourn-source': `./src/${name}.ts`,
      types: `./dist/${name}.d.ts`,
      default: `./dist/${built}.js`,
    });
    const exports = { '.': door('index', 'index'), './a': door('a', 'b'), './gone': door('gone', 'gone') };
    const found = say('door', {
      'package.json': JSON.stringify({ exports }),
      'src/index.ts': 'export const a = 1;',
      'src/a.ts': '',
    });

    expect(found).toEqual([
      'package.json [door] ./a must name { sojourn-source, types, default } in this order',
      'package.json [door] ./gone: ./src/gone.ts does not exist',
    ]);
  });

  test('a front door of forty names is found', () => {
    const names = Array.from({ length: 40 }, (_, index) => `n${index}`).join(', ');
    const found = say('door', {
      'package.json': '{}',
      'src/index.ts': `export { ${names} } from './log/log.ts';`,
    });

    expect(found).toEqual(['src/index.ts [door] exports 40 names, at most 39 are allowed']);
  });

  test('a page that names a file or a script that is not there is found', () => {
    const found = say('document', {
      'package.json': '{"scripts": {"tidy": ""}}',
      'docs/a.md':
        'See `src/log/log.ts`, `src/log/`, [b](./b.md#top), [web](https://example.org) and `npm run tidy`.',
      'docs/b.md': 'See `src/gone.ts` and [c](c.md),\nthen `npm run gone`.',
      'src/log/log.ts': '',
    });

    expect(found).toEqual([
      'docs/b.md:1 [document] src/gone.ts is not there',
      'docs/b.md:1 [document] c.md is not there',
      'docs/b.md:2 [document] npm run gone is not a script',
    ]);
  });

  test('a folder of code that the tree of the architecture leaves out is found', () => {
    const found = say('document', {
      'ARCHITECTURE.md': 'src/\n  kernel/      ids\n  store/       contract\n    sqlite/      one file\n',
      'src/kernel/ids.ts': '',
      'src/store/store.ts': '',
      'src/store/sqlite/deeper/rows.ts': '',
      'src/store/memory/rows.ts': '',
    });

    expect(found).toEqual(['ARCHITECTURE.md [document] src/store/memory/ is not in the tree']);
  });

  test('a file that does not parse is found', () => {
    expect(say('parse', { 'src/log/a.ts': 'const = 1' })).toHaveLength(1);
  });
});

describe('this repository', () => {
  test('keeps the rules of the house', () => {
    const root = fileURLToPath(new URL('..', import.meta.url));

    expect(tidy(readTree(root)).map(findingText)).toEqual([]);
  });

  test('has no more exceptions than it had', () => {
    // Lower it when one goes. Raising it needs a page in decisions/.
    expect(EXCEPTIONS.length).toBeLessThanOrEqual(0);
  });
});
