// Identity schema: the shape of calls and answers about identities and sign-ins. The rules for names are checked where
// they are made (identity/name.ts), so that they hold without a server too.
import * as z from 'zod';
import type { IdentityView, NewSignInView, SignInCall, SignInView } from './identity.ts';

const time = z.string().meta({ format: 'date-time', description: 'RFC 3339, UTC.' });

const owner = z
  .string()
  .nullable()
  .meta({ description: 'Of the token it was made with, where that is bound to one.' });

export const signInCall: z.ZodType<SignInCall> = z
  .strictObject({
    name: z.string().meta({ description: '1 to 100 characters after trimming; case does not matter.' }),
    context: z
      .string()
      .optional()
      .meta({ description: 'Tells apart those who share a name; up to 200 characters, blank is none.' }),
    claim: z
      .boolean()
      .optional()
      .meta({ default: false, description: "Let nobody speak as it but the owner of this call's token." }),
  })
  .meta({ id: 'SignInCall' });

export const identityOwnerCall: z.ZodType<{ owner: string | null }> = z
  .strictObject({
    owner: z
      .string()
      .min(1)
      .max(512)
      .refine((value) => value.isWellFormed(), { error: 'holds a lone surrogate' })
      .nullable(),
  })
  .meta({ id: 'IdentityOwnerCall', description: '`null`: everyone of the project may speak as it.' });

export const identityView: z.ZodType<IdentityView> = z
  .object({
    id: z.string(),
    project: z.string(),
    name: z.string(),
    context: z.string().nullable(),
    displayName: z.string().meta({ description: 'For people. Two identities may show the same.' }),
    identityKey: z.string().meta({ description: 'One text for each identity of a project.' }),
    avatarSeed: z.string(),
    owner: z.string().nullable().meta({ description: 'Who alone may speak as it; null: everyone.' }),
    createdAt: time,
    lastActiveAt: time,
  })
  .meta({ id: 'Identity' });

export const signInView: z.ZodType<SignInView> = z
  .object({
    id: z.string(),
    identity: identityView,
    owner,
    createdAt: time,
    lastActiveAt: time,
    expiresAt: time.meta({ description: 'Over after this at the latest; sooner when it is not used.' }),
  })
  .meta({ id: 'SignIn' });

export const newSignInView: z.ZodType<NewSignInView> = z
  .object({
    id: z.string(),
    token: z.string().meta({ description: 'The bearer secret, with scope `post`. Shown this once.' }),
    identity: identityView,
    owner,
    createdAt: time,
    lastActiveAt: time,
    expiresAt: time,
    idleMsMax: z.number().meta({ description: 'Over when it is not used for longer than this.' }),
  })
  .meta({ id: 'NewSignIn' });

export const identityPageView = z.object({
  identities: z.array(identityView),
  nextCursor: z.string().nullable(),
});

export const signInPageView = z.object({
  signIns: z.array(signInView),
  nextCursor: z.string().nullable(),
  live: z.int().meta({ description: 'Live sign-ins of the project, all together.' }),
});
