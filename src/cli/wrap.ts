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
    while (widthOf(row.trimEnd()) > columns) {
      const head = headOf(row, columns);
      rows.push(head);
      row = row.slice(head.length);
    }
  }
  return [...rows, row];
}

function headOf(text: string, columns: number): string {
  let head = '';
  let width = 0;
  for (const character of text) {
    width += widthOf(character);
    if (width > columns && head !== '') return head;
    head += character;
  }
  return head;
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
