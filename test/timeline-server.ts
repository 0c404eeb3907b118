// A runtime with time moved by hand, behind the real face: for what takes days, or a store that is down.
import { connect, type Client } from '../src/client/client.ts';
import type { OpenFace } from '../src/face/face.ts';
import { http } from '../src/face/http/http.ts';
import { TestRuntime, testRuntime, type TestRuntimeOptions } from '../src/testing/test-runtime.ts';

export class TimelineServer {
  readonly world: TestRuntime;
  #face: OpenFace;
  #port: number;
  readonly token: string;

  private constructor(world: TestRuntime, face: OpenFace, token: string) {
    this.world = world;
    this.#face = face;
    this.#port = Number(new URL(face.urls[0] ?? '').port);
    this.token = token;
  }

  static async open(options: TestRuntimeOptions = {}): Promise<TimelineServer> {
    const world = await testRuntime(options);
    const face = await http({ port: 0 }).start(world.runtime);
    const { secret } = await world.runtime.addToken({
      name: 'all',
      scopes: ['read', 'send', 'operate', 'admin'],
    });
    return new TimelineServer(world, face, secret);
  }

  get face(): OpenFace {
    return this.#face;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** With the token, unless another is given. */
  client(token = this.token): Client {
    return connect({ url: this.url, token });
  }

  /** The token of a sign-in. */
  async signIn(name: string): Promise<string> {
    return (await this.world.runtime.signIns.signIn({ name })).token;
  }

  async restart(options: TestRuntimeOptions = {}): Promise<void> {
    await this.#face.close(0);
    await this.world.restart(options);
    this.#face = await http({ port: this.#port }).start(this.world.runtime);
  }

  async close(): Promise<void> {
    await this.#face.close(0);
    await this.world.close();
  }

  /** As any program would call it. */
  call(
    method: string,
    path: string,
    token: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }
}
