// Wrap: a line of text in rows of a terminal, broken between words where it can be.

/** At least one row; none wider than `columns`. */
export function wrapped(line: string, columns: number): string[] {
  if (widthOf(line) <= columns) return [line];
  const rows: string[] = [];
  let row = '';
  for (const word of line.split(/(?<= )/)) {
    if (row !== '' && widthOf(row + word.trimEnd()) > columns) {
      rows.push(row.trimEnd());
      row = '';
    }
    row += word;
    if (widthOf(row.trimEnd()) > columns) {
      const pieces = broken(row, columns);
      row = pieces.pop() ?? '';
      for (const piece of pieces) rows.push(piece);
    }
  }
  return [...rows, row];
}

/** In one pass: an answer may be one word of a megabyte. Spaces at its end take no room. */
function broken(text: string, columns: number): string[] {
  const shown = text.trimEnd();
  const pieces: string[] = [];
  let piece = '';
  let width = 0;
  for (const character of shown) {
    const more = widthOf(character);
    if (width + more > columns && piece !== '') {
      pieces.push(piece);
      piece = '';
      width = 0;
    }
    piece += character;
    width += more;
  }
  return [...pieces, piece + text.slice(shown.length)];
}

const NARROW = /^[\x20-\x7e]*$/;
const NONE = /[\p{Mn}\p{Me}\p{Cf}]/u;
const EMOJI_STYLE = '\ufe0f';
/** East Asian scripts, and the blocks they share: a long vowel's mark, full-width and squared signs. */
const WIDE =
  /[\p{Emoji_Presentation}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Yi}\p{sc=Tangut}\u2ff0-\u33ff\ufe10-\ufe1f\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f200}-\u{1f2ff}]/u;

/** Columns it takes; rather too many than too few. */
export function widthOf(text: string): number {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += columnsOf(character);
  return width;
}

function columnsOf(character: string): number {
  // What it follows becomes an emoji, which terminals draw over two columns.
  if (character === EMOJI_STYLE) return 1;
  if (NONE.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
