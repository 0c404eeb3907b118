// MemoryIdentities: identities and sign-ins of a memory disk.
import type { Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type {
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

export function memoryIdentities(disk: MemoryDisk, { read, write }: MemoryAccess): IdentityStore {
  const { identities, signIns } = disk;
  const all = (): SignInRow[] => [...signIns.values()];
  const find = (project: string, is: (row: IdentityRow) => boolean): IdentityRow | undefined =>
    [...identities.values()].find((row) => row.project === project && is(row));
  const end = (why: SignInEnd, at: Millis, rows: readonly SignInRow[]): string[] =>
    rows
      .filter((row) => row.end === null)
      .map((row) => {
        Object.assign(row, { end: why, endedAt: at });
        return row.id;
      });
  const endOthers = ({ id, owner }: IdentityRow, at: Millis): string[] =>
    end(
      'claimed',
      at,
      all().filter((row) => row.identity === id && row.owner !== owner),
    );
  const identified = (signIn: SignInRow): IdentifiedSignIn[] => {
    const identity = identities.get(signIn.identity);
    return identity === undefined ? [] : [{ signIn: { ...signIn }, identity: { ...identity } }];
  };

  return {
    signIn: (call) => write(() => signInOn(disk, call, endOthers)),
    byHash: (hash) =>
      read(() => {
        const row = all().find((signIn) => signIn.hash === hash);
        return (row && identified(row)[0]) ?? null;
      }),
    touch: (touches) =>
      write(() => {
        for (const { id, at } of touches) {
          const row = signIns.get(id);
          if (row === undefined || row.end !== null) continue;
          row.lastActiveAt = Math.max(row.lastActiveAt, at);
          const identity = identities.get(row.identity);
          if (identity !== undefined) identity.lastActiveAt = Math.max(identity.lastActiveAt, at);
        }
      }),
    end: (project, id, why, at) =>
      write(() => {
        const rows = all().filter((row) => row.project === project && row.id === id);
        return end(why, at, rows).length > 0;
      }),
    endDue: ({ activeSince, now }, limit) =>
      write(() => {
        const open = all().filter((row) => row.end === null);
        const old = open.filter((row) => row.expiresAt < now).slice(0, limit);
        const expired = end('expired', now, old);
        const idle = open.filter((row) => row.end === null && row.lastActiveAt < activeSince);
        return [...expired, ...end('idle', now, idle.slice(0, limit - expired.length))];
      }),
    forget: (endedBefore, limit) =>
      write(() => {
        const old = all().filter((row) => row.endedAt !== null && row.endedAt < endedBefore);
        for (const row of old.slice(0, limit)) signIns.delete(row.id);
        return Math.min(old.length, limit);
      }),
    signIns: (filter) => read(() => signInPage(all(), filter, identified)),
    countLive: (project, live) =>
      read(
        () =>
          all().filter((row) => (project === null || row.project === project) && isLive(row, live)).length,
      ),
    identity: (project, id) => read(() => copyOf(find(project, (row) => row.id === id))),
    identityByKey: (project, key) => read(() => copyOf(find(project, (row) => row.key === key))),
    identities: (filter) =>
      read(() => {
        const rows = [...identities.values()].filter(({ project }) => project === filter.project);
        const { page, nextCursor } = pageOf(rows, filter);
        return { identities: page.map((row) => ({ ...row })), nextCursor };
      }),
    setOwner: (project, id, owner, at) =>
      write(() => {
        const row = find(project, (known) => known.id === id);
        if (row === undefined) return null;
        row.owner = owner;
        return { identity: { ...row }, ended: owner === null ? [] : endOthers(row, at) };
      }),
  };
}

/** What may refuse it comes first. */
function signInOn(
  disk: MemoryDisk,
  call: NewSignIn,
  endOthers: (identity: IdentityRow, at: Millis) => string[],
): SignedIn {
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
  const ended = isClaim ? endOthers(identity, call.at) : [];
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

function signInPage(
  rows: readonly SignInRow[],
  filter: SignInFilter,
  identified: (row: SignInRow) => IdentifiedSignIn[],
): { signIns: readonly IdentifiedSignIn[]; nextCursor: string | null } {
  const { project, identity, live } = filter;
  const chosen = rows.filter(
    (row) =>
      row.project === project && (identity === undefined || row.identity === identity) && isLive(row, live),
  );
  const { page, nextCursor } = pageOf(chosen, filter);
  return { signIns: page.flatMap(identified), nextCursor };
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

const copyOf = (row: IdentityRow | undefined): IdentityRow | null => (row === undefined ? null : { ...row });
