// Overview: the agents a server has, and how it fares.
import type { Command } from 'commander';
import type { AgentView } from '../wire/calls.ts';
import { desk } from './desk.ts';
import { table } from './screen.ts';
import type { World } from './world.ts';

export function addOverview(program: Command, world: World): void {
  program
    .command('agents')
    .description('list the registered agents')
    .action(async (_options: object, command: Command) => {
      const { screen, server } = desk(world, command);
      const agents = await server.agents();
      if (screen.json) for (const agent of agents) screen.value(agent);
      else screen.line(table([['AGENT', '', 'CAN'], ...agents.map(row)]));
    });

  program
    .command('stats')
    .description('show what the server does and has done')
    .action(async (_options: object, command: Command) => {
      const { screen, server } = desk(world, command);
      const stats = await server.stats();
      screen.result(stats, () => table(lines(stats, '')));
    });
}

function row(agent: AgentView): string[] {
  const { rerun, ...can } = agent.capabilities;
  const abilities = Object.entries(can).flatMap(([name, has]) => (has ? [name] : []));
  return [agent.name, agent.default ? 'default' : '', [`rerun ${rerun}`, ...abilities].join(', ')];
}

function lines(value: object, lead: string): string[][] {
  return Object.entries(value).flatMap(([name, part]: [string, unknown]) =>
    typeof part === 'object' && part !== null
      ? lines(part, `${lead}${name}.`)
      : [[`${lead}${name}`, typeof part === 'number' ? figure(part) : String(part)]],
  );
}

/** More digits than three behind the point are noise to a person. */
const figure = (value: number): string => String(Math.round(value * 1_000) / 1_000);
