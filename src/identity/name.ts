// Name: what an identity is called, normalised once; everything else about it is derived from that.
//
//   N1. Trimmed, composed (NFC), counted in code points after that. Control characters, line breaks and marks that turn
//       the direction of text are refused; tag characters, which nobody sees, are removed.
//   N2. The key is the same for all spellings in another case, and for those that differ in invisible characters or in how
//       their spaces are made: nobody looks like somebody else by them. Otherwise two pairs of name and context never share
//       a key.
//   N3. The seed and the display name are for eyes. Nothing is looked up by them.
import { hash } from 'node:crypto';
import { SojournError } from '../kernel/errors.ts';

export interface IdentityName {
  name: string;
  context: string | null;
  displayName: string;
  key: string;
  avatarSeed: string;
}

export const NAME_POINTS_MAX = 100;
export const CONTEXT_POINTS_MAX = 200;
/** Longer text is refused before any work is done on it. */
const UNITS_MAX = 4_096;
const SEED_CHARS = 16;
const SPACES = /\p{Zs}+/gu;

const TAGS = /[\u{E0000}-\u{E007F}]/gu;
const REFUSED = /[\p{Cc}\u2028\u2029\p{Bidi_Control}]/u;
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;
/** More marks on one sign than any script needs. */
const PILE = /\p{M}{9}/u;

/** Throws `input.invalid`. Nothing is believed about the types of what is given. */
export function identityName(given: { name?: unknown; context?: unknown }): IdentityName {
  const name = normal('/name', given.name, NAME_POINTS_MAX);
  if (name === null) throw new SojournError('input.invalid', 'At "/name": a name is required');
  const { context: asked } = given;
  const context =
    asked === undefined || asked === null ? null : normal('/context', asked, CONTEXT_POINTS_MAX);
  const key = JSON.stringify([folded(name), context === null ? null : folded(context)]);
  return {
    name,
    context,
    displayName: displayName(name, context),
    key,
    avatarSeed: avatarSeed(key),
  };
}

export function displayName(name: string, context: string | null): string {
  return context === null ? name : `${name} - ${context}`;
}

export function avatarSeed(key: string): string {
  return hash('sha256', key).slice(0, SEED_CHARS);
}

/** N1. Null where nothing can be seen of it. */
function normal(pointer: string, given: unknown, pointsMax: number): string | null {
  const refusal = (what: string): SojournError =>
    new SojournError('input.invalid', `At "${pointer}": ${what}`);
  if (typeof given !== 'string') throw refusal('must be text');
  const tooLong = `must have at most ${pointsMax} characters`;
  if (given.length > UNITS_MAX) throw refusal(tooLong);
  if (!given.isWellFormed()) throw refusal('holds a lone surrogate');
  const text = given.replace(TAGS, '').trim().normalize('NFC');
  if (REFUSED.test(text)) throw refusal('must have no control characters, line breaks or direction marks');
  if (Array.from(text).length > pointsMax) throw refusal(tooLong);
  if (PILE.test(text)) throw refusal('piles too many marks on one sign');
  return folded(text) === '' ? null : text;
}

/** N2. Down, up and down again: some letters only meet there. */
function folded(text: string): string {
  const seen = text.replace(INVISIBLE, '').replace(SPACES, ' ').trim();
  return seen.toLowerCase().toUpperCase().toLowerCase().normalize('NFC');
}
