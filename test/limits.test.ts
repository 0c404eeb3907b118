// Limits: what is refused before a runtime is made.
import { expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { type Limits, validLimits } from '../src/kernel/limits.ts';

const refused = (limits: Partial<Limits>): string => {
  try {
    validLimits(limits);
  } catch (error) {
    if (error instanceof SojournError) return error.detail;
    throw error;
  }
  return 'nothing';
};

test('shares of a window that contradict each other are refused, and both are named', () => {
  expect(refused({ contextMild: 0.9 })).toBe(
    'Limit contextMild is 0.9 and contextAggressive is 0.85; contextMild must be below contextAggressive',
  );
  expect(refused({ contextAggressive: 0.96 })).toContain('contextEmergency');
  expect(refused({ contextTarget: 0.85 })).toContain('contextTarget must be below contextAggressive');
  expect(refused({ contextEmergency: 1.1 })).toContain('at most 1');
  expect(
    refused({ contextMild: 0.1, contextAggressive: 0.2, contextEmergency: 0.3, contextTarget: 0.15 }),
  ).toBe('nothing');
});

test('a share of nothing, a share below nothing and a share that is no number are refused', () => {
  for (const contextMild of [0, -0.1, Number.NaN]) expect(refused({ contextMild })).toContain('above 0');
});

test('what is refused is shown as it was given, also what JSON cannot say and what every object has', () => {
  expect(refused({ liveMax: Number.NaN })).toBe('Limit liveMax is NaN; it must be a number above 0');
  expect(refused({ sweepMs: -Infinity })).toBe(
    'Limit sweepMs is -Infinity; it must be a number of at least 0',
  );
  expect(refused({ liveMax: '5' as unknown as number })).toContain('liveMax is "5"');
  expect(refused(JSON.parse('{"constructor": 5}') as Partial<Limits>)).toBe(
    'There is no limit called "constructor"',
  );
});

test('no turn at all needs to stay word for word', () => {
  expect(refused({ contextTurnsKept: 0 })).toBe('nothing');
});
