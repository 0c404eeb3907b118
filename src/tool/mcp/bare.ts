// Bare: a schema without the words in it, for a tool whose words nobody has looked at.
//
//   B1. What stays is a list, not what goes: a keyword that we do not know may say anything to a model.
//   B2. Names of properties stay, or the tool could not be called at all; so do numbers, and pointers within the schema.
import type { Json, JsonObject } from '../../kernel/json.ts';

export function bare(schema: JsonObject): JsonObject {
  const names = isObject(schema['properties']) ? schema['properties'] : {};
  const kept: Record<string, Json> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    const stays = keyword === 'required' ? required(value, names) : KEPT.get(keyword)?.(value);
    if (stays !== undefined) kept[keyword] = stays;
  }
  const type = kept['type'] ?? typeOf(schema); // What it says first.
  return type === undefined ? kept : { type, ...kept };
}

type Kept = (value: Json) => Json | undefined;

const TYPES = new Set(['null', 'boolean', 'object', 'array', 'number', 'string', 'integer']);
const POINTER = /^#(?:\/[A-Za-z0-9_$.~%-]{1,64})*$/;

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const type: Kept = (value) => {
  const all = Array.isArray(value) ? value : [value];
  return all.length > 0 && all.every((each) => typeof each === 'string' && TYPES.has(each))
    ? value
    : undefined;
};
const count: Kept = (value) => (typeof value === 'number' ? value : undefined);
const flag: Kept = (value) => (typeof value === 'boolean' ? value : undefined);
const pointer: Kept = (value) => (typeof value === 'string' && POINTER.test(value) ? value : undefined);
const one: Kept = (value) => (isObject(value) ? bare(value) : flag(value));
const each: Kept = (value) => (Array.isArray(value) ? value.map((schema) => one(schema) ?? true) : undefined);
/** B2. By names that are not ours: a property may be called `default`. */
const named: Kept = (value) =>
  isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, one(schema) ?? true]))
    : undefined;

/** B1. */
const KEPT = new Map<string, Kept>([
  ['type', type],
  ['$ref', pointer],
  ...['properties', '$defs', 'definitions'].map((keyword) => [keyword, named] as const),
  ...['anyOf', 'oneOf', 'allOf', 'prefixItems'].map((keyword) => [keyword, each] as const),
  ...['items', 'additionalProperties', 'not', 'contains'].map((keyword) => [keyword, one] as const),
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'].map(
    (keyword) => [keyword, count] as const,
  ),
  ...['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'].map(
    (keyword) => [keyword, count] as const,
  ),
  ['uniqueItems', flag],
]);

/** Only what is a property: what is required of nobody could say anything. */
function required(value: Json, names: JsonObject): Json | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.filter((name) => typeof name === 'string' && Object.hasOwn(names, name));
}

/** Of the values it would allow, which themselves may be words. */
function typeOf({ enum: choices, const: only }: JsonObject): Json | undefined {
  const all = Array.isArray(choices) ? choices : only === undefined ? [] : [only];
  const types = new Set(all.map((value) => (typeof value === 'object' ? 'object' : typeof value)));
  const [first] = types;
  return types.size === 1 && first !== 'object' ? first : undefined;
}
