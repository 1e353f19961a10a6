package e2e_test

import (
	"slices"
	"strconv"
	"strings"
)

// corpus is what TestNoRequestIsSmuggledPastTheGateway sends. An answer of 400 that
// net/http makes closes the connection; one of ours does not have to.
func corpus() []smuggle {
	return slices.Concat(bothLengths(), oddLengths(), oddEncodings(), oddChunks(), lineEnds(), oddFields(), oddBodies(), expectations(),
		requestLines(), hosts(), targets(), queries(), trusted(), tokens())
}

// with puts fields behind the beginning of a POST.
func with(name, fields, rest string) smuggle {
	return smuggle{name: name, raw: "{post}" + fields + "\r\n\r\n" + rest}
}

// bothLengths say how long the body is in two ways: whoever believes the one takes
// what whoever believes the other takes for a body to be a request.
func bothLengths() []smuggle {
	const te, whole = "Transfer-Encoding: chunked", "0\r\n\r\n{evil}"
	var all []smuggle
	for name, fields := range map[string]string{
		"length, then chunked":                       "Content-Length: 5\r\n" + te,
		"chunked, then length":                       te + "\r\nContent-Length: 5",
		"length of all, then chunked":                "Content-Length: {n}\r\n" + te,
		"zero length and chunked":                    "Content-Length: 0\r\n" + te,
		"length and chunked, in lower case":          "content-length: 5\r\ntransfer-encoding: chunked",
		"length and CHUNKED":                         "Content-Length: 5\r\nTransfer-Encoding: CHUNKED",
		"length and chunked in HTTP/1.1 with a tab":  "Content-Length: 5\r\nTransfer-Encoding:\tchunked",
		"length and chunked, kept alive":             "Content-Length: 5\r\nConnection: keep-alive\r\n" + te,
		"length and chunked, and Connection says it": "Content-Length: 5\r\nConnection: Transfer-Encoding\r\n" + te,
		"two lengths and chunked":                    "Content-Length: 5\r\nContent-Length: 5\r\n" + te,
	} {
		all = append(all, with("CL.TE: "+name, fields, whole))
	}
	return append(all,
		smuggle{name: "CL.TE in HTTP/1.0", raw: "POST {base}/x HTTP/1.0\r\nHost: x\r\n{auth}\r\n{mark}\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{evil}", body: "0\r\n\r\n"},
		smuggle{name: "TE in HTTP/1.0", raw: "POST {base}/x HTTP/1.0\r\nHost: x\r\n{auth}\r\n{mark}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{evil}"},
		smuggle{name: "CL.0: a GET with the next request as its body", raw: "{get}Content-Length: {n}\r\n\r\n{evil}", body: "{evil}"},
		smuggle{name: "CL.0: a HEAD with a body", raw: "HEAD {base}/head HTTP/1.1\r\nHost: x\r\n{auth}\r\n{mark}\r\nContent-Length: {n}\r\n\r\n{evil}", body: "{evil}"},
		smuggle{name: "CL.0: an OPTIONS with a body", raw: "OPTIONS {base}/x HTTP/1.1\r\nHost: x\r\n{auth}\r\n{mark}\r\nContent-Length: {n}\r\n\r\n{evil}", body: "{evil}"},
		smuggle{name: "CL.0: a DELETE with chunks", raw: "DELETE {base}/x HTTP/1.1\r\nHost: x\r\n{auth}\r\n{mark}\r\nTransfer-Encoding: chunked\r\n\r\n{x}\r\n{evil}\r\n0\r\n\r\n", body: "{evil}"},
		with("0.CL: a POST without a length, and a request behind it", "X-A: 1", "{evil}"),
	)
}

