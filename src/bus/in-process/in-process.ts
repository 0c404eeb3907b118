// In-process: the bus of a single process. Delivers at once, on the publisher's stack.
import { type Logger, silentLogger } from '../../kernel/logger.ts';
import type { Bus } from '../bus.ts';

export function inProcessBus(logger: Logger = silentLogger): Bus {
  const topics = new Map<string, Set<(message: unknown) => void>>();
  return {
    publish(topic, message) {
      const receivers = topics.get(topic);
      if (receivers === undefined) return;
      for (const receive of receivers) {
        try {
          receive(message);
        } catch (error) {
          logger.error('bus.receiver_threw', { topic, error }); // B3 of the contract
        }
      }
    },
    subscribe(topic, receive) {
      // A wrapper of its own, so that one function subscribed twice is two subscriptions.
      const own = (message: unknown): void => receive(message);
      const receivers = topics.get(topic) ?? new Set();
      topics.set(topic, receivers.add(own));
      return () => {
        receivers.delete(own);
        if (receivers.size === 0 && topics.get(topic) === receivers) topics.delete(topic);
      };
    },
  };
}
