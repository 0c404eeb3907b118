// Nesting: how much a JSON text would unfold to, told before it is parsed and before anything walks it.

/** Of arrays and objects, wherever the signs stand; counts no further than `max` + 1. */
export function bracketsIn(text: string, max: number): number {
  let count = 0;
  for (const bracket of ['[', '{']) {
    for (let at = text.indexOf(bracket); at >= 0 && count <= max; at = text.indexOf(bracket, at + 1))
      count += 1;
  }
  return count;
}

/** It has more than so many levels below it. */
export function isDeep(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const member of Object.values(value)) if (isDeep(member, levels - 1)) return true;
  return false;
}
