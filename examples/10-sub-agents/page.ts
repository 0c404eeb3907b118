// The page that the browser reads: a web server of one page, on this machine.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const PAGE = `<!doctype html><title>Release 1.4</title>
<h1>Release 1.4</h1><p>It is due on Friday. The parser is new.</p><a href="/notes">Notes</a>`;

/** `host` is what an address of it begins with. */
export async function servePage(): Promise<{ host: string; close: () => void }> {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html').end(PAGE);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { host: `127.0.0.1:${port}`, close };
}
