// Errors page: the table of error codes as docs/errors.md shows it.
import { ERRORS, type ErrorCode } from '../../src/kernel/errors.ts';
import { MEANINGS } from './meanings.ts';

const HEAD = `# Error codes

<!-- Made by \`npm run docs:errors\` from src/kernel/errors.ts and scripts/docs/meanings.ts. Edit those. -->

Every failure that a caller can act on is a \`SojournError\` with one of these codes. Match on \`code\`, never on text: messages name
the id, the limit and the value, and may change.

- \`next\` is \`retry\` when the same call may succeed later (\`retryAfterMs\` says when, where that is known), and \`stop\` when it will not until
  something changes.
- Over HTTP an error is \`application/problem+json\` with the status below. Its \`type\` is \`urn:sojourn:error:\` and the code, \`title\` is what to do,
  \`detail\` what happened here, and \`requestId\` finds it in the log.

| code | next | HTTP | what happened | what to do |
|---|---|---|---|---|
`;

export function errorsPage(): string {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  const rows = codes.map((code) => {
    const { next, http, fix } = ERRORS[code];
    return `| \`${code}\` | ${next} | ${http} | ${MEANINGS[code] ?? ''} | ${fix} |\n`;
  });
  return HEAD + rows.join('');
}
