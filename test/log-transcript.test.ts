// A transcript is what the log says, whether it was read from the beginning or from what was packed of it.
import { expect, test } from 'vitest';
import { type PackedTranscript, Transcript } from '../src/log/transcript.ts';
import type { StoredEvent } from '../src/store/store.ts';

const input = (text: string) => ({ id: text, parts: [{ type: 'text', text }] });
const accepted = (text: string, disposition = 'queued') => ({ input: input(text), disposition });
const said = (text: string) => ({ message: 'm', role: 'assistant', parts: [{ type: 'text', text }] });

/** Two attempts, a steered input that is taken and one that is not, a turn that is dropped and one that still runs. */
const LOG: readonly StoredEvent[] = [
  ['turn.accepted', 'a', accepted('one')],
  ['turn.started', 'a', { attempt: 1 }],
  ['message', 'a', said('void')],
  ['turn.started', 'a', { attempt: 2 }],
  ['turn.accepted', 'a', accepted('also', 'steered')],
  ['turn.steered', 'a', { input: input('also') }],
  ['turn.accepted', 'a', accepted('late', 'steered')],
  ['message', 'a', said('first')],
  ['turn.requeued', 'a', { input: input('late'), turn: 'b' }],
  ['turn.ended', 'a', {}],
  ['turn.started', 'b', { attempt: 1 }],
  ['turn.accepted', 'c', accepted('instead')],
  ['turn.dropped', 'b', { turn: 'b' }],
  ['message', 'b', said('dropped')],
  ['turn.ended', 'b', {}],
  ['turn.started', 'c', { attempt: 1 }],
  ['message', 'c', said('second')],
].map(([kind, turn, body], index) => ({
  seq: index + 1,
  at: 1_000 * index,
  kind: kind as string,
  turn: turn as string,
  body: JSON.stringify(body),
}));

const shown = (transcript: Transcript) => ({
  messages: transcript.messages(),
  history: transcript.history(),
  waiting: ['a', 'b', 'c'].map((turn) => [
    transcript.inputs(turn),
    transcript.offered(turn),
    transcript.steered(turn),
  ]),
  chars: transcript.chars,
  lastSeq: transcript.lastSeq,
});

test.each(LOG.map((event) => event.seq))(
  'a session put away after event %i knows afterwards all that it knew',
  (cut) => {
    const whole = new Transcript();
    whole.feed(LOG);
    const before = new Transcript();
    before.feed(LOG.slice(0, cut));

    const stored = JSON.stringify(before.pack());
    const after = Transcript.of(JSON.parse(stored) as PackedTranscript);
    after.feed(LOG);

    expect(shown(after)).toEqual(shown(whole));
  },
);

test('a turn that is released is gone, and what is shortened takes less', () => {
  const transcript = new Transcript();
  transcript.feed(LOG);
  const before = transcript.chars;

  transcript.shorten('c', (part) => (part.type === 'text' ? { ...part, text: '2nd' } : part));
  expect(transcript.said('c').map(({ parts }) => parts)).toContainEqual([{ type: 'text', text: '2nd' }]);
  expect(transcript.chars).toBe(before - 'second'.length + '2nd'.length);

  transcript.release('a');
  expect(transcript.said('a')).toEqual([]);
  expect(transcript.messages().every(({ turn }) => turn !== 'a')).toBe(true);
});
