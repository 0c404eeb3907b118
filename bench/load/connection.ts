// Connection: one kept-alive HTTP/1.1 connection over a raw socket, one request at a time.
//
// It owns the bytes: it writes a request and takes a response apart (chunked or counted). It knows nothing of SSE.
// It exists because the load generator shares two cores with the server it measures: every microsecond it does not
// need is one the server gets. Bodies are ASCII by construction, so bytes and characters are the same count.
import { connect, type Socket } from 'node:net';

export interface Reply {
  status: number;
  body: string;
}

/** Called with the body so far, each time it has grown. */
export type OnGrow = (body: string) => void;

interface Pending {
  resolve(reply: Reply): void;
  reject(error: Error): void;
  onGrow: OnGrow | undefined;
}

/** Where in a response we are. `left` counts what is still to come of a body or a chunk. */
type Phase =
  | { kind: 'head' }
  | { kind: 'counted'; left: number }
  | { kind: 'size' }
  | { kind: 'chunk'; left: number };

export class Connection {
  readonly #host: string;
  readonly #port: number;
  #socket: Socket | undefined;
  #pending: Pending | undefined;
  #phase: Phase = { kind: 'head' };
  #unread = '';
  #status = 0;
  #body = '';
  #closes = false;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  /** `request` is a whole HTTP/1.1 request. Rejects when the connection breaks before the response is whole. */
  send(request: string, onGrow?: OnGrow): Promise<Reply> {
    const socket = this.#socket ?? this.#open();
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject, onGrow };
      this.#phase = { kind: 'head' };
      this.#body = '';
      this.#unread = '';
      this.#closes = false;
      socket.write(request, 'latin1');
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(): Socket {
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true });
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined;
      this.#fail(new Error('The connection closed before the response was whole'));
    });
    this.#socket = socket;
    return socket;
  }

  #fail(error: Error): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(error);
  }

  #read(text: string): void {
    if (this.#pending === undefined) return;
    this.#unread += text;
    const before = this.#body.length;
    let done: boolean | undefined;
    while (done === undefined) done = this.#step();
    if (this.#body.length > before) this.#pending?.onGrow?.(this.#body);
    if (done) this.#finish();
  }

  /** Takes one piece. True: the response is whole. False: more bytes are needed. Undefined: go on. */
  #step(): boolean | undefined {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'head':
        return this.#takeHead();
      case 'size': {
        const end = this.#unread.indexOf('\r\n');
        if (end < 0) return false;
        const left = Number.parseInt(this.#unread, 16);
        if (left === 0) return this.#unread.length >= end + 4;
        this.#unread = this.#unread.slice(end + 2);
        this.#phase = { kind: 'chunk', left };
        return undefined;
      }
      case 'chunk': {
        // The two bytes after a chunk belong to it.
        if (this.#unread.length < phase.left + 2) return false;
        this.#body += this.#unread.slice(0, phase.left);
        this.#unread = this.#unread.slice(phase.left + 2);
        this.#phase = { kind: 'size' };
        return undefined;
      }
      case 'counted': {
        this.#body += this.#unread;
        phase.left -= this.#unread.length;
        this.#unread = '';
        return phase.left <= 0;
      }
    }
  }

  #takeHead(): false | undefined {
    const end = this.#unread.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const head = this.#unread.slice(0, end).toLowerCase();
    this.#unread = this.#unread.slice(end + 4);
    this.#status = Number(head.slice(9, 12));
    this.#closes = head.includes('\r\nconnection: close');
    if (head.includes('\r\ntransfer-encoding: chunked')) this.#phase = { kind: 'size' };
    else this.#phase = { kind: 'counted', left: Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0) };
    return undefined;
  }

  #finish(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (this.#closes) this.close();
    pending?.resolve({ status: this.#status, body: this.#body });
  }
}
