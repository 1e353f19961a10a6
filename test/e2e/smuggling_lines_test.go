package e2e_test

import "strings"

// lineEnds end lines, and heads, where only some readers see it.
func lineEnds() []smuggle {
	get := func(name, fields, rest string) smuggle {
		return smuggle{name: "line ends: " + name, raw: "{get}" + fields + rest}
	}
	return []smuggle{
		get("LF alone after a field", "X-A: 1\nX-B: 2\r\n\r\n", ""),
		get("CR alone within a value", "X-A: 1\rX-B: 2\r\n\r\n", ""),
		get("CR CR LF", "X-A: 1\r\r\n\r\n", ""),
		get("an empty line of LF alone", "X-A: 1\r\n\n", "{evil}"),
		get("an empty line of CR alone", "X-A: 1\r\n\rX-B: 1\r\n\r\n", "{evil}"),
		get("LF LF", "X-A: 1\n\n", "{evil}"),
		get("a line of one space", "X-A: 1\r\n \r\n\r\n", "{evil}"),
		get("a line of a form feed", "X-A: 1\r\n\f\r\n\r\n", "{evil}"),
		get("an escaped end in a value", "X-A: 1%0d%0aX-B: 2\r\n\r\n", ""),
		get("an end in UTF-8 that is cut to one", "X-A: 1\u010d\u010aX-B: 2\r\n\r\n", ""),
		get("a line separator of Unicode", "X-A: 1\u2028X-B: 2\r\n\r\n", ""),
		{name: "line ends: LF alone throughout", raw: "GET {base}/x HTTP/1.1\nHost: x\n{auth}\n{mark}\n\n"},
		{name: "line ends: CR alone throughout", raw: "GET {base}/x HTTP/1.1\rHost: x\r{auth}\r{mark}\r\r", ends: true},
		{name: "line ends: LF alone after the request line", raw: "GET {base}/x HTTP/1.1\nHost: x\r\n{auth}\r\n{mark}\r\n\r\n"},
		{name: "line ends: empty lines before the request", raw: "\r\n\r\n{get}\r\n"},
		{name: "line ends: a field before the request line", raw: " X: y\r\n{get}\r\n"},
		{name: "line ends: a space before the first field", raw: "GET {base}/x HTTP/1.1\r\n Host: x\r\nHost: x\r\n{auth}\r\n{mark}\r\n\r\n"},
	}
}

// oddFields are one field to some, another or none to others.
func oddFields() []smuggle {
	var all []smuggle
	for name, line := range map[string]string{
		"folded by a space":             "X-A: 1\r\n 2",
		"folded by a tab":               "X-A: 1\r\n\t2",
		"folded, with a field inside":   "X-A: 1\r\n X-Sallyport-Identity: forged",
		"a space before the colon":      "X-A : 1",
		"a tab before the colon":        "X-A\t: 1",
		"a space within the name":       "X A: 1",
		"no colon":                      "X-A",
		"no name":                       ": 1",
		"a NUL in the name":             "X-\x00A: 1",
		"a NUL in the value":            "X-A: 1\x002",
		"a control character":           "X-A: 1\x01",
		"a backspace":                   "X-A: 1\b\b",
		"a delete":                      "X-A: \x7f",
		"an escape sequence":            "X-A: \x1b[2J",
		"Latin-1 in the name":           "X-\xe9: 1",
		"UTF-8 in the name":             "X-é: 1",
		"a parenthesis in the name":     "X(A): 1",
		"a slash in the name":           "X/A: 1",
		"a quote in the name":           "\"X-A\": 1",
		"an at sign in the name":        "X@A: 1",
		"a pseudo field of HTTP/2":      ":path: /evil",
		"another pseudo field":          ":authority: evil",
		"an equals sign for the colon":  "X-A= 1",
		"a colon at both ends":          ":X-A: 1",
		"a value of nothing but spaces": "X-A:    ",
	} {
		all = append(all, smuggle{name: "fields: " + name, raw: "{get}" + line + "\r\n\r\n"})
	}
	return append(all,
		smuggle{name: "fields: too many", raw: "{get}" + strings.Repeat("X-A: 1\r\n", 6000) + "\r\n"},
		smuggle{name: "fields: one too long", raw: "{get}X-A: " + strings.Repeat("a", 40<<10) + "\r\n\r\n"},
		smuggle{name: "fields: a name too long", raw: "{get}" + strings.Repeat("a", 40<<10) + ": 1\r\n\r\n"},
		smuggle{name: "fields: many cookies", raw: "{get}" + strings.Repeat("Cookie: a=b\r\n", 500) + "\r\n"},
		smuggle{name: "fields: a cookie of many", raw: "{get}Cookie: " + strings.Repeat("a=b; ", 4000) + "\r\n\r\n"},
	)
}

