// Child end: how a turn of a child ended, read from the child's own log.
//
//   CE1. It is the same whenever it is read: what the log says of the last attempt, and nothing else.
//   CE2. It fits into one event of the parent: a long text is its preview and a reference, and so are large images; images
//        beyond the bounds are left out.
import { estimateRef } from '../context/estimate.ts';
import { offloadOf } from '../context/overflow.ts';
import { bodyOf } from '../log/event.ts';
import { pagesOf } from '../log/pages.ts';
import type { ArtifactRow, EventStore, SessionRow, StoredEvent, TurnRow } from '../store/store.ts';
import type { Offloaded } from '../wire/context.ts';
import type { EventBodies } from '../wire/event.ts';
import type { ArtifactRef, FilePart, Part } from '../wire/message.ts';

export type EndBody = EventBodies['child.ended'];

export interface ChildEnd {
  body: EndBody;
  /** What `body` refers to: the parent's log refers to it from now on. */
  artifacts: readonly ArtifactRow[];
  offloaded: readonly Offloaded[];
}

const IMAGES_MAX = 20;
const IMAGE_CHARS_MAX = 256 * 1_024;

/** Undefined for a turn that has not ended. */
export async function endOf(
  store: EventStore,
  child: SessionRow,
  turn: TurnRow,
  now: number,
): Promise<ChildEnd | undefined> {
  if (turn.endSeq === null) return undefined;
  const [event] = await store.read(turn.session, turn.endSeq - 1, { eventsMax: 1, bytesMax: 1 });
  if (event?.kind !== 'turn.ended') return undefined;
  const { outcome, text, ref, error, usage, costUsd, sessionCompleted, handOff } = bodyOf(
    event,
    'turn.ended',
  );
  const images = turn.startSeq === null ? [] : await imagesOf(store, turn, turn.startSeq, turn.endSeq);
  const body: EndBody = {
    session: child.id,
    turn: turn.id,
    outcome,
    text,
    ...(ref === undefined ? {} : { ref }),
    ...(error === undefined ? {} : { error }),
    usage,
    costUsd,
    ...(sessionCompleted === undefined ? {} : { sessionCompleted }),
    ...(images.length === 0 ? {} : { images }),
    ...(handOff === undefined ? {} : { handOff }),
  };
  const moved = ref === undefined ? [] : [{ ref, name: null as string | null }];
  for (const image of images)
    if (image.ref !== undefined) moved.push({ ref: image.ref, name: image.name ?? null });
  return {
    body,
    artifacts: moved.map((one) => rowOf(one.ref, one.name, now)),
    offloaded: moved.map((one) => offloadOf(one.ref, { from: 'child.ended' }, estimateRef(one.ref))),
  };
}

/** CE2. In the order they were shown. */
async function imagesOf(
  store: EventStore,
  turn: TurnRow,
  startSeq: number,
  endSeq: number,
): Promise<FilePart[]> {
  const images: FilePart[] = [];
  let chars = 0;
  const within = { after: startSeq, to: endSeq - 1, kinds: ['message'] };
  for await (const page of pagesOf(store, turn.session, within)) {
    for (const image of page.flatMap((event) => shown(event, turn.id))) {
      chars += image.data?.length ?? 0;
      if (images.length >= IMAGES_MAX || chars > IMAGE_CHARS_MAX) return images;
      images.push(image);
    }
  }
  return images;
}

function shown(event: StoredEvent, turn: string): FilePart[] {
  if (event.turn !== turn || !event.body.includes('"type":"file"')) return [];
  const { role, parts } = bodyOf(event, 'message');
  return role === 'user' ? [] : parts.filter(isImage);
}

const isImage = (part: Part): part is FilePart => part.type === 'file' && part.mediaType.startsWith('image/');

function rowOf({ artifact, bytes, mediaType }: ArtifactRef, name: string | null, at: number): ArtifactRow {
  return { digest: artifact, bytes, mediaType, name, at };
}
