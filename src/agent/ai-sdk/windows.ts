// Windows: how much of a prompt models read, where that is less than the runtime expects of any.
//
// Owns the table, by families of names as their makers document them. A model that is not in it has the runtime's own window: a
// larger one is not used by itself, since every token of a prompt costs time and money again at each step.

/** The window, and what its longest usual answer takes of it: providers refuse a prompt that leaves no room for that. */
const FAMILIES: readonly (readonly [names: RegExp, windowTokens: number, answerTokens: number])[] = [
  [/claude-(instant|2)/, 100_000, 4_096],
  [/claude/, 200_000, 64_000],
  [/gpt-5.*chat/, 128_000, 16_384],
  [/gpt-4(o|-turbo|\.5)/, 128_000, 16_384],
  [/gpt-4-32k/, 32_768, 4_096],
  [/gpt-4(-0|$)/, 8_192, 2_048],
  [/gpt-3\.5/, 16_385, 4_096],
  [/(^|\/)o1-(mini|preview)/, 128_000, 64_000],
  [/(^|\/)o[134](-|$)/, 200_000, 100_000],
];

/** Undefined for models that read as much as any, and for those nobody here knows. */
export function windowTokensOf(model: string): number | undefined {
  const name = model.toLowerCase();
  const known = FAMILIES.find(([names]) => names.test(name));
  return known === undefined ? undefined : known[1] - known[2];
}
