// Controlling: tokens and projects.
import type { TokenRow } from '../../store/store.ts';
import type { TestRunner } from '../agent-conformance.ts';
import type { OpenStore } from '../store-conformance.ts';
import { codeOf, Trial } from './trial.ts';

const token = (id: string, more: Partial<TokenRow> = {}): TokenRow => ({
  id,
  hash: `hash of ${id}`,
  name: id,
  scopes: ['read', 'send'],
  project: 'default',
  owner: null,
  createdAt: 1,
  expiresAt: null,
  ...more,
});

export function controlling({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'a token is found by the hash of its secret until it is removed, in its own project only',
    Trial.run(open, async (trial) => {
      const mine = token('mine', { owner: 'alice', expiresAt: 99 });
      await trial.store.addToken(mine);
      await trial.store.addToken(token('theirs', { project: 'other' }));

      expect(await trial.store.tokenByHash('hash of mine')).toEqual(mine);
      expect(await trial.store.tokens('default')).toEqual([mine]);
      expect(await trial.store.removeToken('other', 'mine')).toBe(false);
      expect(await trial.store.removeToken('default', 'mine')).toBe(true);
      expect(await trial.store.tokenByHash('hash of mine')).toBe(null);
    }),
  );

  test(
    'a project is made once, kept while it has sessions, and takes its tokens with it',
    Trial.run(open, async (trial) => {
      await trial.store.addProject('p', 5);
      await trial.store.addToken(token('t', { project: 'p' }));
      const { num } = await trial.make('a', { project: 'p' });

      expect(await trial.store.projects()).toEqual([{ name: 'p', createdAt: 5 }]);
      expect(await codeOf(trial.store.addProject('p', 6))).toBe('project.exists');
      expect(await codeOf(trial.store.removeProject('p'))).toBe('project.in_use');
      await trial.store.erase(num);
      expect(await trial.store.removeProject('p')).toBe(true);
      expect(await trial.store.removeProject('p')).toBe(false);
      expect(await trial.store.tokenByHash('hash of t')).toBe(null);
    }),
  );
}
