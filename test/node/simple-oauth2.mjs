// Gets a token as a program with simple-oauth2 does, with its default options
// but for the path, and uses it at the gateway. Prints what came of it.
import { ClientCredentials } from 'simple-oauth2'

const { TOKEN_HOST, TOKEN_PATH, CLIENT_ID, CLIENT_SECRET, CALL } = process.env
const call = JSON.parse(CALL)

const credentials = new ClientCredentials({
  client: { id: CLIENT_ID, secret: CLIENT_SECRET },
  auth: { tokenHost: TOKEN_HOST, tokenPath: TOKEN_PATH },
})
const { token, ...held } = await credentials.getToken({})
const answer = await fetch(call.url, {
  method: call.method,
  headers: { ...call.headers, authorization: `Bearer ${token.access_token}` },
  body: call.body,
})
await answer.arrayBuffer()

console.log(JSON.stringify({
  tokenType: token.token_type,
  expiresIn: token.expires_in,
  expiresAt: token.expires_at,
  expired: credentials.createToken(token).expired(60),
  call: answer.status,
  source: answer.headers.get('x-sallyport-source'),
}))
