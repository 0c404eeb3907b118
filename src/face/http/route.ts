// Route: one row of the table that everything about a call is made from: finding it, who may make it, the OpenAPI
// document, the pages, the log, and the tests that go over all of them.
//
//   RO1. A row without `access` does not compile; `open` is the exception, and few rows have it.
//   RO2. A path is split before it is decoded, and each piece is decoded exactly once: an encoded slash is part of
//        a key, never of the path.
import { SojournError } from '../../kernel/errors.ts';
import type { Scope } from '../../wire/access.ts';
import type { Schema } from '../../wire/schema.ts';
import type { Exchange } from './exchange.ts';

export type Method = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';

export interface Answer {
  description: string;
  /** Absent: the answer has no body, or `type` says what it is. */
  schema?: Schema;
  /** Besides `application/json`, which is there where a schema is; may be a range: `*\/*`. */
  type?: string;
}

export interface Parameter {
  name: string;
  in: 'query' | 'header';
  description: string;
  /** @default string */
  type?: 'string' | 'integer' | 'boolean';
}

export interface Route {
  method: Method;
  path: `/${string}`;
  /** The scope the runtime asks for; `open` needs no token. */
  access: Scope | 'open';
  /** Path of the document that says how to get a token, where a refusal has to name one. */
  tokenDocument?: `/${string}`;
  tag: string;
  id: string;
  summary: string;
  description?: string;
  body?: Schema;
  /** Of a body that is not JSON. */
  bodyType?: string;
  parameters?: readonly Parameter[];
  answers: Readonly<Record<number, Answer>>;
  answer(exchange: Exchange): Promise<void> | void;
}

export interface Match {
  route: Route;
  params: Readonly<Record<string, string>>;
}

interface Fork {
  readonly named: Map<string, Fork>;
  /** What a `{name}` leads to. */
  any: Fork | undefined;
  readonly routes: Map<string, Route>;
}

const newFork = (): Fork => ({ named: new Map(), any: undefined, routes: new Map() });
const isParameter = (piece: string): boolean => piece.startsWith('{');

export class RouteTable {
  readonly routes: readonly Route[];
  readonly #root = newFork();

  constructor(routes: readonly Route[]) {
    this.routes = routes;
    for (const route of routes) {
      let fork = this.#root;
      for (const piece of piecesOf(route.path))
        fork = isParameter(piece) ? anyOf(fork) : namedOf(fork, piece);
      if (fork.routes.has(route.method)) throw new SojournError('internal', `Two routes ${route.id}`);
      fork.routes.set(route.method, route);
    }
  }

  /** Throws `route.not_found`, and `input.method` after `onMethods` has heard what there is. */
  match(method: string, url: string, onMethods: (allow: string) => void): Match {
    const pieces = piecesOf(pathOf(url));
    const fork = this.#find(pieces);
    if (fork === undefined || fork.routes.size === 0) {
      throw new SojournError('route.not_found', 'There is nothing at this path');
    }
    const route = fork.routes.get(method === 'HEAD' ? 'GET' : method);
    if (route !== undefined) return { route, params: paramsOf(route, pieces) };
    const allow = methodsOf(fork).join(', ');
    onMethods(allow);
    throw new SojournError('input.method', `This path has ${allow}`);
  }

  /** What there is at a path; empty where there is nothing. */
  methods(url: string): readonly string[] {
    const fork = this.#find(piecesOf(pathOf(url)));
    return fork === undefined ? [] : methodsOf(fork);
  }

  #find(pieces: readonly string[]): Fork | undefined {
    let fork: Fork | undefined = this.#root;
    for (const piece of pieces) fork = fork?.named.get(piece) ?? fork?.any;
    return fork;
  }
}

function methodsOf(fork: Fork): readonly string[] {
  return [...fork.routes.keys()].flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]));
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

function piecesOf(path: string): string[] {
  return path.slice(1).split('/');
}

function anyOf(fork: Fork): Fork {
  return (fork.any ??= newFork());
}

function namedOf(fork: Fork, piece: string): Fork {
  const found = fork.named.get(piece) ?? newFork();
  fork.named.set(piece, found);
  return found;
}

function paramsOf(route: Route, pieces: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  piecesOf(route.path).forEach((piece, index) => {
    if (isParameter(piece)) params[piece.slice(1, -1)] = decoded(pieces[index] ?? '');
  });
  return params;
}

/** RO2. */
function decoded(piece: string): string {
  if (!piece.includes('%')) return piece;
  try {
    return decodeURIComponent(piece);
  } catch (error) {
    throw new SojournError('key.ill_formed', 'The path is not percent-encoded UTF-8', { cause: error });
  }
}
