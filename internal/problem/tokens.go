package problem

// tokens lists the codes of the token endpoints, and of revocation and
// introspection beside them.
func tokens() []Problem {
	return append(tokenRequests(), tokenClients()...)
}

// tokenRequests lists what can be wrong with a token request itself.
func tokenRequests() []Problem {
	return []Problem{
		{
			Code: "invalid_request", Surface: Token, Statuses: []int{400, 404, 405, 413, 415},
			Title:   "The token request is not as it has to be",
			Meaning: "Something is missing, sent twice or of the wrong form. error_description says what. The status tells more: 405 another method, 413 a body that is too large, 415 a body of a kind that this endpoint does not take, 404 an endpoint that is switched off.",
			Causes: []string{
				"grant_type is missing.",
				"A parameter was sent twice, or the client authenticated in two ways at once.",
				"Credentials were put into the URL, where they are never read.",
				"The body is JSON at an endpoint that takes forms only.",
				"The method is not POST.",
				"Version 1 is switched off in this environment.",
			},
			Next: []string{
				"Send a POST with grant_type=client_credentials, client_id and client_secret as application/x-www-form-urlencoded: every token endpoint takes that.",
				"If a secret was in a URL, make a new one and revoke that one: URLs are logged on their way.",
				"If version 1 is switched off, change the URL to version 2.",
			},
		},
		{
			Code: "invalid_dpop_proof", Surface: Token, Statuses: []int{400},
			Title:   "The DPoP proof is not good for this request",
			Meaning: "The header DPoP does not hold one proof of possession that is for this very request. error_description says what is wrong.",
			Causes: []string{
				"The proof was made for another URL or method, or with a clock that is wrong.",
				"The proof was sent before: each is good once.",
				"The key in the proof is a private or a symmetric one, or of a kind that is not taken.",
				"The app's tokens have to be bound to a DPoP key, and no proof was sent.",
			},
			Next: []string{
				"Make a new proof for every request, with POST, the token URL, a fresh jti and the time of now.",
				"Use a library that speaks RFC 9449, and an algorithm of dpop_signing_alg_values_supported in the metadata.",
			},
		},
		{
			Code: "use_dpop_nonce", Surface: Token, Statuses: []int{400},
			Title:   "The DPoP proof needs a nonce",
			Meaning: "Proofs carry a nonce that is given here and changes every few minutes, so that none can be made ahead of time.",
			Causes:  []string{"It is the client's first request, or the first for some minutes."},
			Next: []string{
				"Make the proof again with the value of the header DPoP-Nonce of this answer, and repeat the request once.",
			},
		},
		{
			Code: "unsupported_grant_type", Surface: Token, Statuses: []int{400},
			Title:   "The grant type is not served",
			Meaning: "The token endpoints serve client_credentials and nothing else.",
			Causes: []string{
				"grant_type is password, refresh_token, authorization_code or misspelt.",
				"A library was told to refresh: there are no refresh tokens here.",
			},
			Next: []string{
				"Send grant_type=client_credentials.",
				"To renew, ask for a new token in the same way as for the first.",
			},
		},
		{
			Code: "invalid_target", Surface: Token, Statuses: []int{400},
			Title:   "A resource is not one that the token can be made for",
			Meaning: "The parameter resource names the API that a token is to be for (RFC 8707). What was sent is no absolute URI, or no API of this environment, or none that the app may call.",
			Causes: []string{
				"The resource is the URL of an operation and not the base URL of its API.",
				"It is the URL of the other environment, or of another host.",
				"The organization is not subscribed to a product of that API, or the app is limited to others.",
			},
			Next: []string{
				"Send the base URL of the API as its page has it; resource may be sent several times.",
				"Or leave resource out: the token is then for all APIs that the app may call.",
			},
		},
		{
			Code: "unsupported_token_type", Surface: Token, Statuses: []int{400},
			Title:   "This kind of token is not handled here",
			Meaning: "The endpoint does not revoke tokens of the kind that was sent.",
			Causes:  []string{"token_type_hint, or the token itself, is of a kind that is never issued here, such as a refresh token."},
			Next:    []string{"Send the access token itself in the parameter token, and leave token_type_hint out."},
		},
	}
}

// tokenClients lists why a client gets no token though its request is in order.
func tokenClients() []Problem {
	return []Problem{
		{
			Code: "invalid_client", Surface: Token, Statuses: []int{401, 400},
			Title:   "The client could not be authenticated",
			Meaning: "client_id and what came with it, a secret, an assertion or a certificate, do not belong together in this environment. The words are the same whatever the reason, so that nobody can find out client ids by trying. The status is 400 at endpoints that the operator made answer as an older one did.",
			Causes: []string{
				"A sandbox credential was sent to production, or the reverse.",
				"The secret was copied with a space, without its end, or is that of another app.",
				"The secret has expired or was revoked.",
				"client_id or client_secret is missing.",
				"The assertion (private_key_jwt) was made for another aud than the issuer, by a clock that is off, by a key that was not registered, or was used before.",
				"The client certificate has expired, is not one that was registered for the app, or went to a URL that asks for none: mtls_endpoint_aliases of the metadata names the one that does.",
			},
			Next: []string{
				"Check that the token URL is that of the environment that the credential was made for.",
				"Copy client_id and client_secret again, whole.",
				"If the secret is lost or dead, have a new one made.",
				"The operator can see the exact reason by the trace_id of the answer: sallyport explain TRACE_ID.",
			},
		},
		{
			Code: "unauthorized_client", Surface: Token, Statuses: []int{400},
			Title:   "The client may not have this",
			Meaning: "The client is known, but there is nothing that it may have a token for, or the token that it names is not its own.",
			Causes: []string{
				"No product is open to the app in this environment: production needs an approved subscription.",
				"The app is disabled, or the organization is suspended.",
				"A token of another client was sent to be revoked.",
			},
			Next: []string{
				"Subscribe the organization to a product, or wait for the approval.",
				"If the app was disabled, have it enabled.",
				"Otherwise ask the operator, with the trace id.",
			},
		},
		{
			Code: "invalid_scope", Surface: Token, Statuses: []int{400},
			Title:   "A scope is not open to the client",
			Meaning: "A name in scope is not one of the app's products, or holds a character that a scope cannot have.",
			Causes: []string{
				"The name of the product is misspelt: capitals matter.",
				"The organization is not subscribed to that product, or the app is limited to others.",
				"A scope of another system was sent.",
				"The parameter resource names other APIs than those that the scopes open.",
			},
			Next: []string{
				"Leave scope out: the token then opens all of the app's products.",
				"Or send names of products exactly as on their API's page, with spaces between.",
			},
		},
		{
			Code: "slow_down", Surface: Token, Statuses: []int{429},
			Title:   "Too many attempts",
			Meaning: "Too many token requests came in a short time, or too many of them failed. This one was refused for that.",
			Causes: []string{
				"A wrong secret is being tried again and again.",
				"A new token is fetched for every call.",
			},
			Next: []string{
				"Wait for as many seconds as Retry-After says.",
				"Correct the credentials before you try again.",
				"Fetch one token, keep it in memory, and use it until shortly before it expires.",
			},
		},
		{
			Code: "temporarily_unavailable", Surface: Token, Statuses: []int{503},
			Title:   "No token can be issued right now",
			Meaning: "The request may be in order, but the token service cannot answer it at the moment.",
			Causes:  []string{"The token service is overloaded, or has been cut off from what it needs to know."},
			Next: []string{
				"Wait for as many seconds as Retry-After says, then try again.",
				"Go on with the token that you have until it expires.",
				"If it stays so, report the trace id.",
			},
		},
	}
}
