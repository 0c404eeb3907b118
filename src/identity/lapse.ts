// Lapse: what somebody is told whose sign-in does not count.
import { SojournError } from '../kernel/errors.ts';
import type { SignInLapse } from '../wire/identity.ts';

export function lapseError(lapse: SignInLapse): SojournError {
  if (lapse === 'unknown') return new SojournError('sign-in.unknown', 'There is no such sign-in');
  if (lapse === 'idle') return new SojournError('sign-in.expired', 'The sign-in was not used for too long');
  if (lapse === 'expired')
    return new SojournError('sign-in.expired', 'The sign-in has reached its greatest age');
  return new SojournError('sign-in.ended', `The sign-in is over: ${lapse}`);
}
