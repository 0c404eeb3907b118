// MemoryIdentities: identities and sign-ins of a memory disk.
import type { Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type {
  DueSignIns,
  IdentifiedSignIn,
  IdentityFilter,
  IdentityRow,
  IdentityStore,
  LiveBounds,
  NewSignIn,
  SignedIn,
  SignInEnd,
  SignInFilter,
  SignInRow,
} from '../../store/store.ts';
import type { MemoryDisk } from './disk.ts';

/** How the store reads and writes: refused when it is closed, unheard of when it has crashed. */
export interface MemoryAccess {
  read: <Result>(run: () => Result) => Promise<Result>;
  write: <Result>(run: () => Result) => Promise<Result>;
}

const PAGE_MAX = 200;

/** What was signed in with a token ends with it. */
export function endOfToken(disk: MemoryDisk, token: string, at: Millis): void {
  for (const row of disk.signIns.values())
    if (row.token === token && row.end === null) Object.assign(row, { end: 'revoked', endedAt: at });
}

export class MemoryIdentities implements IdentityStore {
  readonly #disk: MemoryDisk;
  readonly #access: MemoryAccess;

  constructor(disk: MemoryDisk, access: MemoryAccess) {
    this.#disk = disk;
    this.#access = access;
  }

  signIn(call: NewSignIn): Promise<SignedIn> {
    return this.#access.write(() => signInOn(this.#disk, call));
  }

  byHash(hash: string): Promise<IdentifiedSignIn | null> {
    return this.#signIn((row) => row.hash === hash);
  }

  byId(id: string): Promise<IdentifiedSignIn | null> {
    return this.#signIn((row) => row.id === id);
  }

  #signIn(is: (row: SignInRow) => boolean): Promise<IdentifiedSignIn | null> {
    return this.#access.read(() => {
      const [found] = this.#rows(is).flatMap((row) => identified(this.#disk, row));
      return found ?? null;
    });
  }

  touch(touches: readonly { id: string; at: Millis }[]): Promise<void> {
    return this.#access.write(() => {
      for (const { id, at } of touches) {
        const row = this.#disk.signIns.get(id);
        if (row === undefined || row.end !== null) continue;
        row.lastActiveAt = Math.max(row.lastActiveAt, at);
        const identity = this.#disk.identities.get(row.identity);
        if (identity !== undefined) identity.lastActiveAt = Math.max(identity.lastActiveAt, at);
      }
    });
  }

  end(project: string, id: string, why: SignInEnd, at: Millis): Promise<boolean> {
    return this.#access.write(() => {
      const rows = this.#rows((row) => row.project === project && row.id === id);
      return end(why, at, rows).length > 0;
    });
  }

  endDue({ activeSince, now }: LiveBounds, limit: number): Promise<DueSignIns> {
    return this.#access.write(() => {
      const old = this.#rows((row) => row.end === null && row.expiresAt < now);
      const expired = end('expired', now, old.slice(0, limit));
      const idle = this.#rows((row) => row.end === null && row.lastActiveAt < activeSince);
      return { expired, idle: end('idle', now, idle.slice(0, limit - expired.length)) };
    });
  }

  forget(endedBefore: Millis, limit: number): Promise<number> {
    return this.#access.write(() => {
      const old = this.#rows((row) => row.endedAt !== null && row.endedAt < endedBefore).slice(0, limit);
      for (const row of old) this.#disk.signIns.delete(row.id);
      return old.length;
    });
  }

  signIns(filter: SignInFilter): ReturnType<IdentityStore['signIns']> {
    const { project, identity, live } = filter;
    return this.#access.read(() => {
      const rows = this.#rows(
        (row) =>
          row.project === project &&
          (identity === undefined || row.identity === identity) &&
          isLive(row, live),
      );
      const { page, nextCursor } = pageOf(rows, filter);
      return { signIns: page.flatMap((row) => identified(this.#disk, row)), nextCursor };
    });
  }

  countLive(project: string | null, live: LiveBounds): Promise<number> {
    return this.#access.read(
      () => this.#rows((row) => (project === null || row.project === project) && isLive(row, live)).length,
    );
  }

  identity(project: string, id: string): Promise<IdentityRow | null> {
    return this.#identity((row) => row.project === project && row.id === id);
  }

  identityByKey(project: string, key: string): Promise<IdentityRow | null> {
    return this.#identity((row) => row.project === project && row.key === key);
  }

  #identity(is: (row: IdentityRow) => boolean): Promise<IdentityRow | null> {
    return this.#access.read(() => {
      const row = [...this.#disk.identities.values()].find(is);
      return row === undefined ? null : { ...row };
    });
  }

  identities(filter: IdentityFilter): ReturnType<IdentityStore['identities']> {
    return this.#access.read(() => {
      const rows = [...this.#disk.identities.values()].filter(({ project }) => project === filter.project);
      const { page, nextCursor } = pageOf(rows, filter);
      return { identities: page.map((row) => ({ ...row })), nextCursor };
    });
  }

  setOwner(
    project: string,
    id: string,
    owner: string | null,
    at: Millis,
  ): ReturnType<IdentityStore['setOwner']> {
    return this.#access.write(() => {
      const row = this.#disk.identities.get(id);
      if (row?.project !== project) return null;
      row.owner = owner;
      return { identity: { ...row }, ended: owner === null ? [] : endOthers(this.#disk, row, at) };
    });
  }

  removeIdentity(project: string, id: string): Promise<readonly string[] | null> {
    return this.#access.write(() => {
      if (this.#disk.identities.get(id)?.project !== project) return null;
      this.#disk.identities.delete(id);
      const own = this.#rows((row) => row.identity === id);
      for (const row of own) this.#disk.signIns.delete(row.id);
      return own.filter((row) => row.end === null).map((row) => row.id);
    });
  }

  #rows(is: (row: SignInRow) => boolean): SignInRow[] {
    return [...this.#disk.signIns.values()].filter(is);
  }
}

