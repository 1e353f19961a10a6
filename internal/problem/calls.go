package problem

// calls lists the codes of the gateway.
func calls() []Problem {
	list := append(callTokens(), callRights()...)
	list = append(list, callRequests()...)
	return append(list, callServers()...)
}

// callTokens lists what can be wrong with the token of a call.
func callTokens() []Problem {
	return []Problem{
		{
			Code: "invalid_access_token", Surface: Call, Statuses: []int{401},
			Title:   "The access token is not valid here",
			Meaning: "What stands after Bearer is not a token of this environment.",
			Causes: []string{
				"The token was issued by the other environment: sandbox tokens open the sandbox only, production tokens production only.",
				"The token was cut off, wrapped in quotes or changed on its way.",
				"Something else was sent in its place, such as the client secret.",
				"The token is bound to a client certificate or to a DPoP key, and the call did not come with it.",
				"It was made for other APIs: its request had the parameter resource, and this API was not among them.",
			},
			Next: []string{
				"Compare the host of your token URL with the host of the call: both belong to one environment.",
				"Get a new token there and send it unchanged, as Authorization: Bearer and the token.",
				"If you send the parameter resource, name this API in it, or leave it out.",
				"Call with the certificate, or with a proof by the key, that the token was got with.",
			},
		},
		{
			Code: "access_token_expired", Surface: Call, Statuses: []int{401},
			Title:   "The access token has expired",
			Meaning: "The token was good, but its time is over.",
			Causes: []string{
				"The token was kept longer than the expires_in that came with it.",
				"The clock that decides when to renew is wrong.",
			},
			Next: []string{
				"Get a new token and repeat the call once.",
				"Renew ahead of time: when an eighth of the lifetime is left, and not later than a minute before the end.",
				"Read expires_in from each answer; do not write a lifetime into your code.",
			},
		},
		{
			Code: "invalid_dpop_proof", Surface: Call, Statuses: []int{401},
			Title:   "The DPoP proof is not good for this call",
			Meaning: "The token is bound to a key, and the proof of holding that key is missing, or is not for this very call. detail says which.",
			Causes: []string{
				"The proof was made for another URL or method, or with a clock that is wrong.",
				"The proof was sent before: each is good once.",
				"ath is missing, or is of another token.",
				"A proxy on the way sends another Host, so that the URL that the gateway knows is not the one that was signed.",
			},
			Next: []string{
				"Make a new proof for every call, with the method, the URL without its query, a fresh jti, the time of now, and the hash of the token.",
				"Use a library that speaks RFC 9449.",
			},
		},
		{
			Code: "use_dpop_nonce", Surface: Call, Statuses: []int{401},
			Title:   "The DPoP proof needs a nonce",
			Meaning: "Proofs carry a nonce that is given here and changes every few minutes, so that none can be made ahead of time.",
			Causes: []string{
				"It is the client's first call, or the first for some minutes.",
			},
			Next: []string{
				"Make the proof again with the value of the header DPoP-Nonce of this answer, and repeat the call once.",
				"Keep the nonce for further calls, and take the new one whenever an answer has that header.",
			},
		},
		{
			Code: "access_token_not_approved", Surface: Call, Statuses: []int{401},
			Title:   "The access token is no longer honoured",
			Meaning: "The token was issued to you and has not expired, but it, or what stands behind it, was revoked.",
			Causes: []string{
				"The token was revoked.",
				"The secret that it was got with was revoked.",
				"The app was disabled or removed, or the organization is suspended.",
				"All tokens from before some moment were revoked.",
			},
			Next: []string{
				"Get a new token and repeat the call once.",
				"If no new token is given, use another secret of the app.",
				"If that fails too, ask the operator, with the trace id of the refused call.",
			},
		},
	}
}

// callRights lists why a caller who is known may still not do this.
func callRights() []Problem {
	return []Problem{
		{
			Code: "invalid_product", Surface: Call, Statuses: []int{403, 401},
			Title:   "The token does not open this API",
			Meaning: "You are known, but none of the API's products is open to you with this token. It is sent with 403; an operator may choose 401 for older clients.",
			Causes: []string{
				"Your organization has no subscription to a product of this API, or it is not yet approved for this environment.",
				"The subscription began after the token was issued: a token lists the products of its moment.",
				"The token was asked for with a narrower scope, or the app is limited to other products.",
				"The subscription was suspended or ended.",
			},
			Next: []string{
				"Look up the API's products on its page and check that your organization is subscribed to one.",
				"If it is, get a new token without a scope and repeat the call.",
				"If it is not, request access from the operator.",
			},
		},
		{
			Code: "access_denied", Surface: Call, Statuses: []int{403},
			Title:   "The request names something that is not yours",
			Meaning: "The product is open to you, but the provider TIN or the submitter of the request is not one of your organization's.",
			Causes: []string{
				"The provider TIN is not associated with your organization.",
				"The submitter ID, or the host submitter ID, is not assigned to your organization.",
			},
			Next: []string{
				"Compare the number in the request with the ones that you were given.",
				"Ask the API consultant to associate the TIN, or the operator to assign the submitter ID.",
				"For mock data in the sandbox meanwhile, send the header environment: sandbox.",
			},
		},
		{
			Code: "rate_limit_exceeded", Surface: Call, Statuses: []int{429},
			Title:   "Too many calls",
			Meaning: "A rate or a quota is used up for now. The call was not made.",
			Causes: []string{
				"More calls came in a short time than your plan allows.",
				"The quota of the period is used up.",
			},
			Next: []string{
				"Wait for as many seconds as Retry-After says, then go on.",
				"Read the RateLimit header of each answer and slow down before the end.",
				"If you need more, ask the operator.",
			},
		},
	}
}

