// Tidy: the rules of the house, as one function from files to findings. Each rule is a file beside this one.
import { checkDocuments } from './documents.ts';
import { checkDoors } from './doors.ts';
import { EXCEPTIONS } from './exceptions.ts';
import { checkLibraries } from './libraries.ts';
import { checkNames } from './names.ts';
import { checkOutside } from './outside.ts';
import { checkReach } from './reach.ts';
import { checkSize, type Exception } from './size.ts';
import { parseSources } from './source.ts';
import type { Finding, TreeFile } from './tree.ts';
import { checkWords } from './words.ts';
import { checkZones } from './zones.ts';

export function tidy(
  tree: readonly TreeFile[],
  exceptions: readonly Exception[] = EXCEPTIONS,
): readonly Finding[] {
  const { sources, findings } = parseSources(tree);
  return [
    ...findings,
    ...checkZones(sources),
    ...checkLibraries(tree, sources),
    ...checkOutside(sources),
    ...checkSize(sources, exceptions),
    ...checkNames(tree, sources),
    ...checkWords(tree, sources),
    ...checkReach(tree, sources),
    ...checkDoors(tree, sources),
    ...checkDocuments(tree),
  ];
}

export function findingText({ rule, path, line, message }: Finding): string {
  return `${path}${line === 0 ? '' : `:${line}`} [${rule}] ${message}`;
}
