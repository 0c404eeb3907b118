// Bus: how parts, and later processes, nudge each other.
//
//   B1. A message may be dropped, doubled or late: nothing may rest on it arriving. The log is the truth.
//   B2. Within one process messages of one topic arrive in the order they were published.
//   B3. A subscriber that throws hurts nobody else; the error goes to the logger.

export interface Bus {
  publish(topic: string, message: unknown): void;
  /** Returns the call that ends the subscription; idempotent. */
  subscribe(topic: string, receive: (message: unknown) => void): () => void;
}
