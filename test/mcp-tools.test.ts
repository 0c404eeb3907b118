// What the tools say of themselves: all that a model knows of Sojourn before it uses it.
import { describe, expect, test } from 'vitest';
import { allTools } from '../src/face/mcp/open.ts';
import { COMMON_CODES } from '../src/face/mcp/tool.ts';
import { ERRORS } from '../src/kernel/errors.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { systemIds } from '../src/kernel/ids.ts';
import { serve, type Era, type Loose } from './mcp-support.ts';

const tools = allTools({ clock: systemClock, ids: systemIds });

describe('a tool', () => {
  test('says what it said before, unless somebody meant to change it', async () => {
    const said = tools.map(({ listed }) => {
      const { name, title, description, inputSchema, annotations } = listed;
      return `# ${name}: ${title}\n\n${description}\n\n${JSON.stringify({ inputSchema, annotations }, null, 2)}\n`;
    });

    await expect(said.join('\n')).toMatchFileSnapshot('./mcp-tools.snapshot.txt');
  });

  test.each(tools.map((tool) => [tool.name, tool] as const))(
    '(%s) says when to use it and when not, and every code that it may answer',
    (_name, { listed, codes }) => {
      const { description = '' } = listed;

      expect(description).toMatch(/\bUse it\b/);
      expect(description).toMatch(/\b(Not |not |Never |never |Needs no |only to )/);
      for (const code of codes) expect(description).toContain(`\`${code}\``);
      expect(codes).toEqual(expect.arrayContaining([...COMMON_CODES]));
      expect(new Set(codes).size).toBe(codes.length);
    },
  );

  test('sorts its codes by whether trying again can help', () => {
    for (const { listed, codes } of tools) {
      const [, stop = '', retry = ''] =
        /not succeed after: (.*)\. Try again in a while after: (.*)\./.exec(listed.description ?? '') ?? [];
      for (const code of codes) expect(ERRORS[code].next === 'stop' ? stop : retry).toContain(`\`${code}\``);
    }
  });

  test('explains every argument that it takes', () => {
    const unexplained = tools.flatMap(({ name, listed }) =>
      Object.entries<Loose>((listed.inputSchema as Loose).properties ?? {})
        .filter(([, schema]) => typeof schema.description !== 'string')
        .map(([argument]) => `${name}: ${argument}`),
    );

    expect(unexplained).toEqual([]);
  });

  test('takes its handles as arguments, so that nothing hangs on a connection', () => {
    const takes = (argument: string): string[] =>
      tools
        .filter(({ listed }) => argument in ((listed.inputSchema as Loose).properties ?? {}))
        .map(({ name }) => name);

    expect(takes('sign_in')).toEqual(['post_timeline', 'sign_out']);
    expect(takes('session')).toEqual(
      expect.arrayContaining([
        'send_message',
        'wait_for_turn',
        'read_events',
        'read_back',
        'cancel_turn',
        'answer_request',
      ]),
    );
  });
});

describe.each<Era>(['modern', 'legacy'])('a client of the %s era', (era) => {
  test('is shown all tools, always in the same order, and how they work together', async () => {
    const client = await (await serve()).client(era);

    const [first, second] = [await client.listTools(), await client.listTools()];

    expect(first.tools.map(({ name }) => name)).toEqual([
      'sign_in',
      'post_timeline',
      'read_timeline',
      'sign_out',
      'list_agents',
      'start_session',
      'list_sessions',
      'read_events',
      'read_back',
      'close_session',
      'send_message',
      'wait_for_turn',
      'cancel_turn',
      'answer_request',
    ]);
    expect(second).toEqual(first);
    expect(client.getInstructions()).toContain('start_session once, then send_message');
  });
});
