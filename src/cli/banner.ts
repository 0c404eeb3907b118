// Banner: what a server says when it is there. For people: where it is, and three things to try. With `--json`: one line.
import { relative } from 'node:path';
import type { AgentChoice } from './agent-choice.ts';
import { COMMAND, shellWord } from './command-name.ts';
import { dataFolder, tokenFile } from './place.ts';
import type { Screen } from './screen.ts';
import type { Serving } from './serving.ts';
import type { World } from './world.ts';

export interface Announcement {
  serving: Pick<Serving, 'urls' | 'newToken'>;
  agents: AgentChoice;
  folder: string;
  configFile: string | undefined;
}

export function announce(world: World, screen: Screen, announcement: Announcement): void {
  const { serving, agents, folder, configFile } = announcement;
  const [url = ''] = serving.urls;
  if (screen.json) {
    screen.value({
      event: 'listening',
      url,
      urls: serving.urls,
      data: folder,
      token: tokenFile(folder),
      agents: Object.keys(agents.agents),
      defaultAgent: agents.defaultAgent,
      config: configFile ?? null,
      pid: process.pid,
    });
    return;
  }
  const token = shortPath(world, tokenFile(folder));
  const others = Object.keys(agents.agents).filter((name) => name !== agents.defaultAgent);
  const bold = (text: string): string => screen.style('bold', text);
  screen.line(`\n${bold('Sojourn')} listens on ${bold(url)}\n`);
  screen.line(
    `  agent  ${agents.defaultAgent} (${agents.description})${others.length > 0 ? `; also ${others.join(', ')}` : ''}`,
  );
  screen.line(`  data   ${folder}`);
  screen.line(`  token  ${token}${serving.newToken ? ' (made just now)' : ''}`);
  screen.line(`  pid    ${process.pid}`);
  if (configFile !== undefined) screen.line(`  config ${shortPath(world, configFile)}`);
  if (agents.warning !== undefined) screen.warn(`\n${agents.warning}`);
  // Whoever has not said where the data is looks beside themselves.
  const place = folder === dataFolder({ ...world, env: {} }) ? '' : ` --data ${shellWord(folder)}`;
  screen.line(`\nTry:\n\n  ${COMMAND} chat${place}\n`);
  // A session stays with its agent: another agent gets another session to try.
  const key = encodeURIComponent(`hello-${agents.defaultAgent}`);
  screen.line(`  curl ${url}/v1/sessions/${key}/turns -H 'Prefer: wait=10' \\`);
  screen.line(
    `    -H "Authorization: Bearer $(cat ${shellWord(token)})" -H 'Content-Type: application/json' \\`,
  );
  screen.line(`    -d '{"input": "Hello"}'\n`);
  screen.line(`  ${url}/docs\n`);
}

function shortPath(world: World, path: string): string {
  const short = relative(world.cwd, path);
  return short.startsWith('..') ? path : short;
}
