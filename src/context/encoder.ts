// Encoder: the thread in which texts are counted, so that neither the table of an encoding nor the counting holds up the event
// loop. Each list of texts gets one reply; whoever started the thread ends it.
import { parentPort } from 'node:worker_threads';
import { assert } from '../kernel/errors.ts';
import { encoding } from './encoding.ts';

export type Asked = readonly string[];
/** Tokens of each text, in order. */
export type Told = readonly number[];

assert(parentPort, 'the encoder runs in a thread of its own');
const port = parentPort;
const count = await encoding(); // What is asked meanwhile waits in the port.

port.on('message', (texts: Asked) => port.postMessage(texts.map(count) satisfies Told));
