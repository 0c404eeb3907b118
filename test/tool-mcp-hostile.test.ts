// MCP servers that mean no good, as programs on pipes: what they can do to the session that uses them, which is little.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { box, call, folder, program, said, scene } from './tool-scene.ts';

const PROGRAM = fileURLToPath(new URL('mcp-hostile-server.ts', import.meta.url));
const hostile = () => ({ ...program(), args: [PROGRAM, folder] });

/** What the hostile server says its tools are. */
const lists = (...tools: object[]): void => writeFileSync(join(folder, 'list.json'), JSON.stringify(tools));
const anyTool = (name: string) => ({ name, description: `${name}.`, inputSchema: { type: 'object' } });

test('no server can take the name of a tool of another, however long or odd the names are', async () => {
  const long = 'l'.repeat(100);
  lists(...['good', 'b_c', 'b-c', 'b.c', long, `${long}2`].map(anyTool));
  expect(() => box({ servers: { a_b: hostile() } })).toThrow(/"a_b" cannot be the name/);
  await using stand = await scene(box({ servers: { a: hostile(), 'a-b': hostile() } }));

  const { set } = await stand.turn();

  const names = set.tools.map(({ name }) => name);
  expect(names).toHaveLength(12);
  expect(new Set(names).size).toBe(12);
  for (const name of names) expect(name).toMatch(/^(a|a-b)_[A-Za-z0-9_-]{1,63}$/);
  for (const name of names) expect(name.length).toBeLessThanOrEqual(64);
  expect(said(await call(set, 'a-b_good'))).toBe('good');
});
