// Errors: one class, one table. A code says what the caller does next, how a face answers, and the way out.
// Match on `code`, never on text.

interface ErrorRow {
  /** `retry`: the same call may succeed later. `stop`: it will not until something changes. */
  next: 'stop' | 'retry';
  http: number;
  fix: string;
}

const stop = (http: number, fix: string): ErrorRow => ({ next: 'stop', http, fix });
const retry = (http: number, fix: string): ErrorRow => ({ next: 'retry', http, fix });

const TABLE = {
  // What the caller sent.
  'input.invalid_json': stop(400, 'Send UTF-8 JSON without a byte order mark.'),
  'input.invalid': stop(400, 'Correct the value at the pointer in the message.'),
  'input.unknown_field': stop(400, 'Remove the field, or check its spelling in /openapi.json.'),
  'input.forbidden_key': stop(400, 'Remove the key: it would change an object, not its content.'),
  'input.too_deep': stop(400, 'Flatten the body: at most 64 levels.'),
  'input.too_many_items': stop(400, 'Send fewer members: the message says how many are allowed.'),
  'input.too_large': stop(413, 'Send less, or pass large content as an attachment by URL.'),
  'input.media_type': stop(415, 'Send Content-Type: application/json, uncompressed.'),
  'input.method': stop(405, 'Use a method named in the Allow header.'),
  'input.timeout': retry(408, 'Send the whole body within 30 seconds.'),
  'input.uri_too_long': stop(414, 'Shorten the URL: at most 8 KiB.'),
  'input.headers': stop(431, 'Send at most 100 headers, 16 KiB together.'),
  'input.malformed': stop(400, 'Send well-formed HTTP/1.1, each deciding header once.'),
  'input.rate_limited': retry(429, 'Wait as long as Retry-After says.'),
  'route.not_found': stop(404, 'See /docs for the routes there are.'),
  'key.invalid': stop(
    400,
    'Use 1 to 512 bytes of well-formed text without control characters; not "." or "..".',
  ),
  'key.too_long': stop(400, 'Use a key of at most 512 bytes in UTF-8.'),
  'key.ill_formed': stop(400, 'Use text without lone surrogates.'),
  'cursor.invalid': stop(400, 'Use a cursor this server gave you.'),
  'cursor.ahead': stop(400, 'Ask from a seq at or below headSeq.'),
  'cursor.foreign': stop(404, 'Another session has this key now: start from seq 0.'),
  'idempotency.conflict': stop(422, 'Use a new Idempotency-Key for a new body.'),

  // Who the caller is.
  'auth.required': stop(
    401,
    'Send Authorization: Bearer with a live token; the first one is in the data folder.',
  ),
  'auth.scope': stop(403, 'Use a token with the scope named in the message.'),
  'auth.throttled': retry(429, 'Wait as long as Retry-After says, then use a valid token.'),
  'host.unknown': stop(
    421,
    'Call the server by an address it listens on, or allow the host when starting it.',
  ),
  'origin.forbidden': stop(403, 'Allow the origin when starting the server.'),

  // Sessions and turns.
  'session.not_found': stop(404, 'Check the key; a PUT or a first turn makes the session.'),
  'session.busy': retry(409, 'Wait for the running turn, or send with another policy.'),
  'session.closed': stop(409, 'Use another key, or erase this session to free its key.'),
  'session.exists': stop(409, 'Choose a key that no session has.'),
  'session.mismatch': stop(409, 'Leave the field out, or use another key.'),
  'session.damaged': stop(500, 'Run `sojourn doctor`; the other sessions are unaffected.'),
  'session.limit': retry(429, 'Make new sessions more slowly, or raise createPerMinute.'),
  'turn.not_found': stop(404, "Check the turn id in the session's turns."),
  'turn.suspended': stop(409, 'Let it pass: the turn goes on in a new attempt when the person has answered.'),
  'mailbox.full': retry(429, 'Wait until a queued turn has run.'),
  'request.not_found': stop(404, 'List the open ones with GET /v1/requests.'),
  'request.closed': stop(409, 'It was answered, expired or void already.'),
  'agent.unknown': stop(400, 'Use a name from GET /v1/agents.'),
  'agent.cannot_rewind': stop(409, 'This agent cannot forget a turn: use interrupt instead of rollback.'),
  'agent.cannot_fork': stop(409, 'This agent cannot start from a copied history.'),
  'agent.failed': stop(500, "See the turn's error; the session can be used again."),
  'agent.package_missing': stop(500, 'Install the package named in the message.'),
  'agent.model_unavailable': retry(503, 'Send the message again in a while.'),
  'agent.model_refused': stop(502, "Correct the model's key, name or settings, or what was sent to it."),
  'page.forbidden': stop(
    403,
    "Open a public http or https address, or allow the host in the agent's options.",
  ),
  'page.failed': stop(502, 'Check the address, or read the page again and use a ref that stands there now.'),
  'budget.exceeded': stop(409, "Raise the session's budget, or use another session."),
  'child.limit': stop(409, 'Close or await children, or raise the limit.'),
  'child.not_found': stop(404, 'List the children of this session; only those can be named.'),
  'child.cycle': stop(409, 'Let the agent that asks do this work: it stands above itself already.'),
  'child.depth': stop(409, 'Do this work in the session itself: children of children end here.'),

  // Processes that are started for a session.
  'tool.limit': retry(503, 'Wait until a session that uses one has left memory, or raise serversMax.'),
  'tool.unavailable': retry(502, 'Check the server named in the message; the next turn tries it again.'),
  'process.limit': retry(503, 'Wait until another one has ended, or raise processesMax.'),
  'process.missing': stop(500, 'Install the program named in the message, or correct its name.'),
  'process.failed': stop(500, 'See the message; check the program, its rights and the folder it starts in.'),

  // The runtime and its store.
  capacity: retry(503, 'All places are taken by running work; try again shortly or raise liveMax.'),
  'runtime.draining': retry(503, 'The server is shutting down; try again when it is back.'),
  'keeper.gone': retry(503, 'It was put away meanwhile; ask again.'),
  'keeper.hung': retry(503, 'Making or closing it did not end in time; ask again.'),
  'log.fenced': retry(503, 'Another owner has taken this session; ask again.'),
  'log.poisoned': retry(503, 'An earlier write of this session failed; ask again.'),
  'log.event_too_large': stop(413, 'Move large content into a tool result or an attachment.'),
  'store.full': retry(507, 'Free disk space; the server recovers by itself.'),
  'store.failed': retry(503, 'See the server log; run `sojourn doctor`.'),
  'store.in_use': stop(409, 'Stop the other process, or use another data folder.'),
  'store.schema': stop(500, 'Start the newer version that wrote this data folder.'),
  'store.damaged': stop(500, 'Run `sojourn doctor` on the data folder named in the message.'),
  'artifact.not_found': stop(404, 'Check the id in the event that refers to it.'),
  'artifact.range': stop(416, 'Ask for a range inside the artifact.'),
  'artifact.too_large': stop(413, 'Split it: an artifact holds at most 64 MiB.'),
  'artifact.quota': stop(
    507,
    'Erase what is not needed, or raise artifactBytesPerSessionMax or artifactBytesPerProjectMax.',
  ),
  'context.too_large': stop(
    413,
    'Send less at once, or attach it as a file: the rest of the working set is as small as it gets.',
  ),
  'read-back.invalid': stop(
    400,
    'Correct what the message names: a reference, a range, a pattern or a path.',
  ),
  'identity.not_found': stop(404, 'List the identities with GET /v1/identities.'),
  'identity.claimed': stop(403, "Sign in under another name, or with a token of the identity's owner."),
  'identity.limit': stop(409, 'Sign in as an identity there is, or raise identitiesMax.'),
  'sign-in.unknown': stop(401, 'Sign in, and use the token you are given.'),
  'sign-in.expired': stop(401, 'Sign in again.'),
  'sign-in.ended': stop(401, 'Sign in again, if you still may.'),
  'sign-in.not_found': stop(404, 'List the live sign-ins with GET /v1/sign-ins.'),
  'sign-in.limit': retry(429, 'Sign out what is not used, or wait until it has expired.'),
  'timeline.limit': retry(429, 'Post less often: wait as long as Retry-After says, or raise postsPerMinute.'),
  'timeline.pruned': stop(410, 'Posts behind this cursor are gone: read again without one.'),
  'token.not_found': stop(404, 'List the tokens with GET /v1/tokens.'),
  'project.not_found': stop(404, 'List the projects with GET /v1/projects.'),
  'project.exists': stop(409, 'Choose another name.'),
  'project.in_use': stop(409, 'Erase its sessions first.'),

  // What a client meets on its way to a server.
  'server.unreachable': retry(503, 'Start the server with `sojourn start`, or correct its address.'),
  'server.unexpected': stop(502, 'Check the address: what answers there does not speak this API.'),
  'cursor.gap': stop(500, 'Read the session again from seq 0, and report this as a defect.'),

  'config.invalid': stop(400, 'Correct the setting named in the message.'),
  internal: retry(500, 'This is a defect: report it with the requestId.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof TABLE;
export const ERRORS: Readonly<Record<ErrorCode, ErrorRow>> = TABLE;

export interface ErrorOptions {
  cause?: unknown;
  /** When trying again makes sense, where that is known. */
  retryAfterMs?: number;
}

/** `detail` may reach the caller: it names the id, the limit and the value. Anything secret belongs in `cause`. */
export class SojournError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, detail: string, options: ErrorOptions = {}) {
    super(
      `${code}: ${detail}. ${ERRORS[code].fix}`,
      'cause' in options ? { cause: options.cause } : undefined,
    );
    this.name = 'SojournError';
    this.code = code;
    this.detail = detail;
    this.retryAfterMs = options.retryAfterMs;
  }

  static is(error: unknown, code: ErrorCode): error is SojournError {
    return error instanceof SojournError && error.code === code;
  }
}

/** A broken promise of our own code: never caught to limp on. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new SojournError('internal', `Broken invariant: ${what}`);
}
