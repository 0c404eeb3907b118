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
const WIDE =
  /[\p{Emoji_Presentation}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\u3000-\u303e\uff01-\uff60]/u;

/** Columns it takes; rather too many than too few. */
export function widthOf(text: string): number {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += NONE.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}