function end(why: SignInEnd, at: Millis, rows: readonly SignInRow[]): string[] {
  const open = rows.filter((row) => row.end === null);
  for (const row of open) Object.assign(row, { end: why, endedAt: at });
  return open.map(({ id }) => id);
}

function endOthers(disk: MemoryDisk, { id, owner }: IdentityRow, at: Millis): string[] {
  const others = [...disk.signIns.values()].filter((row) => row.identity === id && row.owner !== owner);
  return end('claimed', at, others);
}

function identified(disk: MemoryDisk, signIn: SignInRow): IdentifiedSignIn[] {
  const identity = disk.identities.get(signIn.identity);
  return identity === undefined ? [] : [{ signIn: { ...signIn }, identity: { ...identity } }];
}

/** What may refuse it comes first. */
function signInOn(disk: MemoryDisk, call: NewSignIn): SignedIn {
  const { project, key } = call.identity;
  const { owner, token } = call.signIn;
  const made = [...disk.tokens.values()].find((row) => row.id === token);
  if (token !== null && made === undefined)
    throw new SojournError('auth.required', 'The token was revoked meanwhile');
  const own = [...disk.identities.values()].filter((row) => row.project === project);
  const known = own.find((row) => row.key === key);
  const isClaim = call.claim && known?.owner === null;
  if (known === undefined) {
    if (own.length >= call.identitiesMax)
      throw new SojournError('identity.limit', `Project ${project} has ${own.length} identities`);
  } else {
    checkKnown(disk, call, known, isClaim);
  }

  const identity = known ?? {
    ...call.identity,
    owner: call.claim ? owner : null,
    maker: owner,
    createdAt: call.at,
    lastActiveAt: call.at,
  };
  identity.lastActiveAt = Math.max(identity.lastActiveAt, call.at);
  if (isClaim) identity.owner = owner;
  const ended = isClaim ? endOthers(disk, identity, call.at) : [];
  disk.identities.set(identity.id, identity);
  const signIn: SignInRow = {
    ...call.signIn,
    expiresAt: Math.min(call.signIn.expiresAt, made?.expiresAt ?? Infinity),
    project,
    identity: identity.id,
    createdAt: call.at,
    lastActiveAt: call.at,
    endedAt: null,
    end: null,
  };
  disk.signIns.set(signIn.id, signIn);
  return { signIn: { ...signIn }, identity: { ...identity }, made: known === undefined, ended };
}

function checkKnown(disk: MemoryDisk, call: NewSignIn, known: IdentityRow, isClaim: boolean): void {
  const { owner } = call.signIn;
  const live = [...disk.signIns.values()].filter(
    (row) => row.identity === known.id && isLive(row, call.live),
  );
  if (live.length >= call.signInsMax)
    throw new SojournError('sign-in.limit', `Identity ${known.id} has ${live.length} live sign-ins`);
  if (known.owner !== null && known.owner !== owner)
    throw new SojournError('identity.claimed', `Identity ${known.id} belongs to an owner`);
  if (isClaim && known.maker !== owner)
    throw new SojournError('identity.claimed', `Identity ${known.id} was made by somebody else`);
}

function isLive(row: SignInRow, { activeSince, now }: LiveBounds): boolean {
  return row.end === null && row.lastActiveAt >= activeSince && row.expiresAt >= now;
}

/** Newest first. The cursor is the id of the last one shown. */
function pageOf<Row extends { id: string }>(
  oldestFirst: readonly Row[],
  filter: IdentityFilter,
): { page: readonly Row[]; nextCursor: string | null } {
  const limit = Math.min(Math.max(Math.trunc(filter.limit), 1), PAGE_MAX);
  const rows = oldestFirst.toReversed();
  const after = filter.cursor === undefined ? -1 : rows.findIndex(({ id }) => id === filter.cursor);
  if (filter.cursor !== undefined && after < 0)
    throw new SojournError('cursor.invalid', 'The cursor of the list is none that was given out');
  const page = rows.slice(after + 1, after + 1 + limit);
  const more = rows.length > after + 1 + limit;
  return { page, nextCursor: more ? (page.at(-1)?.id ?? null) : null };
}
