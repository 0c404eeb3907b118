// Chat: what is typed, and what becomes of it. How the session looks is the conversation's; where things stand on the
// terminal is the chat screen's.
//
//   T1. It follows the session and not the turn: whatever happens there is shown, whoever caused it.
//   T2. Typed lines are worked off in order, also while a turn runs; the policy decides what a message does then.
//   T3. Leaving stops no turn, and what was typed before is sent first; where that cannot be, it is said. Ctrl-C stops the turn and leaves the chat alone.
//   T4. A lost server is waited for, and said.
//   T5. When a pipe ends, the chat ends once all that it sent is answered.
import type { Command } from 'commander';
import type { Client, ConnectionChange, RemoteSession } from '../client/client.ts';
import { SojournError } from '../kernel/errors.ts';
import type { AnswerCall } from '../wire/calls.ts';
import type { Event } from '../wire/event.ts';
import type { SessionView } from '../wire/session.ts';
import { POLICIES, type Policy } from '../wire/turn.ts';
import { CHAT_HELP, commandOf } from './chat-command.ts';
import { chatScreen, type ChatScreen } from './chat-screen.ts';
import { COMMAND } from './command-name.ts';
import { Conversation, type OpenRequest } from './conversation.ts';
import { receiptText } from './event-text.ts';
import { EXIT, exitCodeOf, Quit, type ExitCode } from './exit.ts';
import { client, type PlaceOptions } from './place.ts';
import { errorText, Screen, visible } from './screen.ts';
import type { World } from './world.ts';

/** A restart of the server should not end a conversation. */
const RETRY_MS_MAX = 60 * 60 * 1_000;

export function addChat(program: Command, world: World): void {
  program
    .command('chat')
    .description('talk to an agent; /help in the chat says how')
    .argument('[key]', "the session; without one, the agent's own for this: chat-NAME")
    .option('--agent <name>', 'the agent, when this makes the session')
    .addHelpText('after', `\n${CHAT_HELP}`)
    .action(async (key: string | undefined, options: { agent?: string }, command: Command) => {
      const place = command.optsWithGlobals<PlaceOptions>();
      const { agent } = options;
      // A server that is not there at all is said at once; from then on it is waited for (T4).
      const first = client(world, place);
      const view = await first
        .session(key ?? `chat-${agent ?? (await defaultAgent(first))}`)
        .open(agent === undefined ? {} : { agent });
      const server = client(world, place, {
        retryMsMax: RETRY_MS_MAX,
        onConnection: (change) => chat.connection(change),
      });
      const chat = new Chat(world, new Screen(world, place.json === true), server, view);
      const code = await chat.run();
      if (code !== EXIT.ok) throw new Quit(code);
    });
}

/** A session stays with its agent, so that a chat with the next one begins in another. */
async function defaultAgent(server: Client): Promise<string> {
  const agents = await server.agents();
  return agents.find((agent) => agent.default)?.name ?? '';
}

type Leaving = 'no' | 'asked once' | 'when sent' | 'when answered';

class Chat {
  readonly #server: Client;
  readonly #session: RemoteSession;
  readonly #view: SessionView;
  readonly #output: Screen;
  readonly #screen: ChatScreen;
  readonly #conversation: Conversation;
  readonly #left = new AbortController();
  readonly #begun = Promise.withResolvers<void>();
  /** T2, from when it is known what runs and what is asked. Never rejects. */
  #work = this.#begun.promise;
  /** What is being sent, and the way to give up on it. */
  #sending: { done: Promise<unknown>; stop: AbortController } | undefined;
  #policy: Policy | undefined;
  #cancelling: string | undefined;
  #connection: ConnectionChange['state'] = 'back';
  #leaving: Leaving = 'no';
  /** Typed lines that are not worked off. */
  #waiting = 0;
  #code: ExitCode = EXIT.ok;

