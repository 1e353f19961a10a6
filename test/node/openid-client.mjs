// Gets a token by discovery alone, as a program with openid-client does, uses it
// at the gateway, has it introspected, and revokes it. Prints what came of it.
import * as client from 'openid-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, AUTH, ALGORITHM, CALL, KEY, KEY_TYPE, KEY_ID, HOUR } = process.env
const call = JSON.parse(CALL)

// A private key in PEM (PKCS #8), as private_key_jwt uses it.
async function privateKeyJwt() {
  const der = Buffer.from(KEY.replace(/-----[A-Z ]+-----|\n/g, ''), 'base64')
  const key = await crypto.subtle.importKey('pkcs8', der, JSON.parse(KEY_TYPE), false, ['sign'])
  return client.PrivateKeyJwt(KEY_ID ? { key, kid: KEY_ID } : key, {
    // Other common clients make assertions that are good for an hour.
    [client.modifyAssertion]: (_, claims) => { if (HOUR) claims.exp = claims.iat + 3600 },
  })
}

const auth = AUTH === 'key'
  ? await privateKeyJwt()
  : { post: client.ClientSecretPost, basic: client.ClientSecretBasic }[AUTH](CLIENT_SECRET)

const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, auth, { algorithm: ALGORITHM })
const tokens = await client.clientCredentialsGrant(config)
const answer = await client.fetchProtectedResource(
  config, tokens.access_token, new URL(call.url), call.method, call.body, new Headers(call.headers))
const source = answer.headers.get('x-sallyport-source')
await answer.arrayBuffer()
const before = await client.tokenIntrospection(config, tokens.access_token)
await client.tokenRevocation(config, tokens.access_token)
// Every node knows of a revocation within a second.
let after
for (const began = Date.now(); Date.now() - began < 1000;) {
  after = await client.tokenIntrospection(config, tokens.access_token)
  if (!after.active) break
}

console.log(JSON.stringify({
  tokenType: tokens.token_type,
  expiresIn: tokens.expiresIn(),
  call: answer.status,
  source,
  activeBefore: before.active,
  activeAfter: after.active,
}))
