// Place: which server a command speaks to, and which data folder a server uses.
//
//   P1. An address: `--url`, SOJOURN_URL, what the server wrote into the data folder, 127.0.0.1:4242.
//   P2. A token: SOJOURN_TOKEN, the data folder's file. Never an argument: those are seen by everyone on the machine.
//   P3. A sign-in likewise: SOJOURN_SIGN_IN, the data folder's file, which `sign-in` writes and `sign-out` removes.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { connect, type Client, type ConnectOptions } from '../client/client.ts';
import { SojournError } from '../kernel/errors.ts';
import type { World } from './world.ts';

/** Options that every command has. */
export interface PlaceOptions {
  json?: true;
  url?: string;
  data?: string;
  project?: string;
}

export const DEFAULT_PORT = 4242;

export function dataFolder(world: World, options: PlaceOptions = {}): string {
  return resolve(world.cwd, options.data ?? (world.env.SOJOURN_DATA || '.sojourn'));
}

export const tokenFile = (folder: string): string => resolve(folder, 'token');
export const signInFile = (folder: string): string => resolve(folder, 'sign-in');
export const addressFile = (folder: string): string => resolve(folder, 'address');

export function serverUrl(world: World, options: PlaceOptions): string {
  return namedUrl(world, options) ?? `http://127.0.0.1:${DEFAULT_PORT}`;
}

/** As the caller or the data folder has it; undefined where neither says. */
export function namedUrl(world: World, options: PlaceOptions): string | undefined {
  const given = options.url ?? (world.env.SOJOURN_URL || undefined);
  return given ?? lineOf(addressFile(dataFolder(world, options)));
}

/** Where a server would listen. */
export function serverPort(world: World): number {
  const text = world.env.PORT ?? '';
  if (text === '') return DEFAULT_PORT;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new SojournError('config.invalid', `PORT is ${JSON.stringify(text)}; it must be from 0 to 65535`);
}

export function serverToken(world: World, options: PlaceOptions): string | undefined {
  return (world.env.SOJOURN_TOKEN || undefined) ?? lineOf(tokenFile(dataFolder(world, options)));
}

/** P3. */
export function signInToken(world: World, options: PlaceOptions): string | undefined {
  return (world.env.SOJOURN_SIGN_IN || undefined) ?? lineOf(signInFile(dataFolder(world, options)));
}

export function client(
  world: World,
  options: PlaceOptions,
  more: Pick<ConnectOptions, 'onConnection' | 'retryMsMax'> = {},
): Client {
  const token = serverToken(world, options);
  return connect({
    url: serverUrl(world, options),
    ...(token === undefined ? {} : { token }),
    ...(options.project === undefined ? {} : { project: options.project }),
    // A person waits: one short hiccup is bridged, a server that is not there is said at once.
    retryMsMax: 1_000,
    ...more,
  });
}

function lineOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    return undefined; // Not there, or not ours to read: the server will say what is missing.
  }
}
