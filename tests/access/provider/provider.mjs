// A real OpenID provider for the access suite: oidc-provider with its own
// sign-in and consent pages. It makes new keys whenever it starts, and reads the
// accounts anew at every sign-in: {"alice": {"name": "...", "groups": [...]}}.
//
//   PORT        port to listen on; 0 for any
//   ACCOUNTS    file with the accounts
//   CALLBACKS   callback of each client: {"client": "http://..."}
//   IN_TOKEN    "yes": groups stand in the id token, else at the userinfo endpoint
//
// Prints its issuer once it listens. The secret of a client is "secret-of-" and its id.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const callbacks = JSON.parse(process.env.CALLBACKS);
const jwk = (type, options) => generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' });

const configuration = {
  clients: Object.entries(callbacks).map(([id, callback]) => ({
    client_id: id,
    client_secret: `secret-of-${id}`,
    redirect_uris: [callback],
    post_logout_redirect_uris: [new URL('/sign-in', callback).href],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  })),
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], groups: ['groups'] },
  conformIdTokenClaims: process.env.IN_TOKEN !== 'yes',
  cookies: { keys: ['a key of the tests'] },
  jwks: { keys: [{ ...jwk('rsa', { modulusLength: 2048 }), use: 'sig', alg: 'RS256' }] },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  findAccount: (_context, id) => {
    const known = JSON.parse(readFileSync(process.env.ACCOUNTS, 'utf8'))[id];
    return known && { accountId: id, claims: () => ({ sub: id, preferred_username: id, ...known }) };
  },
};

const server = createServer();
server.listen(Number(process.env.PORT), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on('request', new Provider(issuer, configuration).callback());
  console.log(`issuer ${issuer}`);
});
