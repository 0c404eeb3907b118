export function docsPage(_document: unknown): { html: string; policy: string } {
  return { html: '', policy: '' };
}
