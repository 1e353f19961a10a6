package openapi

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

func typeWords(types []string) string {
	words := make([]string, len(types))
	for i, t := range types {
		switch t {
		case "string":
			words[i] = "a text"
		case "integer":
			words[i] = "a whole number"
		case "number":
			words[i] = "a number"
		case "boolean":
			words[i] = "true or false"
		case "array":
			words[i] = "a list"
		case "object":
			words[i] = "an object"
		default:
			words[i] = t
		}
	}
	return strings.Join(words, " or ")
}

// maxListed is how many allowed values are told.
const maxListed = 20

func list(values []any) string {
	words := make([]string, 0, maxListed)
	for _, value := range values {
		text, err := json.Marshal(value)
		if err != nil {
			continue
		}
		if len(words) == maxListed {
			return fmt.Sprintf("one of %s, or one of %d more", strings.Join(words, ", "), len(values)-maxListed)
		}
		words = append(words, string(text))
	}
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + strings.Join(words, ", ")
}

func formatWords(format string) string {
	switch format {
	case "date":
		return "a date as 2026-01-31"
	case "date-time":
		return "a time as 2026-01-31T15:04:05Z"
	case "time":
		return "a time of day as 15:04:05Z"
	case "uuid":
		return "a UUID"
	case "email":
		return "an e-mail address"
	case "uri":
		return "a URL with its scheme"
	case "byte":
		return "base64 text (RFC 4648 §4, with padding)"
	case "int32":
		return "a whole number of 32 bits"
	case "int64":
		return "a whole number of 64 bits"
	}
	return "a valid " + format
}

// digits recognizes the most common pattern of all, to say it in words.
var digits = regexp.MustCompile(`^\^(?:\\d|\[0-9\])\{(\d+)(?:,(\d+))?\}\$$`)

func patternWords(pattern string) string {
	switch m := digits.FindStringSubmatch(pattern); {
	case m == nil:
		return "must match the pattern " + pattern
	case m[2] == "":
		return "must be exactly " + m[1] + " digits"
	default:
		return "must be " + m[1] + " to " + m[2] + " digits"
	}
}