// oddBodies come where none is expected, or look like what they are not.
func oddBodies() []smuggle {
	return []smuggle{
		{name: "bodies: two requests at once, both meant", raw: "{get}\r\n{get}\r\n"},
		{name: "bodies: three at once, with bodies", raw: "{post}Content-Length: 2\r\n\r\nab{post}Content-Length: 2\r\n\r\nab{post}Content-Length: 2\r\n\r\nab", body: "ab"},
		{name: "bodies: a second request after Connection: close", raw: "{get}Connection: close\r\n\r\n{evil}"},
		{name: "bodies: the next request, as JSON", raw: "{post}Content-Type: application/json\r\nContent-Length: {n}\r\n\r\n{evil}", body: "{evil}"},
		{name: "bodies: the next request, as a part", raw: "{post}Content-Type: multipart/byteranges; boundary=a\r\n\r\n--a\r\n\r\n{evil}--a--"},
		{name: "bodies: a part of a range", raw: "{get}Range: bytes=0-,0-,0-\r\n\r\n"},
		{name: "bodies: a refused call with the next request as its body", raw: "POST {base}/x HTTP/1.1\r\nHost: x\r\n{mark}\r\nContent-Length: {n}\r\n\r\n{evil}"},
		{name: "bodies: a refused call with chunks that are none", raw: "POST {base}/x HTTP/1.1\r\nHost: x\r\n{mark}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{evil}"},
		{name: "bodies: an unknown path with the next request as its body", raw: "POST /nothing HTTP/1.1\r\nHost: x\r\n{auth}\r\nContent-Length: {n}\r\n\r\n{evil}"},
		{name: "bodies: a method not allowed with the next request as its body", raw: "TRACE {base}/x HTTP/1.1\r\nHost: x\r\n{auth}\r\nContent-Length: {n}\r\n\r\n{evil}"},
		{name: "bodies: a HEAD, and a request behind it", raw: "HEAD {base}/head HTTP/1.1\r\nHost: x\r\n{auth}\r\n{mark}\r\n\r\n"},
		{name: "bodies: HTTP/1.0 kept alive, and a second", raw: "GET {base}/x HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n{auth}\r\n{mark}\r\n\r\n{get}\r\n"},
		{name: "bodies: HTTP/1.0, and a second", raw: "GET {base}/x HTTP/1.0\r\nHost: x\r\n{auth}\r\n{mark}\r\n\r\n{evil}"},
		{name: "bodies: larger than the buffers", raw: "{post}Content-Length: 200000\r\n\r\n" + strings.Repeat("0123456789", 20000), body: strings.Repeat("0123456789", 20000)},
		{name: "bodies: gzip said, and not", raw: "{post}Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n01234", body: "01234"},
	}
}

// expectations make some wait for a body that others take for a request.
func expectations() []smuggle {
	var all []smuggle
	for name, fields := range map[string]string{
		"100-continue":               "Expect: 100-continue\r\nContent-Length: 5",
		"100-Continue":               "Expect: 100-Continue\r\nContent-Length: 5",
		"100-continue, chunked":      "Expect: 100-continue\r\nTransfer-Encoding: chunked",
		"100-continue twice":         "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5",
		"something else":             "Expect: 200-ok\r\nContent-Length: 5",
		"100-continue and more":      "Expect: 100-continue, x\r\nContent-Length: 5",
		"nothing":                    "Expect:\r\nContent-Length: 5",
		"100-continue, folded":       "Expect:\r\n 100-continue\r\nContent-Length: 5",
		"100-continue behind a y":    "Expect: y 100-continue\r\nContent-Length: 5",
		"100-continue and no length": "Expect: 100-continue\r\nContent-Length: 0",
	} {
		body := "01234"
		if strings.Contains(fields, "chunked") {
			body = "5\r\n01234\r\n0\r\n\r\n"
		}
		c := with("expect: "+name, fields, body)
		c.body = "01234"
		if strings.HasSuffix(fields, " 0") {
			c.raw, c.body = strings.TrimSuffix(c.raw, body), ""
		}
		all = append(all, c)
	}
	return append(all,
		smuggle{name: "expect: of a GET without a body", raw: "{get}Expect: 100-continue\r\n\r\n"},
		smuggle{name: "expect: of a refused call, and a request for its body", raw: "POST {base}/x HTTP/1.1\r\nHost: x\r\n{mark}\r\nExpect: 100-continue\r\nContent-Length: {n}\r\n\r\n{evil}"},
	)
}

