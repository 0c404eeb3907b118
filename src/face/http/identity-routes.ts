// Identity routes: signing in and out, who there is, and their pictures.
//
//   IR1. A sign-in is shown by its own bearer secret: `current` is the one that asks. A secret never stands in a path.
//   IR2. A picture is drawn here, and is only ever a picture: nothing in it can run or load.
import { avatarSvg } from '../../identity/identity.ts';
import {
  identityOwnerCall,
  identityPageView,
  identityView,
  newSignInView,
  signInCall,
  signInPageView,
  signInView,
} from '../../wire/identity-schema.ts';
import type { Exchange } from './exchange.ts';
import type { Parameter, Route } from './route.ts';

const PAGE_MAX = 200;
/** A day: the same seed is the same picture for ever. */
const AVATAR_CACHE = 'private, max-age=86400, immutable';

const paging: readonly Parameter[] = [
  { name: 'limit', in: 'query', type: 'integer', description: 'Of a page: 1 to 200, default 50.' },
  { name: 'cursor', in: 'query', description: 'From `nextCursor`.' },
];

function pageOf(x: Exchange, ...names: readonly string[]): Record<string, string | number> {
  const limit = x.queryInt('limit', 1, PAGE_MAX);
  const texts = ['cursor', ...names].flatMap((name) => {
    const value = x.query(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(texts), ...(limit === undefined ? {} : { limit }) };
}

/** IR2. */
async function avatar(x: Exchange): Promise<void> {
  const { avatarSeed } = await x.runtime.signIns.identity(x.param('id'), x.caller);
  x.text(200, 'image/svg+xml', avatarSvg(avatarSeed), [
    ['Content-Security-Policy', "default-src 'none'; sandbox"],
    ['Cross-Origin-Resource-Policy', 'same-origin'],
    ['Content-Disposition', 'inline; filename="avatar.svg"'],
    ['Cache-Control', AVATAR_CACHE],
  ]);
}

export const identityRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/sign-ins',
    access: 'send',
    tag: 'Identities',
    id: 'signIn',
    summary: 'Sign in as an identity, new or known',
    description:
      'The token in the answer speaks as the identity and carries scope `post` only: it posts, and reads the timeline of its project. It is over when it is signed out, not used for `idleMsMax`, at `expiresAt`, or with the token of this call.',
    body: signInCall,
    answers: { 201: { description: 'The sign-in with its token.', schema: newSignInView } },
    answer: async (x) => {
      const call = await x.body(signInCall, { steers: true });
      x.json(201, await x.runtime.signIns.signIn(call, x.caller));
    },
  },
  {
    method: 'GET',
    path: '/v1/sign-ins',
    access: 'operate',
    tag: 'Identities',
    id: 'listSignIns',
    summary: 'List the live sign-ins, without their secrets',
    parameters: [{ name: 'identity', in: 'query', description: 'Only of this identity.' }, ...paging],
    answers: { 200: { description: 'Newest first.', schema: signInPageView } },
    answer: async (x) => x.json(200, await x.runtime.signIns.list(pageOf(x, 'identity'), x.caller)),
  },
  {
    method: 'GET',
    path: '/v1/sign-ins/current',
    access: 'post',
    tag: 'Identities',
    id: 'readSignIn',
    summary: 'Read who one is signed in as',
    description: 'Counts as a use of the sign-in, as every call with it does.',
    answers: { 200: { description: 'The sign-in.', schema: signInView } },
    answer: (x) => x.json(200, x.runtime.signIns.current(x.caller)),
  },
  {
    method: 'DELETE',
    path: '/v1/sign-ins/current',
    access: 'post',
    tag: 'Identities',
    id: 'signOut',
    summary: 'Sign out, and end its streams',
    answers: { 204: { description: 'It is over, everywhere and for good.' } },
    answer: async (x) => {
      await x.runtime.signIns.leave(x.caller);
      x.empty(204);
    },
  },
  {
    method: 'DELETE',
    path: '/v1/sign-ins/{id}',
    access: 'operate',
    tag: 'Identities',
    id: 'endSignIn',
    summary: 'End a sign-in, and its streams',
    answers: { 204: { description: 'It is over, everywhere and for good.' } },
    answer: async (x) => {
      await x.runtime.signIns.end(x.param('id'), x.caller);
      x.empty(204);
    },
  },
  {
    method: 'GET',
    path: '/v1/identities',
    access: 'read',
    tag: 'Identities',
    id: 'listIdentities',
    summary: 'List who has signed in',
    parameters: paging,
    answers: { 200: { description: 'Newest first.', schema: identityPageView } },
    answer: async (x) => x.json(200, await x.runtime.signIns.identities(pageOf(x), x.caller)),
  },
  {
    method: 'GET',
    path: '/v1/identities/{id}',
    access: 'read',
    tag: 'Identities',
    id: 'readIdentity',
    summary: 'Read an identity',
    answers: { 200: { description: 'The identity.', schema: identityView } },
    answer: async (x) => x.json(200, await x.runtime.signIns.identity(x.param('id'), x.caller)),
  },
  {
    method: 'PATCH',
    path: '/v1/identities/{id}',
    access: 'operate',
    tag: 'Identities',
    id: 'giveIdentity',
    summary: 'Say who alone may speak as an identity',
    description: 'Sign-ins of others end, with their streams.',
    body: identityOwnerCall,
    answers: { 200: { description: 'The identity.', schema: identityView } },
    answer: async (x) => {
      const { owner } = await x.body(identityOwnerCall, { steers: true });
      x.json(200, await x.runtime.signIns.setOwner(x.param('id'), owner, x.caller));
    },
  },
  {
    method: 'DELETE',
    path: '/v1/identities/{id}',
    access: 'operate',
    tag: 'Identities',
    id: 'removeIdentity',
    summary: 'Remove an identity, and end its sign-ins',
    description:
      'What it posted stays, with its author as it was. Whoever signs in under its name later is another identity.',
    answers: { 204: { description: 'It is gone, and so are its sign-ins and their streams.' } },
    answer: async (x) => {
      await x.runtime.signIns.removeIdentity(x.param('id'), x.caller);
      x.empty(204);
    },
  },
  {
    method: 'GET',
    path: '/v1/identities/{id}/avatar.svg',
    access: 'read',
    tag: 'Identities',
    id: 'readAvatar',
    summary: 'Look at the picture of an identity',
    answers: { 200: { description: 'Drawn from its seed.', type: 'image/svg+xml' } },
    answer: avatar,
  },
];
