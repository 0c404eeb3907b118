// The same runtime behind HTTP, and the client that a browser would use.
import { createRuntime } from 'sojourn';
import { inProcessBus } from 'sojourn/bus/in-process';
import { scriptedAgent } from 'sojourn/agent/scripted';
import { connect } from 'sojourn/client';
import { http } from 'sojourn/face/http';
import { sqliteStore } from 'sojourn/store/sqlite';
import { scratchFolder } from './scratch.ts';

const store = await sqliteStore({ folder: scratchFolder() });
const runtime = await createRuntime({
  store,
  bus: inProcessBus(),
  agents: { scripted: scriptedAgent({ wordMs: 5 }) },
});
const face = await http({ port: 0 }).start(runtime);
const { secret } = await runtime.addToken({ name: 'web', scopes: ['read', 'send'] });

const client = connect({ url: face.urls[0] ?? '', token: secret });
const session = client.session('browser/1');
let text = '';
for await (const event of session.stream('/words 5 5'))
  if (event.kind === 'text.delta') text += event.body.text;
console.log(text);

const { events } = await session.events();
console.log('the first event is', events[0]?.kind, 'and the last', events.at(-1)?.kind);
await face.close(1_000);
await runtime.shutdown();

// prints:
// w1 w2 w3 w4 w5
// the first event is session.created and the last turn.ended
