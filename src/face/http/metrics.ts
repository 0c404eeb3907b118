// Metrics: the runtime's figures, and this face's, as Prometheus text.
import type { StatsView } from '../../wire/calls.ts';

/** What only the face knows. */
export interface HttpFigures {
  connections: number;
  streams: number;
  /** By status. */
  answers: ReadonlyMap<number, number>;
}

type Kind = 'gauge' | 'counter';
type Sample = readonly [label: string, value: number];

export function metricsText(stats: StatsView, http: HttpFigures): string {
  const { log, store, refused, registry, context } = stats;
  return [
    metric('sojourn_sessions_live', 'gauge', 'Sessions whose agent is in memory.', stats.live),
    metric('sojourn_turns_running', 'gauge', 'Turns that run.', stats.running),
    metric('sojourn_turns_queued', 'gauge', 'Turns that wait for their place.', stats.queued),
    metric('sojourn_turns_waiting', 'gauge', 'Turns that wait for a person.', stats.waiting),
    metric('sojourn_turns_total', 'counter', 'Turns that ended.', labelled('outcome', stats.turns)),
    metric('sojourn_instances_made_total', 'counter', 'Agent instances made.', stats.made),
    metric('sojourn_instances_remade_total', 'counter', 'Agent instances remade.', stats.remade),
    metric('sojourn_remakes_failed_total', 'counter', 'Remakes that failed.', stats.remakeFailed),
    metric('sojourn_evictions_total', 'counter', 'Sessions put away.', labelled('reason', stats.evictions)),
    metric('sojourn_registry_hits_total', 'counter', 'Uses that found their session live.', registry.hits),
    metric('sojourn_registry_misses_total', 'counter', 'Uses that waited for an instance.', registry.misses),
    metric('sojourn_refused_total', 'counter', 'Messages refused.', labelled('why', refused)),
    metric('sojourn_tails', 'gauge', 'Readers that follow a log.', stats.tails),
    metric('sojourn_offloads_total', 'counter', 'Results and files moved out of logs.', context.offloads),
    metric('sojourn_offloaded_bytes_total', 'counter', 'Bytes of them.', context.offloadedBytes),
    metric('sojourn_compactions_total', 'counter', 'Times a working set was digested.', context.compactions),
    metric('sojourn_tokens_saved_total', 'counter', 'Tokens that took out of prompts.', context.tokensSaved),
    metric(
      'sojourn_summariser_failures_total',
      'counter',
      'Digests that rules had to make.',
      context.byRules,
    ),
    metric('sojourn_collected_files_total', 'counter', 'Files nobody referred to.', context.collectedFiles),
    metric('sojourn_collected_bytes_total', 'counter', 'Bytes of them.', context.collectedBytes),
    metric('sojourn_log_in_flight_bytes', 'gauge', 'Bytes not yet durable.', log.inFlightBytes),
    metric('sojourn_log_appends_total', 'counter', 'Appends to logs.', log.appends),
    metric('sojourn_log_events_total', 'counter', 'Events appended.', log.events),
    metric('sojourn_store_commits_total', 'counter', 'Transactions made durable.', store.commits),
    metric('sojourn_store_pending', 'gauge', 'Appends that wait for a commit.', store.pending),
    metric('sojourn_store_file_bytes', 'gauge', 'Size of the database.', store.fileBytes),
    metric('sojourn_store_commit_seconds', 'gauge', 'Time of a commit.', [
      ['{quantile="0.5"}', store.commitMsP50 / 1_000],
      ['{quantile="0.99"}', store.commitMsP99 / 1_000],
    ]),
    metric('sojourn_http_connections', 'gauge', 'Open connections.', http.connections),
    metric('sojourn_http_streams', 'gauge', 'Open event streams.', http.streams),
    metric(
      'sojourn_http_answers_total',
      'counter',
      'Requests answered.',
      [...http.answers].map(([status, count]) => [`{status="${status}"}`, count] as const),
    ),
    metric('sojourn_uptime_seconds', 'gauge', 'Time since the start.', stats.uptimeMs / 1_000),
  ].join('');
}

function metric(name: string, kind: Kind, about: string, value: number | readonly Sample[]): string {
  const samples: readonly Sample[] = typeof value === 'number' ? [['', value]] : value;
  const lines = samples.map(([label, sample]) => `${name}${label} ${sample}\n`).join('');
  return `# HELP ${name} ${about}\n# TYPE ${name} ${kind}\n${lines}`;
}

function labelled(label: string, counts: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(counts).map(([name, count]) => [`{${label}="${escaped(name)}"}`, count] as const);
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
