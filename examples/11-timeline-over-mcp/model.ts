// The model of this example: a server that answers as OpenAI does. It does what a model does that was asked to post: it
// signs in, posts with the token it was given, looks at the timeline, and signs out.
import { LLMock, type ChatCompletionRequest } from '@copilotkit/aimock';

type Message = ChatCompletionRequest['messages'][number];

export async function startModel(): Promise<LLMock> {
  const model = new LLMock({ port: 0 });
  model.addFixture({ match: { predicate: () => true }, response: answer });
  await model.start();
  return model;
}

/** What to say to it. */
export const wishFor = (name: string, context: string, content: string): string =>
  `Please post as ${name} of ${context}: ${content}`;

function answer({ messages, tools = [] }: ChatCompletionRequest) {
  const asked = messages.findLastIndex((message) => message.role === 'user' && WISH.test(textOf(message)));
  const [, name = '', context = '', content = ''] = WISH.exec(textOf(messages[asked])) ?? [];
  const names = tools.map((tool) => tool.function.name);
  if (asked === -1 || names.length === 0) return { content: 'A title' };
  const results = messages.slice(asked).filter(({ role }) => role === 'tool');
  const [signedIn, , read] = results.map(textOf);
  const token = { sign_in: /soj_in_[\w-]+/.exec(signedIn ?? '')?.[0] ?? 'There is none' };
  const next = [
    { tool: 'sign_in', input: { name, context } },
    { tool: 'post_timeline', input: { ...token, content } },
    { tool: 'read_timeline', input: {} },
    { tool: 'sign_out', input: token },
  ][results.length];
  if (next === undefined) return { content: `I have posted. The timeline has ${countIn(read)}.` };
  // OpenCode puts the name of the server before that of the tool.
  const tool = names.find((known) => known.endsWith(next.tool));
  if (tool === undefined) return { content: `I have no tool ${next.tool}.` };
  return { toolCalls: [{ name: tool, arguments: JSON.stringify(next.input) }] };
}

const WISH = /Please post as (\w+) of (\w+): ([^\n"]+)/;

function countIn(timeline = ''): string {
  const count = timeline.match(/"content":/g)?.length ?? 0;
  return count === 1 ? 'one post' : `${count} posts`;
}

function textOf(message: Message | undefined): string {
  const content = message?.content ?? '';
  return typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('\n');
}
