// Mount: what one face serves under a path of another face's server, so that both share one door.
//
//   MO1. The server has named the caller, bounded the connection and checked Host and Origin before a mount hears of
//        a request. A mount reads nothing of a request that could grant anything.
//   MO2. A mount that closes takes no new calls and ends when its answers have, by themselves or cut off by the server; it
//        never ends work of the runtime.
import type { RuntimeCalls } from '../runtime/runtime.ts';
import type { Caller } from '../wire/access.ts';

export interface Mount {
  readonly name: string;
  readonly path: `/${string}`;
  open(runtime: RuntimeCalls): OpenMount;
}

export interface OpenMount {
  /** Documents that everyone may read, by path. `origin` is the one that the server was called under. */
  readonly documents: Readonly<Record<`/${string}`, (origin: string) => object>>;
  /** Of these, the one that says how to get a token: a refusal for want of one names it. */
  readonly tokenDocument: `/${string}`;
  answer(call: MountedCall): Promise<Response>;
  /** MO2. Idempotent. */
  close(): Promise<void>;
}

export interface MountedCall {
  /** Without its body. Its signal aborts once nobody waits any more, whatever the reason, also after the answer. */
  readonly request: Request;
  readonly requestId: string;
  readonly caller: Caller;
  /** Aborts only when the client itself goes away, or has its answer. */
  readonly left: AbortSignal;
  /** The body as JSON, within the bounds of the server. Throws `input.*`. */
  body(): Promise<unknown>;
}
