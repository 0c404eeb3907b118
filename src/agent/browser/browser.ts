// browserAgent: an AI SDK agent that reads and works web pages in a browser of its own.
export {};
