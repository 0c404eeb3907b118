// A summariser in the config of a server: used, seen over HTTP, and refused where it is none.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cli } from './cli-server.ts';
import { ContractServer } from './contract-server.ts';

const config = `
  import { defineAgent, defineConfig } from 'sojourn';
  const talker = defineAgent(async function* () { yield 'word '.repeat(300); });
  export default defineConfig({
    agents: { talker },
    limits: { contextTokens: 4_000 },
    summariser: { name: 'mine', summarise: async (stretch) => ({ text: stretch.messages.length + ' messages before' }) },
  });
`;

test('a server’s config names who makes digests, and its log says what was made', async () => {
  const server = await ContractServer.start(config);
  try {
    for (let turn = 0; turn < 14; turn += 1) {
      await server.send('chat', 'go on');
      await server.idle('chat');
    }
    const { body } = await server.until('chat', ({ kind }) => kind === 'context.compacted');
    const { body: context } = await server.get('/v1/sessions/chat/context');

    expect(body).toMatchObject({ by: 'mine', pressure: 'aggressive', windowTokens: 4_000 });
    expect(JSON.stringify(body['digests'])).toMatch(/\d+ messages before/);
    expect(context.entries[0]).toMatchObject({ kind: 'digest', turn: null });
    expect(context.entries[0].text).toMatch(/^\d+ messages before/);
  } finally {
    await server.close();
  }
});

test('a config whose summariser is none is refused, and told what to write', async () => {
  const home = mkdtempSync(join(tmpdir(), 'sojourn-config-'));
  const text = `export default { agents: { a: async function* () {} }, summariser: { name: 'nobody' } };`;
  writeFileSync(join(home, 'sojourn.config.mjs'), text);

  const { code, out } = await cli(home, ['doctor', '--json'], {
    env: { PORT: '0', SOJOURN_DATA: join(home, 'data') },
  });
  rmSync(home, { recursive: true });

  expect(code).toBe(1);
  expect(out).toContain(
    'summariser must be a Summariser, for example modelSummariser(model) of sojourn/agent/ai-sdk',
  );
});
