// Avatar: the picture of an identity, drawn here from its seed. The same seed gives the same picture, everywhere.
import { minidenticon } from 'minidenticons';

const SATURATION = 60;
const LIGHTNESS = 50;

/** SVG text. Nothing of the seed gets into it but colour and squares. */
export function avatarSvg(seed: string): string {
  return minidenticon(seed, SATURATION, LIGHTNESS, squaresOf);
}

/** Seeds are hexadecimal already; any other text is spread over the same bits. */
function squaresOf(seed: string): number {
  const bits = /^[0-9a-f]{8}/.test(seed) ? Number.parseInt(seed.slice(0, 8), 16) : 0;
  return bits === 0 ? 1 : bits;
}
