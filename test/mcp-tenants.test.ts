// Two tenants on one server, who use the same names, the same keys and the same ids of requests, at the same time.
import { expect, test } from 'vitest';
import { call, modern, opened, serve, type Era, type Loose, type Served } from './mcp-support.ts';

/** Each call is stamped with its tenant; every third one is taken back at once. */
async function said(tenant: Served, mark: string, era: Era, rounds: number): Promise<string[]> {
  const link = era === 'legacy' ? await opened(tenant) : undefined;
  const calls = Array.from({ length: rounds }, async (_each, at) => {
    const params = {
      name: 'send_message',
      arguments: { session: `s${at % 5}`, message: `${mark}-${at}` },
    };
    const { body, headers } = modern('tools/call', params);
    const gone = new AbortController();
    const call = tenant.post(
      link === undefined ? body : { jsonrpc: '2.0', id: at, method: 'tools/call', params },
      {
        headers: link ?? headers,
        signal: gone.signal,
      },
    );
    if (at % 3 === 2) gone.abort();
    return call.then(
      ({ text }) => text,
      () => '',
    );
  });
  return Promise.all(calls);
}

test.each<Era>(['modern', 'legacy'])(
  'in the %s era, neither is ever told what the other said',
  async (era) => {
    const [ann, bob] = [await serve(), await serve()];

    const [anns, bobs] = await Promise.all([
      said(ann, 'canary-ann', era, 30),
      said(bob, 'canary-bob', era, 30),
    ]);
    const logs: Loose[] = await Promise.all(
      [ann, bob].map(async ({ runtime, host }) => {
        const { sessions } = await runtime.sessions({}, host);
        return Promise.all(sessions.map(({ key }) => runtime.transcript(key, host)));
      }),
    );

    expect(anns.join('')).toContain('canary-ann');
    expect(bobs.join('')).toContain('canary-bob');
    expect(anns.join('')).not.toContain('canary-bob');
    expect(bobs.join('')).not.toContain('canary-ann');
    expect(JSON.stringify(logs[0])).not.toContain('canary-bob');
    expect(JSON.stringify(logs[1])).not.toContain('canary-ann');
  },
);

test('a sign-in that one of them knows of the other it cannot end', async () => {
  const [ann, bob] = [await serve(), await serve()];
  const client = await ann.client('modern');
  const { sign_in } = (await call(client, 'sign_in', { name: 'Ann' })).value;

  const tried = await call(await bob.client('modern'), 'sign_out', { sign_in });
  const posted = await call(client, 'post_timeline', { sign_in, content: 'Still here' });

  expect(tried.value).toEqual({ ended: false });
  expect(posted.failed).toBe(false);
});
