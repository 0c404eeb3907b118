// A configuration that changes while a server runs: the turn under way ends on the old instance, the next one runs on the
// new, and what cannot be taken up leaves everything as it was and says so.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ContractServer, THERE } from './contract-server.ts';

/** Says its name, and once more when a file `go-NAME` lies there. */
const config = (name: string, open = ''): string => `
  ${THERE}
  import { defineAgent, defineConfig } from 'sojourn';
  const agent = defineAgent(async function* () {
    yield '${name} begins';
    await there('go-${name}');
    yield ', ${name} ends';
  });
  export default defineConfig({ agents: { mine: { ...agent, ${open} } } });
`;

let server: ContractServer;

beforeAll(async () => {
  server = await ContractServer.start(config('first'));
});
afterAll(() => server.close());

async function changed(text: string, remark = 'The config changed: '): Promise<void> {
  server.remarks.text = '';
  server.write('sojourn.config.ts', text);
  await server.remarks.says(remark);
}

/** A config whose turns end at once. */
async function given(name: string): Promise<void> {
  server.write(`go-${name}`, '');
  await changed(config(name));
}

test('a change under a running turn lets it end on the old instance, and the next runs on the new one', async () => {
  await changed(config('old'));
  const { body: first } = await server.send('chat', 'hello');
  await server.until('chat', ({ kind }) => kind === 'text.delta');
  const before = await server.session('chat');

  await given('new');
  const during = await server.session('chat');
  const { body: second } = await server.send('chat', 'and now?');
  server.write('go-old', '');
  await server.idle('chat');

  expect(before).toMatchObject({ state: 'running', dirty: false });
  expect(during).toMatchObject({ state: 'running', dirty: true, generation: before.generation });
  const turn = async (id: string) => (await server.get(`/v1/sessions/chat/turns/${id}`)).body;
  expect(await turn(first.turn)).toMatchObject({ outcome: 'completed', text: 'old begins, old ends' });
  expect(await turn(second.turn)).toMatchObject({ outcome: 'completed', text: 'new begins, new ends' });
  const after = await server.session('chat');
  expect(after).toMatchObject({ state: 'idle', live: true, dirty: false });
  expect(after.generation).toBeGreaterThan(before.generation);
  const kinds = (await server.events('chat')).map(({ kind }) => kind);
  expect(kinds.filter((kind) => /turn\.(started|ended)|remade/.test(kind))).toEqual([
    'turn.started',
    'turn.ended',
    'session.remade',
    'turn.started',
    'turn.ended',
  ]);
});

test('a replacement that cannot be made leaves the old one at work, still dirty, and says so', async () => {
  await given('good');
  await server.say('unlucky', 'hello');
  await changed(config('bad', `open() { throw new Error('no luck'); },`));

  const turn = await server.say('unlucky', 'still there?');
  const session = await server.session('unlucky');
  const [remade] = (await server.events('unlucky')).filter(({ kind }) => kind === 'session.remade');
  await given('better');
  const next = await server.say('unlucky', 'and now?');

  expect(turn).toMatchObject({ outcome: 'completed', text: 'good begins, good ends' });
  expect(session).toMatchObject({ live: true, dirty: true });
  expect(remade?.body).toMatchObject({ reason: 'config_changed', error: expect.stringContaining('no luck') });
  expect((await server.get('/v1/stats')).body.remakeFailed).toBe(1);
  expect(next.text).toBe('better begins, better ends');
  expect((await server.session('unlucky')).dirty).toBe(false);
});

test('a config that is wrong is not taken up at all, and the one after it is', async () => {
  await given('right');
  await changed('export default {', 'not taken up');

  const kept = await server.say('typo', 'hello');
  await given('mended');

  expect(kept.text).toBe('right begins, right ends');
  expect((await server.say('typo', 'hello')).text).toBe('mended begins, mended ends');
});

test('marking by key, by agent, by project or all of them reaches the live sessions that are meant', async () => {
  await given('marked');
  await server.say('here', 'hello');
  await server.say('there', 'hello');
  const { live } = (await server.get('/v1/stats')).body;
  const marked = async (call: object): Promise<number> =>
    (await server.call('POST', '/v1/dirty', { reason: 'asked', ...call })).body.marked as number;

  expect(await marked({ key: 'here' })).toBe(1);
  expect([(await server.session('here')).dirty, (await server.session('there')).dirty]).toEqual([
    true,
    false,
  ]);
  expect(await marked({ key: 'nobody' })).toBe(0);
  expect(await marked({ agent: 'nobody' })).toBe(0);
  expect(await marked({ project: 'elsewhere' })).toBe(0);
  for (const all of [{}, { agent: 'mine' }, { project: 'default' }]) expect(await marked(all)).toBe(live);
});
