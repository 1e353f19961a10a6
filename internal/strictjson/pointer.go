package strictjson

import (
	"strconv"
	"strings"
)

// At returns the value that pointer (RFC 6901, for example "/provider/taxId")
// names in a document decoded into an any, and whether there is one.
func At(document any, pointer string) (any, bool) {
	if pointer == "" {
		return document, true
	}
	if pointer[0] != '/' {
		return nil, false
	}
	for _, token := range strings.Split(pointer[1:], "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		switch value := document.(type) {
		case map[string]any:
			member, ok := value[token]
			if !ok {
				return nil, false
			}
			document = member
		case []any:
			index, err := strconv.Atoi(token)
			if err != nil || index < 0 || index >= len(value) || token != strconv.Itoa(index) {
				return nil, false
			}
			document = value[index]
		default:
			return nil, false
		}
	}
	return document, true
}
