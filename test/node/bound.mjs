// Gets a token that is bound to a DPoP key or to a client certificate, by discovery
// alone, as a program with openid-client does, and uses it at the gateway. Prints
// what came of it.
import { readFileSync } from 'node:fs'
import https from 'node:https'
import * as client from 'openid-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, CERT, KEY, ALG, CALL } = process.env
const call = JSON.parse(CALL)
const certificate = CERT ? { cert: readFileSync(CERT), key: readFileSync(KEY) } : {}
const agent = new https.Agent({ ...certificate, keepAlive: true })
const requests = []

// The fetch of Node.js takes no client certificate; its https does.
const fetchWithCertificate = (url, { method, headers, body }) => new Promise((resolve, reject) => {
  const request = https.request(url, { agent, method, headers: Object.fromEntries(new Headers(headers)) }, (answer) => {
    const chunks = []
    answer.on('data', (chunk) => chunks.push(chunk))
    answer.on('end', () => {
      requests.push(`${method} ${new URL(url).pathname} ${answer.statusCode}`)
      const pairs = []
      for (let i = 0; i < answer.rawHeaders.length; i += 2) pairs.push([answer.rawHeaders[i], answer.rawHeaders[i + 1]])
      resolve(new Response(chunks.length ? Buffer.concat(chunks) : null, { status: answer.statusCode, headers: pairs }))
    })
  })
  request.on('error', reject)
  request.end(body ? body.toString() : undefined)
})

const auth = CERT ? client.TlsClientAuth() : client.ClientSecretPost(CLIENT_SECRET)
const config = await client.discovery(
  new URL(ISSUER), CLIENT_ID, { use_mtls_endpoint_aliases: Boolean(CERT) }, auth, { [client.customFetch]: fetchWithCertificate, algorithm: 'oauth2' })
config[client.customFetch] = fetchWithCertificate
requests.length = 0
const options = ALG ? { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair(ALG)) } : {}

const tokens = await client.clientCredentialsGrant(config, {}, options)
const use = async () => {
  const answer = await client.fetchProtectedResource(
    config, tokens.access_token, new URL(call.url), call.method, call.body, new Headers(call.headers), options)
  await answer.arrayBuffer()
  return answer.status
}
const calls = [await use(), await use()]
const about = await client.tokenIntrospection(config, tokens.access_token)
await client.tokenRevocation(config, tokens.access_token)
agent.destroy()

console.log(JSON.stringify({
  tokenType: tokens.token_type,
  bound: Object.keys(about.cnf ?? {}),
  active: about.active,
  calls,
  requests,
}))
