// Tasks: what a session was asked to do, one after the other, and how far each got. Made from its log and from nothing else.
//
//   TK1. A task begins with a user's turn. What comes because of it belongs to it: turns of any other kind, what became a
//        turn of its own because a turn of it did not take it, and another try after one that did not complete.
//   TK2. The newest `TASKS_MAX` are kept, and of each a bounded number of tools and children; older ones are counted.
//   TK3. A turn that was rolled back belongs to none, and a task that had no other is none.
import { Buffer } from 'node:buffer';
import type { Millis } from '../kernel/clock.ts';
import { timeText } from '../log/event.ts';
import type { Seq } from '../store/store.ts';
import type { TaskView } from '../wire/context.ts';
import type { Outcome, TurnKind } from '../wire/turn.ts';
import { stretchRef } from './reference.ts';

/** TK2. */
const TASKS_MAX = 100;
const TITLE_CHARS = 120;
const TOOLS_MAX = 32;
const CHILDREN_MAX = 32;

interface Task {
  id: string;
  title: string;
  from: Seq;
  to: Seq;
  turns: number;
  /** Of its last turn that is over, and of the one before that: a rolled-back turn undoes its own. */
  outcome: Outcome | null;
  outcomeBefore: Outcome | null;
  /** The turn of it that runs. */
  running: string | null;
  /** Most tasks need neither. */
  tools?: [name: string, calls: number][];
  children?: string[];
  startedAt: Millis;
  endedAt: Millis | null;
}

export interface PackedTasks {
  tasks: readonly Task[];
  earlier: number;
}

export interface Begun {
  turn: string;
  kind: TurnKind;
  /** The task of the turn that it comes from, where one did not take its input. */
  origin: string | null;
  /** What was asked. */
  text: string;
  /** Its first event. */
  from: Seq;
  at: Millis;
}

export class Tasks {
  /** Oldest first. */
  #tasks: Task[] = [];
  #earlier = 0;

  /** Takes over what it is given. */
  static of({ tasks, earlier }: PackedTasks): Tasks {
    const made = new Tasks();
    made.#tasks = [...tasks];
    made.#earlier = earlier;
    return made;
  }

  /** To be written before the next event comes: it shares what it is made of. */
  pack(): PackedTasks {
    return { tasks: this.#tasks, earlier: this.#earlier };
  }

  /** How many are not kept any more. */
  get earlier(): number {
    return this.#earlier;
  }

  /** A turn started for the first time. Answers the task it belongs to (TK1). */
  begin(begun: Begun): string {
    const task = this.#taskFor(begun) ?? this.#add(begun);
    task.turns += 1;
    task.running = begun.turn;
    task.endedAt = null;
    return task.id;
  }

  tool(id: string, name: string): void {
    const task = this.#find(id);
    if (task === undefined) return;
    task.tools ??= [];
    const row = task.tools.find(([known]) => known === name);
    if (row !== undefined) row[1] += 1;
    else if (task.tools.length < TOOLS_MAX) task.tools.push([name, 1]);
  }

  child(id: string, session: string): void {
    const task = this.#find(id);
    if (task === undefined || task.children?.includes(session)) return;
    task.children ??= [];
    task.children.push(session);
    if (task.children.length > CHILDREN_MAX) task.children.shift();
  }

  end(id: string, outcome: Outcome, to: Seq, at: Millis): void {
    const task = this.#find(id);
    if (task === undefined) return;
    task.to = to;
    task.running = null;
    task.outcomeBefore = task.outcome;
    task.outcome = outcome;
    task.endedAt = at;
  }

  /** TK3. */
  drop(id: string, turn: string): void {
    const task = this.#find(id);
    if (task === undefined) return;
    task.turns -= 1;
    if (task.running === turn) task.running = null;
    else task.outcome = task.outcomeBefore;
    if (task.turns <= 0) this.#tasks = this.#tasks.filter((other) => other !== task);
  }

  /** Oldest first. */
  views(): TaskView[] {
    return this.#tasks.map((task) => {
      const isDone = task.running === null && task.outcome === 'completed';
      return {
        id: task.id,
        title: task.title,
        state: isDone ? 'done' : 'open',
        turns: task.turns,
        tools: (task.tools ?? []).toSorted(([, a], [, b]) => b - a).map(([name, calls]) => ({ name, calls })),
        children: [...(task.children ?? [])],
        ref: stretchRef(task.from, task.to),
        startedAt: timeText(task.startedAt),
        endedAt: isDone && task.endedAt !== null ? timeText(task.endedAt) : null,
      };
    });
  }

  /** TK1. Undefined where another one begins. */
  #taskFor({ kind, origin }: Begun): Task | undefined {
    const newest = this.#tasks.at(-1);
    if (origin !== null) return this.#find(origin) ?? newest;
    const isOver = newest?.running === null && newest.outcome === 'completed';
    return kind === 'user' && isOver ? undefined : newest;
  }

  #add({ turn, text, from, at }: Begun): Task {
    const task: Task = {
      id: turn,
      title: titleOf(text),
      from,
      to: from,
      turns: 0,
      outcome: null,
      outcomeBefore: null,
      running: null,
      startedAt: at,
      endedAt: null,
    };
    const kept = this.#tasks.slice(1 - TASKS_MAX);
    this.#earlier += this.#tasks.length - kept.length;
    this.#tasks = kept.concat(task);
    return task;
  }

  /** The newest first: a turn asks for the task it runs for. */
  #find(id: string): Task | undefined {
    return this.#tasks.findLast((task) => task.id === id);
  }
}

/** One line, and a text of its own: a slice would keep all of what was said in memory. */
function titleOf(text: string): string {
  if (text.length <= TITLE_CHARS && !/\s\s|[^\S ]|^\s|\s$/.test(text)) return text;
  const line = text
    .slice(0, 4 * TITLE_CHARS)
    .replaceAll(/\s+/g, ' ')
    .trim();
  const points = Array.from(line);
  const title = points.length <= TITLE_CHARS ? line : `${points.slice(0, TITLE_CHARS - 1).join('')}…`;
  return Buffer.from(title).toString();
}
