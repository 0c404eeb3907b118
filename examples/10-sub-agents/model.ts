// The model of this example: a server that answers as OpenAI and as Anthropic do, so that real agents need no key and
// always do the same. It knows three wishes, by the words they are made in.
import { LLMock, type ChatCompletionRequest } from '@copilotkit/aimock';

/** What each answer is said to have used. */
const USAGE = { input: 1_000, output: 20 };
/** Between two pieces of an answer. */
const PIECE_MS = 40;

type Message = ChatCompletionRequest['messages'][number];

export async function startModel(): Promise<LLMock> {
  const model = new LLMock({ port: 0, latency: PIECE_MS });
  model.addFixture({ match: { predicate: () => true }, response: answer });
  await model.start();
  return model;
}

function answer(request: ChatCompletionRequest) {
  const tools = (request.tools ?? []).map((tool) => tool.function.name);
  const wish = request.messages.findLast(
    (message) => message.role === 'user' && wishIn(message) !== undefined,
  );
  const call = wish === undefined ? undefined : callFor(wishIn(wish) ?? [], tools, request.messages);
  const usage = {
    prompt_tokens: USAGE.input,
    completion_tokens: USAGE.output,
    total_tokens: USAGE.input + USAGE.output,
    input_tokens: USAGE.input,
    output_tokens: USAGE.output,
  };
  if (call !== undefined)
    return { toolCalls: [{ name: call.name, arguments: JSON.stringify(call.input) }], usage };
  return { content: tools.length === 0 ? 'A title' : SAID, usage };
}

const SAID =
  'I have done what you asked for, looked at it once more from the beginning, and found nothing that is missing. Somebody else may go on from here.';

/** `write FILE`, `wait in DIR` or `read URL`, without the word before. */
function wishIn(message: Message): readonly string[] | undefined {
  return /Please (write|wait|read) ?(\S*)/.exec(textOf(message))?.slice(1);
}

function textOf({ content }: Message): string {
  return typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('\n');
}

/** The next tool to call for it; undefined where the tools have been used and the answer is due. */
function callFor(
  [verb, what = '']: readonly string[],
  tools: readonly string[],
  messages: readonly Message[],
): { name: string; input: object } | undefined {
  // Told to go on, after whoever ran it was killed, it begins again.
  const asked = messages.findLastIndex(
    (message) =>
      message.role === 'user' && (wishIn(message) !== undefined || /You were stopped/.test(textOf(message))),
  );
  const used = messages.slice(asked).filter((message) => message.role === 'tool').length;
  const has = (name: string): string | undefined => tools.find((tool) => tool.toLowerCase() === name);
  if (verb === 'write') return [writing(has('write'), what)][used];
  if (verb === 'wait') return [waiting(has('bash'))][used];
  return [reading(has('open'), { url: what }), reading(has('screenshot'), {})][used];
}

/** Agents call it differently: `Write` wants `file_path`, `write` wants `filePath`. */
function writing(name: string | undefined, path: string) {
  if (name === undefined) return undefined;
  const content = `// Written by an agent.\n`;
  return { name, input: name === 'Write' ? { file_path: path, content } : { filePath: path, content } };
}

function waiting(name: string | undefined) {
  if (name === undefined) return undefined;
  return { name, input: { command: 'tail -f /dev/null', description: 'Waits until it is stopped' } };
}

function reading(name: string | undefined, input: object) {
  return name === undefined ? undefined : { name, input };
}
