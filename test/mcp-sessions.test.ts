// Holding conversations over MCP, in both eras of the protocol: what a model can do, and what it is told.
import { describe, expect, test } from 'vitest';
import { call, serve, type Era } from './mcp-support.ts';

describe.each<Era>(['modern', 'legacy'])('a client of the %s era', (era) => {
  test('starts a session, says something, and has the answer', async () => {
    const client = await (await serve()).client(era);

    const started = await call(client, 'start_session', { session: 'inbox', title: 'Mail' });
    const answered = await call(client, 'send_message', { session: 'inbox', message: 'hello' });

    expect(started.value).toMatchObject({ created: true, session: 'inbox', agent: 'scripted', title: 'Mail' });
    expect(answered).toMatchObject({
      failed: false,
      value: { session: 'inbox', state: 'done', outcome: 'completed', text: 'You said: hello' },
    });
  });
});
