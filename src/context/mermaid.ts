// Mermaid: the map of a session's tasks, as the text of a flowchart.
//
//   MM1. Nothing that was said can leave its label: every character that could mean something to Mermaid, HTML or Markdown
//        is written as an entity, and what is invisible or turns the reading direction is left out.
//   MM2. It is bounded: the newest `TASKS_MAX` tasks, a few words of each.
import type { TaskView } from '../wire/context.ts';

const TASKS_MAX = 40;
const LABEL_CHARS = 72;
const TOOLS_MAX = 3;
const CHILDREN_MAX = 6;

/** Oldest first. `earlierTasks` came before them. */
export function mermaid({
  tasks,
  earlierTasks,
}: {
  tasks: readonly TaskView[];
  earlierTasks: number;
}): string {
  const shown = tasks.slice(-TASKS_MAX); // MM2
  const earlier = earlierTasks + tasks.length - shown.length;
  const lines = ['flowchart TD'];
  let before: string | undefined;
  if (earlier > 0) {
    lines.push(`  earlier(["${counted(earlier, 'earlier task')}"])`);
    before = 'earlier';
  }
  for (const [index, task] of shown.entries()) {
    const node = `t${earlier + index + 1}`;
    lines.push(`  ${node}["${labelOf(task)}"]:::${task.state}`);
    if (before !== undefined) lines.push(`  ${before} --> ${node}`);
    lines.push(...childrenOf(task, node));
    before = node;
  }
  if (before === undefined) lines.push('  none(["Nothing was asked yet"])');
  lines.push(
    '  classDef done fill:#e7f4ea,stroke:#2e7d32,color:#1b3d20',
    '  classDef open fill:#fff4d6,stroke:#b26a00,color:#4a2d00',
    '  classDef child fill:#eef1f8,stroke:#5b6b8c,color:#26324a',
  );
  return `${lines.join('\n')}\n`;
}

function labelOf({ title, state, turns, tools, ref }: TaskView): string {
  const named = tools.slice(0, TOOLS_MAX).map(({ name, calls }) => `${quoted(name, 24)} ×${calls}`);
  const more = tools.length - named.length;
  const did = [...named, ...(more > 0 ? [counted(more, 'more tool')] : [])].join(', ');
  const how = `${state}, ${counted(turns, 'turn')}`;
  const asked = title === '' ? '(no words)' : quoted(title, LABEL_CHARS);
  return [asked, how, ...(did === '' ? [] : [did]), quoted(ref, LABEL_CHARS)].join('<br/>');
}

function childrenOf({ children }: TaskView, node: string): string[] {
  const shown = children.slice(0, CHILDREN_MAX);
  const lines = shown.map(
    (child, index) => `  ${node} -.-> ${node}c${index + 1}(["child ${quoted(child, 40)}"]):::child`,
  );
  const more = children.length - shown.length;
  if (more > 0)
    lines.push(`  ${node} -.-> ${node}more(["${counted(more, 'more child', 'more children')}"]):::child`);
  return lines;
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** MM1. */
function quoted(text: string, charsMax: number): string {
  const line = text
    .replaceAll(/\s+/gu, ' ')
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '')
    .trim();
  const points = Array.from(line);
  const cut = points.length <= charsMax ? points : [...points.slice(0, charsMax - 1), '…'];
  return cut
    .map((point, index) => (isPlain(point, cut[index - 1]) ? point : `#${point.codePointAt(0)};`))
    .join('');
}

/** A point behind a digit, or a dash by itself, would begin a list. */
function isPlain(point: string, before = ''): boolean {
  if (point === '.') return !/\d/.test(before);
  if (point === '-') return /[\p{L}\p{N}]/u.test(before);
  return /[\p{L}\p{M}\p{N} ,:!?'/…]/u.test(point);
}
