// Lists of identities and sign-ins, for whoever calls without a server.
import { expect, test } from 'vitest';
import { codeOf, SignInWorld } from './identity-world.ts';

test('a limit that is no number is refused, and any other is kept within bounds', async () => {
  const { signIns } = await SignInWorld.open();
  await signIns.signIn({ name: 'Hal' });
  await signIns.signIn({ name: 'Sal' });

  for (const limit of [Number.NaN, '2' as unknown as number, null as unknown as number]) {
    expect(await codeOf(signIns.identities('default', { limit }))).toBe('input.invalid');
    expect(await codeOf(signIns.list('default', { limit }))).toBe('input.invalid');
  }
  expect((await signIns.identities('default', { limit: -1 })).identities).toHaveLength(1);
  expect((await signIns.list('default', { limit: Infinity })).signIns).toHaveLength(2);
});
