// Progress: how far a long copy has come, shown on stderr.
import { sizeText } from './figure.ts';
import type { Screen } from './screen.ts';
import type { World } from './world.ts';

const BAR_CHARS = 30;

export interface Bar {
  show(done: number, all: number): void;
  end(): void;
}

/** On a terminal a bar that fills; elsewhere a line at each quarter. */
export function progressBar(screen: Screen, world: World): Bar {
  const { stderr } = world;
  if (screen.json) return { show() {}, end() {} };
  if (!stderr.isTTY) {
    let quarter = 0;
    return {
      show(done, all) {
        const reached = Math.floor((4 * done) / Math.max(1, all));
        if (reached > quarter) stderr.write(`${reached * 25}% of ${sizeText(all)}\n`);
        quarter = Math.max(quarter, reached);
      },
      end() {},
    };
  }
  return {
    show(done, all) {
      const filled = Math.round((BAR_CHARS * done) / Math.max(1, all));
      const bar = '█'.repeat(filled) + '░'.repeat(BAR_CHARS - filled);
      stderr.write(`\r${bar} ${sizeText(done)} of ${sizeText(all)} `);
    },
    end: () => void stderr.write('\r\u001b[K'),
  };
}
