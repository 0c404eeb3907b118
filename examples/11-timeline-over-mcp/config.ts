// The server of this example has one agent: OpenCode, to which it hands its own MCP server, as a command that the agent
// starts. SOJOURN_DATA is the data folder, in which that command finds the server and a token.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'sojourn';
import { openCode } from 'sojourn/agent/acp';
import { openCodeOptions } from '../10-sub-agents/agents.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const { SOJOURN_DATA = '', STORY_FOLDER = '', STORY_MODEL = '' } = process.env;

const sojourn = {
  name: 'sojourn',
  command: process.execPath, // Where Sojourn is installed: `npx`, with the words `sojourn mcp`.
  args: [MAIN, 'mcp'],
  env: [{ name: 'SOJOURN_DATA', value: SOJOURN_DATA }],
};

export default defineConfig({
  agents: {
    coder: openCode({
      ...openCodeOptions({ model: STORY_MODEL, page: '', folder: STORY_FOLDER }),
      mcpServers: [sojourn],
    }),
  },
});
