// `npm run tidy`: says what is against the rules of the house, and fails when anything is.
import { fileURLToPath } from 'node:url';
import { findingText, tidy } from './tidy.ts';
import { readTree } from './tree.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const findings = tidy(readTree(root));
for (const finding of findings) console.log(findingText(finding));
if (findings.length > 0) process.exitCode = 1;
