// Names of identities: normalised once, told apart without doubt, bounded by one rule. Where each trap is shown:
//
//   D-6   'no two pairs of name and context share a key, wherever their delimiters stand', 'a context called default is not the same as none'
//   D-7   'blanks around a name or a context are nobody', 'a blank context is no context', 'line breaks, control characters and direction marks are refused'
//   D-8   'lengths are counted in characters a person would count as code points, after trimming'
//   D-9   'what is no text is refused as an error with a code, whatever it is'
//   D-20  'the seed of an avatar is drawn from the key and is never looked up by'
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { identityName } from '../src/identity/name.ts';
import { SojournError } from '../src/kernel/errors.ts';

const nameOf = (name: unknown, context?: unknown) =>
  identityName(context === undefined ? { name } : { name, context });
const keyOf = (name: string, context?: string): string => nameOf(name, context).key;

function refusalOf(name: unknown, context?: unknown): [code: string, detail: string] {
  try {
    nameOf(name, context);
  } catch (error) {
    if (error instanceof SojournError) return [error.code, error.detail];
    throw error;
  }
  return ['none', ''];
}

describe('one identity', () => {
  test('is the same however its name is cased or composed', () => {
    const spellings = ['Zoë Straße', 'zoë STRASSE', 'ZOE\u0308 strasse', ' zoë straße '];

    expect(new Set(spellings.map((name) => keyOf(name))).size).toBe(1);
    expect(keyOf('ẞ')).toBe(keyOf('ss'));
    expect(keyOf('ΟΔΥΣΣΕΥΣ')).toBe(keyOf('οδυσσευς'));
    expect(keyOf('Hal', 'Bridge')).toBe(keyOf('hal', 'BRIDGE'));
  });

  test('is not taken for another by a sign that nobody sees', () => {
    const doubles = ['H\u200bal', 'Ha\u200dl', 'Hal\ufe0f', '\u{e0041}Hal', 'H\u00adal', 'Hal\u3164'];

    expect(doubles.map((name) => keyOf(name))).toEqual(doubles.map(() => keyOf('Hal')));
    expect(nameOf('H\u{e0041}\u{e007f}al').name).toBe('Hal');
  });

  test('is not taken for another by how its spaces are made', () => {
    const spaces = [
      'Hal\u00a0Bot',
      'Hal\u2009Bot',
      'Hal\u3000Bot',
      'Hal  Bot',
      'Hal \u200b\u2003 Bot',
      'Hal Bot \u200b',
    ];

    expect(spaces.map((name) => keyOf(name))).toEqual(spaces.map(() => keyOf('Hal Bot')));
    expect(keyOf('x', 'port  4')).toBe(keyOf('x', 'port\u00a04'));
    expect(keyOf('HalBot')).not.toBe(keyOf('Hal Bot'));
    expect(nameOf('Hal  Bot').name).toBe('Hal  Bot');
  });

  test('shows the name as it was written, with its context behind it', () => {
    expect(nameOf('Hal').displayName).toBe('Hal');
    expect(nameOf(' Hal ', ' Bridge\t').displayName).toBe('Hal - Bridge');
    expect(nameOf('Zoe\u0308').name).toBe('Zoë');
    expect(nameOf('👩‍🚀').name).toBe('👩‍🚀');
  });

  test('blanks around a name or a context are nobody', () => {
    const plain = nameOf('Hal', 'bridge');

    expect(nameOf('  Hal\n', '\u00a0bridge ')).toEqual(plain);
  });

  test('a blank context is no context', () => {
    for (const context of ['', '   ', '\t', '\u200b']) expect(nameOf('Hal', context)).toEqual(nameOf('Hal'));
    expect(nameOf('Hal', null)).toEqual(nameOf('Hal'));
  });

  test('a context called default is not the same as none', () => {
    expect(keyOf('Hal', 'default')).not.toBe(keyOf('Hal'));
    expect(keyOf('Hal', 'null')).not.toBe(keyOf('Hal'));
  });

  test('no two pairs of name and context share a key, wherever their delimiters stand', () => {
    const pairs: [string, string?][] = [
      ['a', 'b:default'],
      ['a:b'],
      ['a:b', 'default'],
      ['a', 'b'],
      ['a","b'],
      ['a', 'b"]'],
      ['["a","b"]'],
      ['a\\', 'b'],
      ['a', '\\b'],
      ['a - b'],
      ['a', 'b - c'],
      ['a - b', 'c'],
    ];

    expect(new Set(pairs.map(([name, context]) => keyOf(name, context))).size).toBe(pairs.length);
  });

  test('a key leads back to what it was made from, for any text there is', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
    );
    fc.assert(
      fc.property(text, fc.option(text), (name, context) => {
        if (refusalOf(name, context)[0] !== 'none') return;
        const made = nameOf(name, context);
        const [foldedName, foldedContext] = JSON.parse(made.key) as [string, string | null];

        expect((foldedContext === null) === (made.context === null)).toBe(true);
        expect(nameOf(made.name, made.context)).toEqual(made);
        expect(nameOf(made.name.toUpperCase(), made.context?.toLowerCase()).key).toBe(made.key);
        expect(foldedName).not.toBe('');
      }),
      { numRuns: 300, seed: 20_260 },
    );
  });

  test('the seed of an avatar is drawn from the key and is never looked up by', () => {
    const { avatarSeed } = nameOf('Hal', 'bridge');

    expect(avatarSeed).toMatch(/^[0-9a-f]{16}$/);
    expect(nameOf('HAL', 'Bridge').avatarSeed).toBe(avatarSeed);
    expect(nameOf('Hal').avatarSeed).not.toBe(avatarSeed);
  });
});

