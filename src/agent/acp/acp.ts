// The door of the adapter for the Agent Client Protocol.
export { acpAgent, type AcpOptions } from './acp-agent.ts';
export { claudeCode, codex, gemini, openCode, type ReadyMadeOptions } from './ready-made.ts';
