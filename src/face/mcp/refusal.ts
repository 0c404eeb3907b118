// Refusal: an answer to what never became a request of the protocol.

export function refusal(status: number, code: number, message: string, data?: object): Response {
  const error = { code, message, ...(data === undefined ? {} : { data }) };
  return Response.json({ jsonrpc: '2.0', id: null, error }, { status });
}
