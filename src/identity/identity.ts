// Identity: names that are found again, and sign-ins that speak for them. For use without a server:
//
//   const signIns = createSignIns({ store: await sqliteStore({ folder }) });
//   const { token } = await signIns.signIn({ name: 'Hal', context: 'bridge' });
//   const check = await signIns.validate(token);
export { avatarSvg } from './avatar.ts';
export { lapseError } from './lapse.ts';
export { createSignIns, SignIns, SIGN_IN_PREFIX } from './sign-ins.ts';
export type { Signer, SignInEnded, SignInLimits, SignInsOptions } from './sign-in-options.ts';
export type * from '../wire/identity.ts';
