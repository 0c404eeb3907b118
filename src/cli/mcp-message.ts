// Mcp message: as much of a message of the protocol as must be known to hand it over HTTP.

export interface Message {
  jsonrpc: '2.0';
  id?: string | number;
  method?: string;
  params?: Readonly<Record<string, unknown>>;
}

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
/** The member of a request that its headers repeat. */
const NAMED_BY: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

/** It names its revision itself, and belongs to no connection. */
export function isModern(message: Message): boolean {
  return versionOf(message) !== undefined;
}

export function headersFor(
  message: Message,
  link: { id: string; version: string } | undefined,
): Record<string, string> {
  const headers: Record<string, string> = {
    Accept: 'application/json, text/event-stream',
    'Content-Type': 'application/json',
  };
  const version = versionOf(message);
  if (version === undefined) {
    if (link !== undefined && message.method !== 'initialize') {
      headers['Mcp-Session-Id'] = link.id;
      if (link.version !== '') headers['MCP-Protocol-Version'] = link.version;
    }
    return headers;
  }
  const { method = '', params = {} } = message;
  const name = params[NAMED_BY[method] ?? ''];
  headers['MCP-Protocol-Version'] = headerText(version);
  headers['Mcp-Method'] = headerText(method);
  if (typeof name === 'string') headers['Mcp-Name'] = headerText(name);
  return headers;
}

function versionOf({ params }: Message): string | undefined {
  const version = (params?.['_meta'] as Record<string, unknown> | undefined)?.[VERSION_KEY];
  return typeof version === 'string' ? version : undefined;
}

/** As the protocol spells what a header cannot hold. */
function headerText(text: string): string {
  const isPlain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?');
  return isPlain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}
