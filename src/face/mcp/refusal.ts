// Refusal: an answer to what never became a request of the protocol.

/** Where it is said who gives out tokens, and what for. */
export const TOKEN_DOCUMENT = '/.well-known/oauth-protected-resource/mcp';

export function refusal(
  status: number,
  code: number,
  message: string,
  data?: object,
  id: unknown = null,
): Response {
  const error = { code, message, ...(data === undefined ? {} : { data }) };
  return Response.json({ jsonrpc: '2.0', id, error }, { status });
}
