// Mentions: the artifacts an event refers to.
import type { ArtifactRef, Part } from '../wire/message.ts';

/** By their digests. `body` has the shape of its kind. */
export function mentionsOf(kind: string, body: unknown): readonly string[] {
  const { artifact, ref, parts, input, images, tool } = body as Mentioning;
  const found: string[] = [];
  if ((kind === 'tool.returned' || kind === 'context.offloaded') && artifact !== undefined)
    found.push(artifact);
  if (CARRIERS.has(kind) && ref !== undefined) found.push(ref.artifact);
  if (kind === 'request.opened' && tool?.ref !== undefined) found.push(tool.ref.artifact);
  const said =
    kind === 'message' ? parts : kind === 'child.ended' ? images : inputKinds.has(kind) ? input?.parts : [];
  for (const part of said ?? []) if ('ref' in part && part.ref !== undefined) found.push(part.ref.artifact);
  return found;
}

const CARRIERS = new Set(['tool.called', 'turn.ended', 'child.ended', 'custom']);
const inputKinds = new Set(['turn.accepted', 'turn.steered', 'turn.requeued']);

interface Mentioning {
  artifact?: string;
  ref?: ArtifactRef;
  parts?: readonly Part[];
  input?: { parts: readonly Part[] };
  images?: readonly Part[];
  tool?: { ref?: ArtifactRef };
}
