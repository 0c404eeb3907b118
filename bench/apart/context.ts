// Context: what the working set of a session costs: its turns, its coming back, what leaves it and is read again.
import type { Line } from '../results.ts';
import { activationBench } from './activation.ts';
import { offloadBench } from './offload.ts';
import { preparationBench } from './preparation.ts';

export async function contextBench(folder: string, quick: boolean): Promise<Line[]> {
  return [
    ...(await preparationBench(`${folder}/week`, quick)),
    ...(await activationBench(`${folder}/activation`, quick)),
    ...(await offloadBench(`${folder}/offload`, quick)),
  ];
}
