// An OpenID Connect provider (oidc-provider) as a company's own CIAM: over TLS, with
// JWT access tokens for one API, for clients and for users. It prints its issuer once
// it listens, and ends with its standard input.
//
//   CERTIFICATE, KEY  PEM files for TLS
//   AUDIENCE          of its access tokens
//
// POST /test/clients {"client_id","client_secret"} adds a client; POST /test/rotate
// makes another key the one that signs, with {"forget":true} the only one; POST
// /test/user {"client_id","user"} answers with a token that carries a user.

import { createServer } from 'node:https'
import { readFileSync } from 'node:fs'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import Provider from 'oidc-provider'

const audience = process.env.AUDIENCE
const clients = []
let keys = []
let provider
let issuer

function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' }
}

const resource = { scope: 'call', audience, accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: 'RS256' } } }

function build() {
  provider = new Provider(issuer, {
    clients,
    jwks: { keys },
    scopes: ['openid', 'call'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:api',
        getResourceServerInfo: () => resource,
      },
    },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  })
}

async function control(path, body) {
  switch (path) {
    case '/test/clients':
      clients.push({ ...body, grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: 'call' })
      build()
      return {}
    case '/test/rotate':
      keys = body.forget ? [newKey()] : [newKey(), ...keys]
      build()
      return { kid: keys[0].kid }
    case '/test/user': {
      const client = await provider.Client.find(body.client_id)
      const grant = new provider.Grant({ accountId: body.user, clientId: client.clientId })
      grant.addResourceScope('urn:api', 'call')
      const token = new provider.AccessToken({ accountId: body.user, client, grantId: await grant.save(), gty: 'authorization_code', scope: 'call' })
      token.resourceServer = new provider.ResourceServer('urn:api', resource)
      return { access_token: await token.save() }
    }
  }
}

const server = createServer({ cert: readFileSync(process.env.CERTIFICATE), key: readFileSync(process.env.KEY) }, async (req, res) => {
  if (!req.url.startsWith('/test/')) return provider.callback()(req, res)
  let text = ''
  for await (const chunk of req) text += chunk
  res.setHeader('Content-Type', 'application/json')
  res.end(JSON.stringify(await control(req.url, JSON.parse(text || '{}'))))
})

server.listen(0, '127.0.0.1', () => {
  issuer = `https://127.0.0.1:${server.address().port}`
  keys = [newKey()]
  build()
  console.log(JSON.stringify({ issuer }))
})

process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
