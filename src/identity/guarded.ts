// Guarded: a store whose every failure is an error of the table, with nothing of its innards in the text. What a foreign
// store throws may name statements and rows; that stays in the cause, for the log.
import { SojournError } from '../kernel/errors.ts';
import type { IdentityStore } from '../store/store.ts';

export function guarded(store: IdentityStore): IdentityStore {
  const guard =
    <Args extends unknown[], Result>(run: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      try {
        return await run(...args);
      } catch (error) {
        if (error instanceof SojournError) throw error;
        throw new SojournError('store.failed', 'The store could not answer', { cause: error });
      }
    };
  return {
    signIn: guard((call) => store.signIn(call)),
    byHash: guard((hash) => store.byHash(hash)),
    byId: guard((id) => store.byId(id)),
    touch: guard((touches) => store.touch(touches)),
    end: guard((project, id, why, at) => store.end(project, id, why, at)),
    endDue: guard((live, limit) => store.endDue(live, limit)),
    forget: guard((endedBefore, limit) => store.forget(endedBefore, limit)),
    signIns: guard((filter) => store.signIns(filter)),
    countLive: guard((project, live) => store.countLive(project, live)),
    identity: guard((project, id) => store.identity(project, id)),
    identityByKey: guard((project, key) => store.identityByKey(project, key)),
    identities: guard((filter) => store.identities(filter)),
    removeIdentity: guard((project, id) => store.removeIdentity(project, id)),
    setOwner: guard((project, id, owner, at) => store.setOwner(project, id, owner, at)),
  };
}
