// Advice: the way out of an error for somebody at a command line. Where nothing better is known here, the error's own.
import { ERRORS, type ErrorCode } from '../kernel/errors.ts';
import { COMMAND, START } from './command-name.ts';

const ADVICE: Partial<Record<ErrorCode, string>> = {
  'agent.unknown': `\`${COMMAND} agents\` lists those of this server; a session stays with the agent it was made for.`,
  'auth.required': "Name the server's data folder with --data: its token lies there; or set SOJOURN_TOKEN.",
  'input.invalid': 'Correct what the message names.',
  internal: 'This is a defect. Please report it, with what stands above.',
  'project.not_found': 'Leave --project out, or make the project first: POST /v1/projects.',
  'request.not_found': `\`${COMMAND} requests\` lists the open ones.`,
  'server.unreachable': `Start it with \`${START}\`, or name another with --url or SOJOURN_URL.`,
  'session.damaged': `\`${COMMAND} doctor\` says more; the other sessions are unaffected.`,
  'session.mismatch': `\`${COMMAND} show KEY\` says what it has; another key makes another session.`,
  'session.not_found': `\`${COMMAND} ls\` lists the sessions; a first message makes one.`,
  'store.damaged': `\`${COMMAND} doctor FOLDER\` says more.`,
  'store.failed': `See sojourn.log in the data folder; \`${COMMAND} doctor\` says more.`,
  'store.in_use': 'Use the server that is there, stop it, or name another folder with --data.',
  'token.not_found': `\`${COMMAND} token ls\` lists the tokens.`,
  'turn.not_found': `\`${COMMAND} tail KEY --no-follow --json\` has the ids of its turns.`,
};

export function adviceFor(code: ErrorCode): string {
  return ADVICE[code] ?? ERRORS[code].fix;
}
