// storeConformance: what every store must do, whoever wrote it. Any test runner with describe, test and expect will do.
//
//   const runner = { describe, test, expect };
//   storeConformance(runner, 'mine', (folder, clock) => myStore({ folder, clock }));
//
// Each test has a folder of its own. Opening the same folder again, after a close, must find everything there.
import type { Clock } from '../kernel/clock.ts';
import type { Store } from '../store/store.ts';
import type { TestRunner } from './agent-conformance.ts';
import { appending } from './store/appending.ts';
import { controlling } from './store/controlling.ts';
import { filing } from './store/filing.ts';
import { identifying } from './store/identifying.ts';
import { listing } from './store/listing.ts';
import { naming } from './store/naming.ts';
import { owning } from './store/owning.ts';
import { posting } from './store/posting.ts';
import { patching } from './store/patching.ts';
import { reading } from './store/reading.ts';
import { reopening } from './store/reopening.ts';
import { staging } from './store/staging.ts';

export type OpenStore = (folder: string, clock: Clock) => Promise<Store>;

export function storeConformance(runner: TestRunner, name: string, open: OpenStore): void {
  runner.describe(`${name} keeps the contract of a store`, () => {
    runner.describe('appending', () => appending(runner, open));
    runner.describe('owning', () => owning(runner, open));
    runner.describe('reading', () => reading(runner, open));
    runner.describe('patching', () => patching(runner, open));
    runner.describe('listing', () => listing(runner, open));
    runner.describe('naming', () => naming(runner, open));
    runner.describe('staging', () => staging(runner, open));
    runner.describe('tokens and projects', () => controlling(runner, open));
    runner.describe('identities and sign-ins', () => identifying(runner, open));
    runner.describe('artifacts', () => filing(runner, open));
    runner.describe('timelines', () => posting(runner, open));
    runner.describe('opening again', () => reopening(runner, open));
  });
}
