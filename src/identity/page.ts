// Page: how much of a list is asked for at once.
import { SojournError } from '../kernel/errors.ts';

const LIMIT = 50;

/** The store keeps it within its bounds. Throws `input.invalid` for what is no number. */
export function pageLimit(asked: unknown = LIMIT): number {
  if (typeof asked === 'number' && !Number.isNaN(asked)) return asked;
  throw new SojournError('input.invalid', '/limit must be a number');
}