// requestLines are read in more than one way.
func requestLines() []smuggle {
	var all []smuggle
	for _, line := range []string{
		"GET  {base}/x HTTP/1.1", "GET {base}/x  HTTP/1.1", "GET\t{base}/x HTTP/1.1", "GET {base}/x\tHTTP/1.1", " GET {base}/x HTTP/1.1", "GET {base}/x HTTP/1.1 ",
		"GET {base}/x", "GET {base}/x HTTP/0.9", "GET {base}/x HTTP/1.2", "GET {base}/x HTTP/1.10", "GET {base}/x HTTP/2.0", "GET {base}/x HTTP/1", "GET {base}/x http/1.1", "GET {base}/x HTTP/1.1x", "GET {base}/x HTTP/+1.1", "GET {base}/x HTTP/ 1.1", "GET {base}/x ICAP/1.0",
		"GET {base}/x y HTTP/1.1", "GET {base}/x HTTP/1.1 HTTP/1.1", "GET HTTP/1.1", "GET", "{base}/x HTTP/1.1", "get {base}/x HTTP/1.1", "Get {base}/x HTTP/1.1", "G\x00T {base}/x HTTP/1.1", "GET {base}/x\x00 HTTP/1.1", "G(T {base}/x HTTP/1.1", "GET\v{base}/x HTTP/1.1",
		"PRI * HTTP/2.0", "CONNECT 127.0.0.1:22 HTTP/1.1", "CONNECT {base}/x HTTP/1.1", "OPTIONS * HTTP/1.1", "TRACE {base}/x HTTP/1.1", "TRACK {base}/x HTTP/1.1", "DEBUG {base}/x HTTP/1.1", "GET * HTTP/1.1", "GET x HTTP/1.1", "GET ?x HTTP/1.1", "GET #x HTTP/1.1",
		"SSTP_DUPLEX_POST {base}/x HTTP/1.1", "GET {base}/x;HTTP/1.1 HTTP/1.1", "\x16\x03\x01\x00",
	} {
		all = append(all, smuggle{name: "request line: " + plain(line), raw: line + "\r\nHost: x\r\n{auth}\r\n{mark}\r\n\r\n"})
	}
	return append(all,
		smuggle{name: "request line: HTTP/0.9, bare", raw: "GET {base}/x\r\n", ends: true},
		smuggle{name: "request line: too long", raw: "GET {base}/" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n"},
		smuggle{name: "request line: HTTP/2 in the clear behind TLS", raw: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", ends: true},
	)
}

// hosts would send a call elsewhere, where somebody believes them.
func hosts() []smuggle {
	var all []smuggle
	for name, lines := range map[string]string{
		"none": "", "two": "Host: x\r\nHost: evil", "two alike": "Host: x\r\nHost: x", "empty": "Host:", "of the upstream": "Host: 127.0.0.1", "with a user": "Host: a:b@evil", "with a path": "Host: evil/x", "with a query": "Host: evil?x", "with a fragment": "Host: evil#x",
		"with a space": "Host: x evil", "with a comma": "Host: x, evil", "with a port that is none": "Host: x:y", "with a large port": "Host: x:99999999", "with two ports": "Host: x:1:2", "with a trailing dot": "Host: gateway.example.", "in upper case": "Host: GATEWAY.EXAMPLE", "of IPv6": "Host: [::1]", "of IPv6 with a zone": "Host: [fe80::1%25eth0]", "half of IPv6": "Host: [::1", "with a NUL": "Host: x\x00evil", "with a scheme": "Host: https://evil", "in Latin-1": "Host: \xe9vil", "with a percent sign": "Host: x%00evil", "with a backslash": "Host: x\\evil", "folded": "Host: x\r\n evil", "with a semicolon": "Host: x;evil", "with angle brackets": "Host: <evil>", "with a space before the colon": "Host : evil\r\nHost: x", "absolute": "Host: http://x/",
	} {
		if lines != "" {
			lines += "\r\n"
		}
		all = append(all, smuggle{name: "host: " + name, raw: "GET {base}/x HTTP/1.1\r\n" + lines + "{auth}\r\n{mark}\r\n\r\n"})
	}
	for _, target := range []string{
		"http://evil.example{base}/x", "https://evil.example{base}/x", "HTTP://gateway.example{base}/x", "http://a:b@gateway.example{base}/x", "http://{base}/x", "http:///{base}/x", "//evil.example{base}/x", "http:{base}/x", "file://{base}/x", "gopher://evil{base}/x", "http://gateway.example@evil{base}/x", "http://[::1]{base}/x", "http://gateway.example:99999999{base}/x", "http://x%00{base}/x", "http://x\\{base}/x", "evil.example:80", "http://evil?{base}/x", "http://evil#{base}/x",
	} {
		all = append(all, smuggle{name: "absolute form: " + target, raw: "GET " + target + " HTTP/1.1\r\nHost: gateway.example\r\n{auth}\r\n{mark}\r\n\r\n"})
	}
	return all
}

// targets have more than one path.
func targets() []smuggle {
	var all []smuggle
	for _, path := range []string{
		"/x#evil", "/x%23evil", "/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/a%00", "/a%0d%0aX:y", "/%2e%2e/x", "/%2E./x", "/../x", "/./x", "/%2e/x", "//x", "/x//", "/..;/x", "/x;a=b", "/x%3ba=b", "/x%3fa=b", "/%252e%252e/x", "/a%252fb", "/%c0%ae%c0%ae/x", "/%c0%af", "/%ff", "/\xff", "/é", "/%u002e/x", "/x%", "/x%2", "/x%zz", "/%09", "/x%7f", "/a b", "/a\tb", "/x%20y", "/..", "/.", "/%2e%2e", "/..%2f..%2fetc", "/..%5c..%5cetc", "/\u2025/x", "/x%e2%80%ae", "/a|b", "/a^b", "/a\"b", "/<x>", "/`x`", "/{x}", "/x'--", "/*", "/a%25b",
	} {
		all = append(all, smuggle{name: "path: " + plain(path), raw: "GET {base}" + path + " HTTP/1.1\r\nHost: x\r\n{auth}\r\n{mark}\r\n\r\n"})
	}
	return append(all,
		smuggle{name: "path: the base in another case", raw: "GET /TEST/relay/v1/x HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n"},
		smuggle{name: "path: up to another API", raw: "GET {base}/../../standard/v1/x HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n"},
		smuggle{name: "path: the base escaped", raw: "GET /%74est/nothing/v1/x HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n"},
		smuggle{name: "path: behind a token endpoint", raw: "GET /oauth2/token/..{base}/x HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n"},
		smuggle{name: "path: behind the metadata", raw: "GET /.well-known/oauth-protected-resource/..{base}/x HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n"},
	)
}

// queries have more or other parameters for other readers.
func queries() []smuggle {
	var all []smuggle
	many := strings.Repeat("a=1&", 1001)
	for name, query := range map[string]string{
		"a semicolon": "a=1;b=2", "a semicolon, escaped": "a=1%3Bb=2", "a fragment": "a=1#b", "a fragment, escaped": "a=1%23b", "too many": many, "as many as may be": strings.Repeat("a&", 999), "an escape that is none": "a=%zz", "half an escape": "a=%2", "NUL": "a=%00", "line feed": "a=%0a", "carriage return": "a=%0d", "a space": "a=1 HTTP/1.1", "a tab": "a=1\tb", "Latin-1": "a=\xe9", "UTF-8": "a=é", "a quote": "a=\"1\"", "brackets": "a[]=1", "braces": "a={1}", "a backslash": "a=\\1", "two question marks": "a=1?b=2", "an ampersand alone": "&", "nothing": "", "the token": "access_token={token}", "the token, escaped": "%61ccess_token={token}", "a method": "_method=DELETE", "twice": "a=1&a=2", "a percent sign, escaped twice": "a=%252f", "a pipe": "a|b",
	} {
		all = append(all, smuggle{name: "query: " + name, raw: "GET {base}/x?" + query + " HTTP/1.1\r\nHost: x\r\n{auth}\r\n{mark}\r\n\r\n"})
	}
	return all
}

// trusted are fields that somebody might take for the gateway's word. The recorder
// takes none of them that is there twice.
func trusted() []smuggle {
	var all []smuggle
	for _, name := range []string{
		"X-Sallyport-Identity", "x-sallyport-identity", "X_Sallyport_Identity", "X.Sallyport.Identity", "X-Sallyport_Identity", "X-SALLYPORT-CLIENT-ID", "X-Trace-Id", "X_Trace_Id", "Proxy", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded_For", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Real-IP", "Client-Cert", "X-Forwarded-Client-Cert", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate",
	} {
		all = append(all, smuggle{name: "trusted: " + name, raw: "{get}" + name + ": evil\r\n\r\n"})
	}
	for _, options := range []string{"X-Sallyport-Identity", "x-sallyport-identity", "close, X-Sallyport-Identity", "Content-Length", "Host", "Authorization", "X-Mark", "keep-alive, \tX-Mark", "keep-alive; X-Mark", "\"X-Mark\"", "HTTP2-Settings", "upgrade", "keep-alive", "", ",,"} {
		all = append(all, smuggle{name: "Connection: " + options, raw: "{get}Connection: " + options + "\r\n\r\n"})
	}
	return append(all,
		smuggle{name: "upgrade to HTTP/2 in the clear", raw: "{get}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"},
		smuggle{name: "upgrade to websocket", raw: "{get}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n{evil}"},
		smuggle{name: "an upgrade that Connection does not name", raw: "{get}Upgrade: h2c\r\n\r\n"},
		smuggle{name: "trailers that Connection and TE ask for", raw: "{get}Connection: TE\r\nTE: trailers, chunked\r\n\r\n"},
	)
}

// tokens are more than one, or none that has one reading.
func tokens() []smuggle {
	var all []smuggle
	for name, lines := range map[string]string{
		"two": "{auth}\r\n{auth}", "two in two cases": "{auth}\r\nauthorization: Bearer {token}", "one and Basic": "{auth}\r\nAuthorization: Basic eDp5", "joined by a comma": "Authorization: Bearer {token}, Bearer {token}", "two spaces": "Authorization: Bearer  {token}", "a tab": "Authorization: Bearer\t{token}", "a space behind": "Authorization: Bearer {token} ", "more behind": "Authorization: Bearer {token} x", "a NUL": "Authorization: Bearer {token}\x00", "Latin-1": "Authorization: Bearer {token}\xe9", "UTF-8": "Authorization: Bearer {token}é", "no scheme": "Authorization: {token}", "no token": "Authorization: Bearer", "an empty one": "Authorization: Bearer ", "in lower case": "authorization: bearer {token}", "in quotes": "Authorization: Bearer \"{token}\"", "folded": "Authorization: Bearer\r\n {token}", "by an underscore": "Authorization_: Bearer {token}", "with padding": "Authorization: Bearer {token}=", "with a line of ours": "Authorization: Bearer {token}%0d%0aX: y", "cut": "Authorization: Bearer x{token}", "too long": "Authorization: Bearer " + strings.Repeat("a", 9000), "of dots": "Authorization: Bearer " + strings.Repeat(".", 8000), "beside an empty one": "Authorization:\r\n{auth}", "another scheme first": "Authorization: DPoP {token}", "a colon": "Authorization: Bearer: {token}", "as a parameter": "Authorization: Bearer token={token}", "as a cookie": "Cookie: access_token={token}", "by Proxy-Authorization": "Proxy-Authorization: Bearer {token}",
	} {
		all = append(all, smuggle{name: "token: " + name, raw: "GET {base}/x HTTP/1.1\r\nHost: x\r\n" + lines + "\r\n{mark}\r\n\r\n"})
	}
	return all
}
