// Logger: where the library reports what no caller is waiting for. Nothing below a face prints.

export interface Logger {
  info(event: string, fields?: Record<string, unknown>): void;
  warn(event: string, fields?: Record<string, unknown>): void;
  error(event: string, fields?: Record<string, unknown>): void;
}

export const silentLogger: Logger = { info() {}, warn() {}, error() {} };

/** One JSON line per entry; fields are cut at 1 KiB and control characters come out escaped. */
export function jsonLogger(write: (line: string) => void, now: () => number): Logger {
  const log =
    (level: string) =>
    (event: string, fields: Record<string, unknown> = {}): void => {
      const entry: Record<string, unknown> = { at: new Date(now()).toISOString(), level, event };
      for (const [name, value] of Object.entries(fields)) entry[name] = printable(value);
      write(`${JSON.stringify(entry)}\n`);
    };
  return { info: log('info'), warn: log('warn'), error: log('error') };
}

function printable(value: unknown): unknown {
  if (value instanceof Error) return `${value.name}: ${value.message}`.slice(0, 1024);
  if (typeof value === 'string') return value.slice(0, 1024);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  return (JSON.stringify(value) ?? 'undefined').slice(0, 1024);
}
