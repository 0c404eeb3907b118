// Words: what committed text may not say.
//
//   W1. What is left for later carries the number of an issue.
//   W2. Nothing names a path of somebody's machine, or the registry that somebody installs from.
import type { Source } from './source.ts';
import type { Finding, TreeFile } from './tree.ts';

const REMINDER = /\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))/;

const MACHINE: readonly { pattern: RegExp; what: string }[] = [
  {
    pattern: /(?<![\w.~-])\/(?:root|work|home\/[\w.-]+|Users\/[\w.-]+)\/[\w.]/,
    what: "a path of somebody's machine",
  },
  { pattern: /\b[A-Z]:\\Users\\/, what: "a path of somebody's machine" },
  { pattern: /\bregistry\s*=\s*["']?https?:/, what: 'a registry' },
  {
    pattern:
      /https?:\/\/(?!registry\.npmjs\.org\b)[^\s/"']*(?:registry|artifactory|nexus|verdaccio|mirror)[^\s/"']*/,
    what: 'a registry',
  },
  { pattern: /"resolved": "https?:\/\/(?!registry\.npmjs\.org\/)/, what: 'a registry' },
];

export function checkWords(tree: readonly TreeFile[], sources: readonly Source[]): readonly Finding[] {
  const findings: Finding[] = [];
  for (const source of sources) {
    for (const comment of source.comments) {
      const word = REMINDER.exec(comment.text)?.[1];
      if (word === undefined) continue;
      const message = `${word} without an issue number: write ${word}(#12), or do it`;
      findings.push({ rule: 'words', path: source.path, line: comment.line, message });
    }
  }
  for (const file of tree) {
    const lines = file.text.split('\n');
    for (const [index, line] of lines.entries()) {
      const found = MACHINE.find(({ pattern }) => pattern.test(line));
      if (found === undefined) continue;
      findings.push({ rule: 'words', path: file.path, line: index + 1, message: `names ${found.what}` });
    }
  }
  return findings;
}
