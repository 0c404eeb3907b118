// Tokens: who a secret stands for, and who has to hear when it stands for nobody any more.
//
//   H1. Only the SHA-256 of a secret is kept. The secret is shown once, when it is made.
//   H2. Expiry is decided at every use, also of what is remembered; a removal is forgotten at once.
//   H3. A store that cannot answer throws: it never counts as "no".
import type { Clock, Timer } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Ids } from '../kernel/ids.ts';
import { hashOf, isSecret, mintSecret } from '../kernel/secret.ts';
import { timeText } from '../log/event.ts';
import type { ControlStore, TokenRow } from '../store/store.ts';
import { type Caller, SCOPES, type Scope, type TokenView } from '../wire/access.ts';
import type { TokenCall } from '../wire/calls.ts';

const PREFIX = 'soj_';
/** Tokens remembered between requests; at the bound the oldest is looked up again. */
const KNOWN_MAX = 1_000;
const NAME_POINTS_MAX = 100;

export class Tokens {
  readonly #store: ControlStore;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #known = new Map<string, { row: TokenRow; caller: Caller }>();
  /** Grows with every removal: what was looked up meanwhile is not remembered. */
  #removals = 0;
  readonly #watchers = new Map<string, Set<() => void>>();

  constructor(store: ControlStore, clock: Clock, ids: Ids) {
    this.#store = store;
    this.#clock = clock;
    this.#ids = ids;
  }

  async authenticate(secret: string): Promise<Caller | null> {
    if (!isSecret(PREFIX, secret)) return null;
    const digest = hashOf(secret);
    const known = this.#known.get(digest) ?? (await this.#look(digest));
    if (known === undefined) return null;
    if (this.#isOver(known.row)) return null; // H2
    return known.caller;
  }

  async add(project: string, call: TokenCall): Promise<TokenView & { secret: string }> {
    const secret = mintSecret(PREFIX, this.#ids);
    const now = this.#clock.now();
    const row: TokenRow = {
      id: this.#ids.id(),
      hash: hashOf(secret),
      name: checkName(call.name),
      scopes: checkScopes(call.scopes),
      project,
      owner: call.owner ?? null,
      createdAt: now,
      expiresAt: call.expiresAt === undefined ? null : checkExpiry(call.expiresAt, now),
    };
    await this.#store.addToken(row);
    return { ...tokenView(row), secret };
  }

  async list(project: string): Promise<TokenView[]> {
    const rows = await this.#store.tokens(project);
    return rows.filter((row) => !this.#isOver(row)).map(tokenView);
  }

  /** Throws `token.not_found`. Whoever watches it is told before this resolves. */
  async remove(project: string, id: string): Promise<void> {
    if (!(await this.#store.removeToken(project, id)))
      throw new SojournError('token.not_found', `No token ${id}`);
    this.#forget((row) => row.id === id);
    this.#tell(id);
  }

  /** A project went, and its tokens with it. */
  removedWith(project: string): void {
    for (const id of this.#forget((row) => row.project === project)) this.#tell(id);
  }

  /** Calls `ended` once when the token is removed or expires. */
  watch(caller: Caller, ended: () => void): () => void {
    const { token } = caller;
    if (token === null) return () => undefined;
    const row = [...this.#known.values()].find((known) => known.row.id === token)?.row;
    const watchers = this.#watchers.get(token) ?? new Set();
    this.#watchers.set(token, watchers);
    let timer: Timer | undefined;
    const stop = (): void => {
      timer?.cancel();
      watchers.delete(tell);
      if (watchers.size === 0 && this.#watchers.get(token) === watchers) this.#watchers.delete(token);
    };
    const tell = (): void => {
      stop();
      ended();
    };
    watchers.add(tell);
    if (typeof row?.expiresAt === 'number')
      timer = this.#clock.after(row.expiresAt - this.#clock.now() + 1, tell);
    return stop;
  }

  async #look(digest: string): Promise<{ row: TokenRow; caller: Caller } | undefined> {
    const removals = this.#removals;
    const row = await this.#store.tokenByHash(digest); // H3
    if (row === null) return undefined;
    const scopes = new Set(
      row.scopes.filter((scope): scope is Scope => (SCOPES as readonly string[]).includes(scope)),
    );
    const known = { row, caller: { token: row.id, project: row.project, owner: row.owner, scopes } };
    if (this.#removals !== removals) return this.#look(digest);
    if (this.#known.size >= KNOWN_MAX) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    this.#known.set(digest, known);
    return known;
  }

  #isOver(row: TokenRow): boolean {
    return row.expiresAt !== null && this.#clock.now() > row.expiresAt;
  }

  #forget(match: (row: TokenRow) => boolean): string[] {
    this.#removals += 1;
    const gone: string[] = [];
    for (const [digest, { row }] of this.#known) {
      if (!match(row)) continue;
      this.#known.delete(digest);
      gone.push(row.id);
    }
    return gone;
  }

  #tell(id: string): void {
    for (const tell of this.#watchers.get(id) ?? []) tell();
  }
}

function checkName(name: string): string {
  const points = Array.from(name).length;
  if (points < 1 || points > NAME_POINTS_MAX || /\p{Cc}/u.test(name)) {
    throw new SojournError(
      'input.invalid',
      `/name must have 1 to ${NAME_POINTS_MAX} characters and no control characters`,
    );
  }
  return name;
}

function checkScopes(scopes: readonly Scope[]): readonly Scope[] {
  const unknown = scopes.find((scope) => !SCOPES.includes(scope));
  if (scopes.length === 0 || unknown !== undefined) {
    throw new SojournError('input.invalid', `/scopes must name at least one of ${SCOPES.join(', ')}`);
  }
  return [...new Set(scopes)];
}

function checkExpiry(expiresAt: string, now: number): number {
  const ms = Date.parse(expiresAt);
  if (!(ms > now)) throw new SojournError('input.invalid', '/expiresAt must be a time to come, in RFC 3339');
  return ms;
}

function tokenView(row: TokenRow): TokenView {
  return {
    id: row.id,
    name: row.name,
    scopes: row.scopes as readonly Scope[],
    project: row.project,
    owner: row.owner,
    createdAt: timeText(row.createdAt),
    expiresAt: row.expiresAt === null ? null : timeText(row.expiresAt),
  };
}
