// Ids: the only source of randomness. Everything else is handed one.
import { randomBytes, randomUUIDv7 } from 'node:crypto';

export interface Ids {
  /** A new id, unguessable (122 random bits) and roughly ordered by time; never used for order. */
  id(): string;
  /** `bytes` random bytes in base62, for bearer secrets. */
  secret(bytes: number): string;
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

export const systemIds: Ids = {
  id: () => randomUUIDv7(),
  secret(bytes) {
    let rest = BigInt(`0x01${randomBytes(bytes).toString('hex')}`);
    let text = '';
    for (; rest > 0n; rest /= 62n) text += BASE62[Number(rest % 62n)];
    return text;
  },
};
