// Gets a token by discovery alone, as a program with oauth4webapi does, and has
// the same library check it as a resource server by RFC 9068. Prints what came
// of it.
import * as oauth from 'oauth4webapi'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, AUTH, ALGORITHM, CALL, AUDIENCE } = process.env
const call = JSON.parse(CALL)
const issuer = new URL(ISSUER)

const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: ALGORITHM }))
const client = { client_id: CLIENT_ID }
const auth = { post: oauth.ClientSecretPost, basic: oauth.ClientSecretBasic }[AUTH](CLIENT_SECRET)
const token = await oauth.processClientCredentialsResponse(
  server, client, await oauth.clientCredentialsGrantRequest(server, client, auth, {}))
const answer = await oauth.protectedResourceRequest(
  token.access_token, call.method, new URL(call.url), new Headers(call.headers), call.body)
await answer.arrayBuffer()

const request = new Request('https://resource.example/', { headers: { authorization: `Bearer ${token.access_token}` } })
const claims = await oauth.validateJwtAccessToken(server, request, AUDIENCE)

console.log(JSON.stringify({
  tokenType: token.token_type,
  expiresIn: token.expires_in,
  call: answer.status,
  subject: claims.sub,
}))