  constructor(world: World, output: Screen, server: Client, view: SessionView) {
    this.#server = server;
    this.#session = server.session(view.key);
    this.#view = view;
    this.#output = output;
    this.#screen = chatScreen(world, output, {
      line: (text) => this.#typed(text),
      interrupt: () => this.#interrupt(),
      end: () => this.#end(),
    });
    this.#conversation = new Conversation(this.#screen);
  }

  async run(): Promise<ExitCode> {
    const { key, agent, id, headSeq } = this.#view;
    const past = headSeq > 1 ? `${headSeq} events so far` : 'a new session';
    const signal = this.#left.signal;
    this.#screen.note(`${visible(key)} with ${agent}, ${past}; /help shows the commands`);
    try {
      const [turns, requests] = await Promise.all([
        this.#session.turns({ signal }),
        this.#server.requests({ signal }),
      ]);
      const after = this.#conversation.begin(this.#view, turns, requests);
      this.#begun.resolve();
      this.#prompt();
      for await (const event of this.#session.follow({ after, session: id, signal })) await this.#show(event);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#leaveWith(this.#code);
      this.#begun.resolve();
      await this.#work;
      this.#screen.close();
    }
    return this.#code;
  }

  /** T4 */
  connection(change: ConnectionChange): void {
    if (change.state === this.#connection) return;
    this.#connection = change.state;
    this.#screen.pause();
    this.#screen.note(
      change.state === 'lost' ? `connection lost (${change.error.code}); trying again…` : 'connected again',
    );
  }

  async #show(event: Event): Promise<void> {
    // Whether a message is our own is known once its receipt is here.
    if (event.kind === 'turn.accepted') await this.#sending?.done;
    if (this.#output.json) this.#output.value(event);
    this.#conversation.show(event);
    if (event.kind.startsWith('request.')) this.#prompt();
    // Before, what is asked may have been answered long ago.
    if (event.seq >= this.#view.headSeq) this.#leaveIfAnswered();
  }

  #typed(text: string): void {
    if (this.#leaving === 'asked once') this.#leaving = 'no';
    if (commandOf(text).kind === 'quit') return this.#leaveWhenSent();
    this.#waiting += 1;
    this.#work = this.#work
      .then(() => this.#act(text))
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  async #act(text: string): Promise<void> {
    const command = commandOf(text);
    switch (command.kind) {
      case 'nothing':
      case 'quit': // As it was typed.
        return;
      case 'help':
        return this.#screen.note(CHAT_HELP);
      case 'wrong policy':
        return this.#screen.note(
          `There is no policy ${JSON.stringify(command.name)}: ${POLICIES.join(', ')}`,
        );
      case 'policy':
        this.#policy = command.policy;
        if (command.text !== '') await this.#send(command.text);
        return this.#prompt();
      case 'cancel':
        return this.#cancel(command.all);
      case 'later': {
        const { request } = this.#conversation;
        if (request !== undefined) request.postponed = true;
        return this.#prompt();
      }
      case 'say': {
        const { request } = this.#conversation;
        return request === undefined ? this.#send(command.text) : this.#answer(request, command.text);
      }
    }
  }

  async #send(text: string): Promise<void> {
    const policy = this.#policy;
    this.#policy = undefined;
    this.#prompt();
    const stop = new AbortController();
    const sending = this.#session.send(text, {
      channel: 'cli',
      ...(policy === undefined ? {} : { policy }),
      signal: AbortSignal.any([stop.signal, this.#left.signal]),
    });
    const noted = sending.then((receipt) => this.#conversation.sent(receipt));
    this.#sending = { stop, done: noted.catch(() => undefined) };
    await noted;
    const receipt = await sending;
    if (this.#output.json) this.#output.value(receipt);
    else if (receipt.disposition !== 'started') this.#screen.note(receiptText(receipt));
  }

  async #answer(request: OpenRequest, text: string): Promise<void> {
    const call = answerOf(request, text.trim());
    if (call === undefined) return this.#screen.note('Answer yes, no or always; /later leaves it open.');
    await this.#session.answer(request.id, call, { signal: this.#left.signal });
    this.#conversation.answered(request);
    this.#prompt();
  }

  async #cancel(all: boolean): Promise<void> {
    const turn = this.#conversation.turn;
    const options = { reason: 'stopped in the chat', signal: this.#left.signal };
    if (all) await this.#session.cancel(options);
    else if (turn === undefined) this.#screen.note('Nothing runs.');
    else await this.#session.cancelTurn(turn, options);
  }

  /** Ctrl-C: stops the turn; with nothing to stop, or a second time, leaves (T3). */
  #interrupt(): void {
    if (this.#leaving === 'when sent') return this.#leaveWith(EXIT.interrupted);
    const turn = this.#conversation.turn;
    const reachable = this.#connection === 'back';
    if (turn !== undefined && turn !== this.#cancelling && reachable) {
      this.#cancelling = turn;
      this.#screen.note('cancelling…');
      this.#cancel(false).catch((error: unknown) => this.#report(error));
      return;
    }
    if (this.#leaving !== 'no') return this.#leaveWith(EXIT.interrupted);
    this.#leaving = 'asked once';
    this.#sending?.stop.abort(new SojournError('server.unreachable', 'Given up; it may have arrived'));
    this.#screen.note('Ctrl-C again, or Ctrl-D, leaves; turns go on.');
  }

  /** Ctrl-D on a terminal; the end of the pipe otherwise (T5). */
  #end(): void {
    if (this.#screen.terminal) return this.#leaveWhenSent();
    // Lines that were typed before are sent first.
    this.#work = this.#work.then(() => {
      this.#leaving = 'when answered';
      this.#leaveIfAnswered();
    });
  }

  /** T3 */
  #leaveWhenSent(): void {
    this.#leaving = 'when sent';
    this.#work = this.#work.then(() => this.#leaveWith(this.#code));
    this.#leaveIfLost();
  }

  /** Whoever leaves a terminal does not wait for a server that is away. */
  #leaveIfLost(): void {
    if (this.#screen.terminal && this.#connection === 'lost') this.#leaveWith(this.#code);
  }

  #leaveIfAnswered(): void {
    if (this.#leaving !== 'when answered') return;
    if (this.#conversation.asks) {
      this.#screen.note(`Nobody is here to answer; \`${COMMAND} approve\` does.`);
      this.#leaveWith(EXIT.later);
    } else if (this.#conversation.quiet) {
      this.#leaveWith(this.#code === EXIT.ok && this.#conversation.failed ? EXIT.failure : this.#code);
    }
  }

  #leaveWith(code: ExitCode): void {
    if (this.#left.signal.aborted) return;
    this.#code = code;
    if (this.#waiting > 0) {
      this.#screen.note('What was typed last may not have arrived.');
      if (code === EXIT.ok) this.#code = EXIT.later;
    }
    this.#left.abort();
  }

  #prompt(): void {
    const { request } = this.#conversation;
    if (request?.kind === 'approval') this.#screen.prompt('yes/no/always? ');
    else if (request !== undefined) this.#screen.prompt('answer? ');
    else this.#screen.prompt(this.#policy === undefined ? '» ' : `[${this.#policy}] » `);
  }

  #report(error: unknown): void {
    if (this.#left.signal.aborted) return;
    if (!(error instanceof SojournError)) {
      this.#left.abort(error);
      return;
    }
    this.#screen.pause();
    if (this.#screen.terminal) return this.#screen.note(errorText(error));
    this.#output.error(error);
    this.#code = exitCodeOf(error);
  }
}

function answerOf(request: OpenRequest, text: string): AnswerCall | undefined {
  if (request.kind === 'question') {
    const option = /^\d+$/.test(text) ? request.options?.[Number(text) - 1] : undefined;
    return { decision: 'allow', answer: option ?? text };
  }
  if (/^(y|yes|allow)$/i.test(text)) return { decision: 'allow' };
  if (/^(a|always)$/i.test(text)) return { decision: 'allow', remember: true };
  return /^(n|no|deny)$/i.test(text) ? { decision: 'deny' } : undefined;
}