// oddLengths are numbers to some and none to others.
func oddLengths() []smuggle {
	var all []smuggle
	for _, length := range []string{"+5", "-5", "-0", "0x5", "0X5", "5, 5", "5,5", "5,6", "5 5", "5;", "5.0", "5e0", "05x", "five", "", " ", "5\t6", "５", "18446744073709551621", "9223372036854775808", "99999999999999999999999999", "5_0", "\"5\"", "5\x00", "0b101", "0o5", "1_0"} {
		all = append(all, with("a length of "+plain(length), "Content-Length: "+length, "01234{evil}"))
	}
	for name, fields := range map[string]string{
		"two that differ":                     "Content-Length: 5\r\nContent-Length: 6",
		"two that differ, in two spellings":   "Content-Length: 5\r\ncontent-length: 0",
		"two, one of them none":               "Content-Length: 5\r\nContent-Length: x",
		"two, one of them empty":              "Content-Length: 5\r\nContent-Length:",
		"with a space before the colon":       "Content-Length : 5",
		"with a tab before the colon":         "Content-Length\t: 5",
		"by an underscore":                    "Content_Length: 5",
		"in a folded line":                    "X-A: 1\r\n Content-Length: 5",
		"behind a vertical tab":               "\vContent-Length: 5",
		"behind a NUL":                        "\x00Content-Length: 5",
		"two, one behind a space":             "Content-Length: 5\r\n Content-Length: 0",
		"two that differ by a leading zero":   "Content-Length: 5\r\nContent-Length: 05",
		"hidden behind a carriage return":     "X-A: 1\rContent-Length: 5",
		"hidden behind a line feed, and real": "Content-Length: 0\r\nX-A: 1\nContent-Length: {n}",
	} {
		all = append(all, with("a length: "+name, fields, "01234{evil}"))
	}
	return append(all,
		smuggle{name: "a length said twice, the same", raw: "{post}Content-Length: 5\r\nContent-Length: 5\r\n\r\n01234", body: "01234"},
		smuggle{name: "a length: folded itself", raw: "{post}Content-Length:\r\n 5\r\n\r\n01234{evil}", body: "01234"},
		smuggle{name: "a length with leading zeros", raw: "{post}Content-Length: 0005\r\n\r\n01234", body: "01234"},
		smuggle{name: "a length with spaces around it", raw: "{post}Content-Length: \t 5 \t\r\n\r\n01234", body: "01234"},
		smuggle{name: "a length longer than what comes", raw: "{post}Content-Length: 50\r\n\r\n01234", ends: true},
	)
}

// oddEncodings are chunked to some and nothing to others.
func oddEncodings() []smuggle {
	var all []smuggle
	for _, coding := range []string{
		"xchunked", "chunked, identity", "identity, chunked", "identity", "chunked, chunked", "chunked;q=1", "chunked;", ", chunked", "chunked,", "gzip, chunked", "gzip", "chunked, gzip",
		"\"chunked\"", "'chunked'", "chunk", "chunked\x00", "chunked\v", "\vchunked", "chunked\x0c", "", "x, chunked", "chunked x", "cow", "chunked\x85", "\xa0chunked", "deflate",
	} {
		all = append(all, with("TE.TE: "+plain(coding), "Transfer-Encoding: "+coding, "0\r\n\r\n{evil}"))
		all = append(all, with("TE.CL: "+plain(coding)+" and a length", "Content-Length: 5\r\nTransfer-Encoding: "+coding, "0\r\n\r\n{evil}"))
	}
	for name, fields := range map[string]string{
		"twice":                             "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
		"twice, the second identity":        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
		"twice, the first identity":         "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
		"twice, the second nonsense":        "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
		"with a space before the colon":     "Transfer-Encoding : chunked",
		"with a tab before the colon":       "Transfer-Encoding\t: chunked",
		"behind a space":                    "X-A: 1\r\n Transfer-Encoding: chunked",
		"folded":                            "Transfer-Encoding:\r\n chunked",
		"behind a line feed":                "X-A: 1\nTransfer-Encoding: chunked",
		"behind a carriage return":          "X-A: 1\rTransfer-Encoding: chunked",
		"by an underscore":                  "Transfer_Encoding: chunked",
		"by a dot":                          "Transfer.Encoding: chunked",
		"with a NUL in its name":            "Transfer-\x00Encoding: chunked",
		"in Latin-1":                        "Transfer-Encoding\xa0: chunked",
		"beside X-Transfer-Encoding":        "Transfer-Encoding: cow\r\nX-Transfer-Encoding: chunked",
		"named by Connection, and a length": "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
	} {
		all = append(all, with("TE.TE: "+name, fields, "0\r\n\r\n{evil}"))
	}
	return all
}

// plain writes text so that it can be a test's name.
func plain(text string) string { return strings.Trim(strconv.QuoteToASCII(text), `"`) }

