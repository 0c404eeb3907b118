// Exit: what a script learns from the exit code.
import { ERRORS, SojournError } from '../kernel/errors.ts';

export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  later: 4,
  auth: 5,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_HELP = `
Exit codes:
  0    done
  1    it failed, or the turn ended otherwise than completed
  2    wrong usage, or a value the server refuses
  3    not found
  4    busy, in conflict or not reachable: try again later, or otherwise
  5    the token is missing, unknown or may not do this
  130  interrupted

Environment:
  SOJOURN_URL      the server, e.g. http://127.0.0.1:4242
  SOJOURN_TOKEN    its token; without it the data folder's
  SOJOURN_SIGN_IN  the sign-in that \`post\` speaks with; without it the data folder's
  SOJOURN_DATA     the data folder, ./.sojourn unless set
  PORT, HOST       where \`start\` and \`dev\` listen; their --help has what names a model
  NO_COLOR         no colours`;

/** Ends a command early. What there is to say has been said. */
export class Quit extends Error {
  readonly code: ExitCode;

  constructor(code: ExitCode) {
    super(`exit ${code}`);
    this.name = 'Quit';
    this.code = code;
  }
}

export function exitCodeOf(error: SojournError): ExitCode {
  const { http, next } = ERRORS[error.code];
  if (error.code === 'server.unexpected' || error.code === 'config.invalid') return EXIT.failure;
  if (http === 404) return EXIT.notFound;
  if (http === 401 || http === 403) return EXIT.auth;
  if (http === 409 || http === 429 || (http === 503 && next === 'retry')) return EXIT.later;
  return http >= 400 && http < 500 ? EXIT.usage : EXIT.failure;
}
