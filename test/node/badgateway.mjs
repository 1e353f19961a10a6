// Gets a token by discovery alone, as a program with @badgateway/oauth2-client
// does, and calls the gateway by its fetch wrapper, which keeps the token.
// Prints what came of it.
import { OAuth2Client, OAuth2Fetch } from '@badgateway/oauth2-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, CALL } = process.env
const call = JSON.parse(CALL)

const client = new OAuth2Client({
  server: ISSUER, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET,
  discoveryEndpoint: '/.well-known/oauth-authorization-server',
})
let fetched = 0
let expiresAt = 0
const wrapper = new OAuth2Fetch({
  client,
  getNewToken: async () => {
    fetched++
    const token = await client.clientCredentials()
    expiresAt = token.expiresAt
    return token
  },
})
const statuses = []
for (let i = 0; i < 3; i++) {
  const answer = await wrapper.fetch(call.url, { method: call.method, headers: call.headers, body: call.body })
  statuses.push(answer.status)
  await answer.arrayBuffer()
}

console.log(JSON.stringify({
  expiresIn: Math.round((expiresAt - Date.now()) / 1000),
  statuses,
  fetched,
}))
