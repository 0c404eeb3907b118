// Read-back calls: what was moved out of a session, for whoever may read that session. It wakes nothing.
import type { Caller } from '../wire/access.ts';
import type { ReadBack, ReadBackCall } from '../wire/context.ts';
import { rowOf } from './finding.ts';
import type { RuntimeHost } from './host.ts';

export class ReadBackCalls {
  readonly #host: RuntimeHost;

  constructor(host: RuntimeHost) {
    this.#host = host;
  }

  async readBack(
    key: string,
    call: ReadBackCall,
    options: { signal?: AbortSignal },
    caller: Caller,
  ): Promise<ReadBack> {
    const { num, project } = await rowOf(this.#host, caller, key);
    return this.#host.readingBack.read({ num, project }, call, options.signal);
  }
}