// oddChunks end in different places for different readers.
func oddChunks() []smuggle {
	chunked := func(name, body, seen string) smuggle {
		return smuggle{name: "chunks: " + name, raw: "{post}Transfer-Encoding: chunked\r\n\r\n" + body, body: seen}
	}
	var all []smuggle
	for _, size := range []string{"0x5", "+5", "-5", " 5", "5_", "5g", "G", "", "5 5", "5\t;a", "5,5", "٥", "5.", "5\x00", "10000000000000005", "00000000000000000005", strings.Repeat("0", 5000) + "5", "\"5\"", "5\v"} {
		all = append(all, chunked("a size of "+plain(size[:min(len(size), 20)]), size+"\r\n01234\r\n0\r\n\r\n{evil}", "01234"))
	}
	return append(all,
		chunked("a size that ends with LF alone", "5\n01234\r\n0\r\n\r\n{evil}", "01234"),
		chunked("a size that ends with CR alone", "5\r01234\r\n0\r\n\r\n{evil}", "01234"),
		chunked("data that ends with LF alone", "5\r\n01234\n0\r\n\r\n{evil}", "01234"),
		chunked("data that ends with nothing", "5\r\n012340\r\n\r\n{evil}", "01234"),
		chunked("data longer than its size", "5\r\n0123456789\r\n0\r\n\r\n{evil}", "01234"),
		chunked("an extension", "5;a=b\r\n01234\r\n0\r\n\r\n", "01234"),
		chunked("a quoted extension", "5;a=\"b;c\"\r\n01234\r\n0\r\n\r\n", "01234"),
		chunked("an extension that ends with LF alone", "5;a=b\n01234\r\n0\r\n\r\n{evil}", "01234"),
		chunked("an extension with a CR in it", "5;a=\rb\r\n01234\r\n0\r\n\r\n{evil}", "01234"),
		chunked("an extension with a line end in quotes", "5;a=\"\r\n0\r\n\r\n{evil}\"\r\n01234\r\n0\r\n\r\n", "01234"),
		chunked("an extension with a NUL", "5;a=\x00\r\n01234\r\n0\r\n\r\n{evil}", "01234"),
		chunked("an extension without end", "5;"+strings.Repeat("a", 9000)+"\r\n01234\r\n0\r\n\r\n", "01234"),
		chunked("a flood of extensions", strings.Repeat("1;"+strings.Repeat("a", 900)+"\r\nx\r\n", 40)+"0\r\n\r\n", ""),
		chunked("a last chunk of many zeros", "5\r\n01234\r\n000\r\n\r\n", "01234"),
		chunked("a last chunk with an extension", "5\r\n01234\r\n0;a\r\n\r\n", "01234"),
		chunked("an end with LF alone", "5\r\n01234\r\n0\r\n\n{evil}", "01234"),
		chunked("an end with CR alone", "5\r\n01234\r\n0\r\n\r{evil}", "01234"),
		chunked("no end, but the next request", "5\r\n01234\r\n0\r\n{evil}", "01234"),
		chunked("a trailer that frames", "5\r\n01234\r\n0\r\nContent-Length: {n}\r\n\r\n", "01234"),
		chunked("a trailer that encodes", "5\r\n01234\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", "01234"),
		chunked("a trailer that says who calls", "5\r\n01234\r\n0\r\nX-Sallyport-Identity: forged\r\nX-Mark: evil\r\nHost: evil\r\n\r\n", "01234"),
		chunked("a trailer with a token", "5\r\n01234\r\n0\r\n{auth}\r\n\r\n", "01234"),
		chunked("a trailer that is a request", "5\r\n01234\r\n0\r\nGET {base}/evil HTTP/1.1\r\nX: y\r\n\r\n", "01234"),
		chunked("a folded trailer", "5\r\n01234\r\n0\r\nX-A: b\r\n c\r\n\r\n", "01234"),
		chunked("trailers without end", "5\r\n01234\r\n0\r\n"+strings.Repeat("X-A: "+strings.Repeat("b", 1000)+"\r\n", 80)+"\r\n", "01234"),
		chunked("of the next request, whole", "{x}\r\n{evil}\r\n0\r\n\r\n", "{evil}"),
		chunked("one after another, of one byte each", strings.Repeat("1\r\na\r\n", 500)+"0\r\n\r\n", strings.Repeat("a", 500)),
		smuggle{name: "chunks: a size of all ones", raw: "{post}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n01234\r\n0\r\n\r\n{evil}", ends: true},
		smuggle{name: "chunks: a size as large as can be", raw: "{post}Transfer-Encoding: chunked\r\n\r\n7FFFFFFFFFFFFFFF\r\n01234\r\n0\r\n\r\n{evil}", ends: true},
		smuggle{name: "chunks: announced trailers", raw: "{post}Transfer-Encoding: chunked\r\nTrailer: X-Sum, Content-Length\r\n\r\n5\r\n01234\r\n0\r\nX-Sum: 1\r\n\r\n", body: "01234"},
		smuggle{name: "chunks: broken off within one", raw: "{post}Transfer-Encoding: chunked\r\n\r\n50\r\n01234", ends: true},
		smuggle{name: "chunks: broken off before the last", raw: "{post}Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n", ends: true},
	)
}
