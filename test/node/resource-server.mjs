// Two strict resource servers of RFC 9068, set up by our metadata alone, judge
// tokens: express-oauth2-jwt-bearer and oauth4webapi. Prints their verdicts:
// "" for a token that they take, else why not.
import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'
import * as oauth from 'oauth4webapi'

const { ISSUER, AUDIENCE, ALGORITHM, TOKENS } = process.env

const app = express()
app.use(auth({ issuerBaseURL: ISSUER, audience: AUDIENCE, tokenSigningAlg: ALGORITHM, strict: true }))
app.get('/', (req, res) => res.json(req.auth.payload))
app.use((err, req, res, _next) => res.status(err.status ?? 500).json({ error: err.message }))
const listener = app.listen(0, '127.0.0.1')
await new Promise((resolve) => listener.once('listening', resolve))

const issuer = new URL(ISSUER)
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2' }))

const verdicts = {}
for (const [name, token] of Object.entries(JSON.parse(TOKENS))) {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(`http://127.0.0.1:${listener.address().port}/`, { headers })
  const body = await answer.json()
  const web = await oauth.validateJwtAccessToken(server, new Request('https://resource.example/', { headers }), AUDIENCE)
    .then(() => '', (err) => `${err.message} ${err.cause?.message ?? ''} ${JSON.stringify(err.cause ?? '')}`)
  verdicts[name] = { express: answer.ok ? '' : `${answer.status} ${body.error}`, web }
}
listener.close()
console.log(JSON.stringify(verdicts))