// callRequests lists what can be wrong with the request itself.
func callRequests() []Problem {
	return []Problem{
		{
			Code: "invalid_request", Surface: Call, Statuses: []int{400, 401},
			Title:   "The request is not as it has to be",
			Meaning: "Something is missing, sent twice or of the wrong form. With 401, the access token is missing.",
			Causes: []string{
				"There is no Authorization header, or it does not begin with Bearer.",
				"The access token was sent more than once.",
				"The body does not match the API: the answer names the field.",
				"The provider TIN is missing where the API needs it, or is not nine digits.",
				"The submitter ID is missing.",
				"The path or the query can be read in two ways, for example by an escaped slash.",
			},
			Next: []string{
				"Read detail in the answer: it says what is wrong and where.",
				"With 401, get a token and send it as Authorization: Bearer and the token.",
				"Correct the request by the API's page before you send it again; as it is, it will always be refused.",
			},
		},
		{
			Code: "not_found", Surface: Call, Statuses: []int{404},
			Title:   "There is no such route",
			Meaning: "No API here has an operation under this path.",
			Causes: []string{
				"The path has a typing error, or lacks the version.",
				"The host is another than the API's.",
			},
			Next: []string{
				"Compare the whole URL, its host included, with the base URL and the operations on the API's page.",
			},
		},
		{
			Code: "not_implemented", Surface: Call, Statuses: []int{501},
			Title:   "There is no mock data",
			Meaning: "In the sandbox this call is for mock data to answer, and there is none for its operation. The detail says why it was not sent to the live server.",
			Causes: []string{
				"Your organization's subscription is not approved yet, and the operation has no example.",
				"The header environment: sandbox asks for mock data.",
				"The API has no OpenAPI document, or the call is not listed in it: then there are no examples.",
			},
			Next: []string{
				"For live data in the sandbox have the subscription approved; where the API says so, send a TIN. Leave out the header environment.",
				"For mock data ask the operator to add an example to the document, or a mock rule.",
			},
		},
		{
			Code: "method_not_allowed", Surface: Call, Statuses: []int{405},
			Title:   "The path does not take this method",
			Meaning: "The path exists, but for other methods, which the Allow header lists.",
			Causes: []string{
				"The operation is a POST and was called with GET, or the reverse.",
				"A redirect on the way turned a POST into a GET.",
			},
			Next: []string{
				"Use a method that the Allow header lists.",
				"Call the URL directly, with https, so that nothing redirects it.",
			},
		},
		{
			Code: "request_too_large", Surface: Call, Statuses: []int{413},
			Title:   "The body is too large",
			Meaning: "The body has more bytes than this API takes, or, where it is held to the API's document, more values than one for each 16 of those.",
			Causes:  []string{"More was put into one request than the limit on the API's page."},
			Next:    []string{"Send less at once: split it into several requests."},
		},
		{
			Code: "unsupported_media_type", Surface: Call, Statuses: []int{415},
			Title:   "The body is not JSON",
			Meaning: "The operation takes JSON, and the Content-Type says something else, or nothing.",
			Causes: []string{
				"The Content-Type header is missing, or is that of a form, which some programs send unasked.",
				"The charset is not UTF-8.",
			},
			Next: []string{"Send the body as JSON in UTF-8, with Content-Type: application/json."},
		},
	}
}

// callServers lists what is no fault of the caller's.
func callServers() []Problem {
	return []Problem{
		{
			Code: "bad_gateway", Surface: Call, Statuses: []int{502},
			Title:   "The API's server did not answer properly",
			Meaning: "The call was in order and was passed on, but the server behind the gateway could not be reached or broke off.",
			Causes:  []string{"The API's own server is down, restarting, or closed the connection."},
			Next: []string{
				"If the call may be repeated safely, try again after some seconds, then at growing intervals.",
				"If not, find out first whether it took effect: it may have.",
				"If it stays so, report the trace id.",
			},
		},
		{
			Code: "gateway_timeout", Surface: Call, Statuses: []int{504},
			Title:   "The API's server did not answer in time",
			Meaning: "The call was in order and was passed on, but no answer began within the time that the API is given.",
			Causes:  []string{"The API's own server is slow or overloaded, or one that it asks in turn is."},
			Next: []string{
				"Find out whether the call took effect before you repeat one that changes something.",
				"Try again later, at growing intervals.",
				"If it stays so, report the trace id.",
			},
		},
		{
			Code: "service_unavailable", Surface: Call, Statuses: []int{503},
			Title:   "The gateway cannot answer right now",
			Meaning: "The gateway could not take the call, and did not pass it on.",
			Causes: []string{
				"The gateway is overloaded, or has been cut off from what it needs to know.",
				"The API is not offered in this environment at the moment.",
			},
			Next: []string{
				"Wait for as many seconds as Retry-After says, then try again.",
				"If it stays so, report the trace id.",
			},
		},
	}
}
