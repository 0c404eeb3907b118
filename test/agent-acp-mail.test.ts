// What an agent says ahead of the log waits: in order, in bounded memory, and behind that in its own pipe.
import { expect, test } from 'vitest';
import { Mail } from '../src/agent/acp/mail.ts';

test('it is taken in the order it came, also by somebody who waited for it', async () => {
  const mail = new Mail<number>(100);
  const first = mail.take();

  for (const item of [1, 2, 3]) mail.push(item, 1);

  expect([await first, await mail.take(), await mail.take()]).toEqual([1, 2, 3]);
});

test('past its bound there is no room until enough of it was taken', async () => {
  const mail = new Mail<string>(10);
  let hasRoom = false;
  for (const item of ['a', 'b', 'c']) mail.push(item, 6);
  void mail.room()?.then(() => (hasRoom = true));

  await mail.take();
  const afterOne = hasRoom;
  await mail.take();

  expect([afterOne, hasRoom, mail.room()]).toEqual([false, true, undefined]);
});

test('what is thrown away takes no room: nobody waits for a turn that is over', async () => {
  const mail = new Mail<string>(1);
  mail.push('a', 100);
  const room = mail.room();

  mail.discard();
  mail.push('b', 100);

  await expect(room).resolves.toBeUndefined();
  expect(mail.room()).toBeUndefined();
});
