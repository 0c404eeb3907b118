// Desk: what an action works with, made from the options it was called with.
import { InvalidArgumentError, type Command } from 'commander';
import type { Client } from '../client/client.ts';
import { client, type PlaceOptions } from './place.ts';
import { Screen } from './screen.ts';
import type { World } from './world.ts';

export interface Desk {
  screen: Screen;
  server: Client;
  place: PlaceOptions;
}

export function desk(world: World, command: Command): Desk {
  const place = command.optsWithGlobals<PlaceOptions>();
  return { screen: new Screen(world, place.json === true), server: client(world, place), place };
}

/** For commander: a whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
  };
}
