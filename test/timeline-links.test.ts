// Links of posts: which sessions a post may be about, by who made the sign-in that posts.
import { expect, test } from 'vitest';
import { serve } from './http-support.ts';

test('a post names a session that the maker of the sign-in may see, and the others are not there', async () => {
  const served = await serve();
  const made = async (name: string, call: { owner?: string; scopes: ('read' | 'send' | 'operate')[] }) => {
    const { secret: token } = await served.newToken(call);
    const { json: session } = await served.call('PUT', `/v1/sessions/of-${name}`, { token });
    const { json: signedIn } = await served.call('POST', '/v1/sign-ins', { token, body: { name } });
    return { session: String(session['id']), signIn: String(signedIn['token']) };
  };
  const ann = await made('ann', { owner: 'ann', scopes: ['read', 'send'] });
  const nobody = await made('nobody', { scopes: ['read', 'send'] });
  const chief = await made('chief', { scopes: ['read', 'send', 'operate'] });
  const { token: host } = await served.runtime.signIns.signIn({ name: 'host' }, served.host);
  const answers = async (token: string): Promise<unknown[]> => {
    const codes: unknown[] = [];
    for (const { session } of [ann, nobody, chief]) {
      const { status, json } = await served.call('POST', '/v1/posts', {
        token,
        body: { content: 'about', session },
      });
      codes.push(status === 201 ? 'posted' : json['code']);
    }
    return codes;
  };

  expect(await answers(ann.signIn)).toEqual(['posted', 'session.not_found', 'session.not_found']);
  expect(await answers(nobody.signIn)).toEqual(['session.not_found', 'posted', 'session.not_found']);
  expect(await answers(chief.signIn)).toEqual(['posted', 'posted', 'posted']);
  expect(await answers(host)).toEqual(['posted', 'posted', 'posted']);
});
