// Chat command: what a typed line means. A slash that is none of ours belongs to the agent.
import { POLICIES, type Policy } from '../wire/turn.ts';

export type ChatCommand =
  | { kind: 'say'; text: string }
  | { kind: 'nothing' }
  | { kind: 'help' }
  | { kind: 'quit' }
  /** With a text, that is sent at once under the policy. */
  | { kind: 'policy'; policy: Policy; text: string }
  | { kind: 'wrong policy'; name: string }
  | { kind: 'cancel'; all: boolean }
  /** The open question is left for later, or for somebody else. */
  | { kind: 'later' };

export const CHAT_HELP = `In the chat:
  /policy NAME [TEXT]  how the next message meets a running turn: ${POLICIES.join(', ')}
  /cancel [all]        stop the running turn, or also all that wait; Ctrl-C stops the running one
  /later               leave an open question unanswered for now
  /quit                leave (also Ctrl-D); turns go on
  //TEXT               say /TEXT, whatever it means here
Other lines go to the agent, or answer its question when it has asked one.`;

export function commandOf(line: string): ChatCommand {
  const text = line.trim();
  if (text === '') return { kind: 'nothing' };
  if (text.startsWith('//')) return { kind: 'say', text: text.slice(1) };
  const [, name = '', rest = ''] = /^\/(\S+)\s*(.*)$/s.exec(text) ?? [];
  switch (name) {
    case 'help':
      return { kind: 'help' };
    case 'quit':
    case 'exit':
      return { kind: 'quit' };
    case 'later':
      return { kind: 'later' };
    case 'cancel':
      return { kind: 'cancel', all: rest === 'all' };
    case 'policy':
      return policyOf(rest);
    default:
      return { kind: 'say', text: line };
  }
}

function policyOf(rest: string): ChatCommand {
  const [, name = '', text = ''] = /^(\S*)\s*(.*)$/s.exec(rest) ?? [];
  const policy = POLICIES.find((one) => one === name);
  return policy === undefined ? { kind: 'wrong policy', name } : { kind: 'policy', policy, text };
}
