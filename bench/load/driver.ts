// Driver: the bench's handle on the load process.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { CallsFigures, CallsOrder, LoadReply, Order, TurnsFigures, TurnsOrder } from './load.ts';
import type { PostsFigures, PostsOrder } from './posts.ts';
import type { ReadersFigures, ReadersOrder } from './readers.ts';

export class Load {
  readonly #child: ChildProcess;
  readonly #gone: Promise<LoadReply>;

  constructor() {
    this.#child = fork(new URL('load.ts', import.meta.url), [], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#gone = once(this.#child, 'exit').then(() => ({ ok: false, error: 'The load process ended' }));
  }

  async turns(order: Omit<TurnsOrder, 'order'>): Promise<TurnsFigures> {
    return (await this.#obey({ order: 'turns', ...order })) as TurnsFigures;
  }

  async calls(order: Omit<CallsOrder, 'order'>): Promise<CallsFigures> {
    return (await this.#obey({ order: 'calls', ...order })) as CallsFigures;
  }

  async readers(order: Omit<ReadersOrder, 'order'>): Promise<ReadersFigures> {
    return (await this.#obey({ order: 'readers', ...order })) as ReadersFigures;
  }

  async posts(order: Omit<PostsOrder, 'order'>): Promise<PostsFigures> {
    return (await this.#obey({ order: 'posts', ...order })) as PostsFigures;
  }

  async close(): Promise<void> {
    if (!this.#child.connected) return;
    this.#child.disconnect();
    await this.#gone;
  }

  async #obey(order: Order): Promise<unknown> {
    const answered = new Promise<LoadReply>((resolve) => this.#child.once('message', resolve));
    this.#child.send(order);
    const reply = await Promise.race([answered, this.#gone]);
    if (!reply.ok) throw new Error(reply.error);
    return reply.figures;
  }
}