describe('refused', () => {
  test('a name is required', () => {
    for (const name of ['', '   ', '\u200b\u200d', '\u{e0041}']) {
      expect(refusalOf(name)).toEqual(['input.invalid', 'At "/name": a name is required']);
    }
  });

  test('lengths are counted in characters a person would count as code points, after trimming', () => {
    expect(nameOf(` ${'🦊'.repeat(100)} `).name).toBe('🦊'.repeat(100));
    expect(refusalOf('🦊'.repeat(101))).toEqual([
      'input.invalid',
      'At "/name": must have at most 100 characters',
    ]);
    expect(nameOf('e\u0301'.repeat(100)).name).toBe('é'.repeat(100));
    expect(nameOf('a', `  ${'b'.repeat(200)}  `).context).toBe('b'.repeat(200));
    expect(refusalOf('a', 'b'.repeat(201))[1]).toBe('At "/context": must have at most 200 characters');
  });

  test('line breaks, control characters and direction marks are refused', () => {
    const signs = [
      '\n',
      '\r',
      '\0',
      '\u001b',
      '\u007f',
      '\u0085',
      '\u2028',
      '\u2029',
      '\u202e',
      '\u2066',
      '\u2069',
      '\u200f',
    ];
    for (const sign of signs) {
      expect(refusalOf(`a${sign}b`)[0]).toBe('input.invalid');
      expect(refusalOf('a', `b${sign}c`)[1]).toContain('At "/context"');
    }
  });

  test('a tower of marks is refused, and a book is not even looked at', () => {
    expect(refusalOf(`Z${'\u0335'.repeat(9)}`)[1]).toContain('piles too many marks');
    expect(refusalOf(`Z${'\u0335'.repeat(10_000)}`)[1]).toContain('at most 100 characters');
    expect(nameOf(`Z${'\u0335'.repeat(8)}`).name.length).toBe(9);
    expect(refusalOf('a'.repeat(1_000_000))[0]).toBe('input.invalid');
  });

  test('half of a character is refused: two of them would be one', () => {
    expect(refusalOf('a\ud800')[1]).toBe('At "/name": holds a lone surrogate');
  });

  test('what is no text is refused as an error with a code, whatever it is', () => {
    for (const value of [
      undefined,
      null,
      7,
      true,
      {},
      [],
      Symbol('x'),
      () => 'Hal',
      { toString: () => 'Hal' },
    ]) {
      expect(refusalOf(value)).toEqual(['input.invalid', 'At "/name": must be text']);
    }
    for (const value of [7, true, {}, []]) {
      expect(refusalOf('Hal', value)).toEqual(['input.invalid', 'At "/context": must be text']);
    }
  });

  test('what a name looks like to a machine is only text', () => {
    for (const name of [
      '<img src=x onerror=alert(1)>',
      "'; DROP TABLE identities; --",
      '__proto__',
      '${x}',
    ]) {
      expect(nameOf(name).name).toBe(name);
    }
  });
});
