package openapi

import (
	"cmp"
	"fmt"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// Violation says which field of a body does not match, and what is allowed. It
// never holds a value that was sent: the body may be about a patient.
type Violation struct {
	Field string // JSON pointer, e.g. "/subscriber/dateOfBirth"; empty: the body itself
	Text  string // continues the field's name: "must be …", "is required"
	// Others are what else does not match, in the document's order: a few are told at
	// once, so that a client need not find them out one by one.
	Others []Violation
}

// mostTold is how many violations are told at once.
const mostTold = 10

// String is a sentence without its full stop.
func (v *Violation) String() string {
	if v.Field == "" {
		return "the body " + v.Text
	}
	return v.Field + " " + v.Text
}

// vocabulary is what a document itself says about its fields: the order in
// which it first names them, and the words (x-allowed) for what a schema takes.
type vocabulary struct {
	root *strictyaml.Node
	rank map[string]int
}

func newVocabulary(root *strictyaml.Node) *vocabulary {
	v := &vocabulary{root: root, rank: make(map[string]int)}
	v.collect(root)
	return v
}

func (v *vocabulary) collect(n *strictyaml.Node) {
	if properties := n.Get("properties"); properties != nil {
		for _, member := range properties.Members {
			if _, ok := v.rank[member.Name]; !ok {
				v.rank[member.Name] = len(v.rank)
			}
		}
	}
	for _, member := range n.Members {
		v.collect(member.Value)
	}
	for _, item := range n.Items {
		v.collect(item)
	}
}

// finding is one leaf of what the schema library found.
type finding struct {
	path []string
	err  *jsonschema.ValidationError
}

// first picks the violation to tell, and a few others. The library walks maps in Go's
// random order, so what it found is sorted: by the document's order of fields, outer
// before inner, and a missing field before one that is not known.
func (v *vocabulary) first(err *jsonschema.ValidationError) *Violation {
	found := v.leaves(err)
	best := v.foremost(found)
	texts := make([]string, len(best))
	for _, f := range found { // two rules about one field: the same words first, always
		for i := range best {
			if slices.Equal(f.path, best[i].path) {
				if text := v.text(f); texts[i] == "" || text < texts[i] {
					texts[i] = text
				}
				break
			}
		}
	}
	told := &Violation{Field: v.pointer(best[0]), Text: texts[0]}
	add := func(f finding, text string) {
		other := Violation{Field: v.pointer(f), Text: text}
		same := func(o Violation) bool { return o.Field == other.Field && o.Text == other.Text }
		if len(told.Others) < mostTold-1 && !same(*told) && !slices.ContainsFunc(told.Others, same) {
			told.Others = append(told.Others, other)
		}
	}
	for i, f := range best {
		add(f, texts[i])
		for _, name := range missing(f)[min(1, len(missing(f))):] {
			add(finding{path: join(f.err.InstanceLocation, name), err: f.err}, v.text(f))
		}
	}
	return told
}

// missing are the fields that a finding says to be missing; the first is its path's.
func missing(f finding) []string {
	switch k := f.err.ErrorKind.(type) {
	case *kind.Required:
		return k.Missing
	case *kind.DependentRequired:
		return k.Missing
	}
	return nil
}

// foremost returns the first few of what was found, one for each field, in order. It
// looks at each once: there may be one for every value of a large body.
func (v *vocabulary) foremost(found []finding) []finding {
	best := make([]finding, 0, mostTold+1)
	for _, f := range found {
		if len(best) == mostTold && v.compare(f, best[mostTold-1]) >= 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, f, v.compare)
		if at < len(best) && slices.Equal(best[at].path, f.path) {
			continue
		}
		best = slices.Insert(best, at, f)
		best = best[:min(len(best), mostTold)]
	}
	return best
}

// leaves flattens the tree of errors. Of alternatives that all fail it follows
// the one that came furthest.
func (v *vocabulary) leaves(err *jsonschema.ValidationError) []finding {
	switch k := err.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		if len(err.Causes) > 0 {
			return v.nearest(err)
		}
	case *kind.Required:
		return []finding{{path: join(err.InstanceLocation, k.Missing[0]), err: err}}
	case *kind.DependentRequired:
		return []finding{{path: join(err.InstanceLocation, k.Missing[0]), err: err}}
	case *kind.AdditionalProperties:
		return []finding{{path: join(err.InstanceLocation, slices.MinFunc(k.Properties, v.compareNames)), err: err}}
	case *kind.Contains, *kind.MinContains, *kind.MaxContains, *kind.PropertyNames:
	default:
		var out []finding
		for _, cause := range err.Causes {
			out = append(out, v.leaves(cause)...)
		}
		if len(out) > 0 {
			return out
		}
	}
	return []finding{{path: err.InstanceLocation, err: err}}
}

// nearest follows the alternative whose first complaint lies deepest: the
// others most likely were not meant. If none looked inside, they differ in what
// they take, and the answer lists it all.
func (v *vocabulary) nearest(err *jsonschema.ValidationError) []finding {
	var best []finding
	depth := len(err.InstanceLocation)
	for _, cause := range err.Causes {
		branch := v.leaves(cause)
		if d := len(slices.MinFunc(branch, v.compare).path); d > depth {
			best, depth = branch, d
		}
	}
	if best == nil {
		return []finding{{path: err.InstanceLocation, err: err}}
	}
	return best
}

func (v *vocabulary) compare(a, b finding) int {
	for i := range min(len(a.path), len(b.path)) {
		if c := v.compareNames(a.path[i], b.path[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a.path), len(b.path))
}

func (v *vocabulary) compareNames(a, b string) int {
	if i, err := strconv.Atoi(a); err == nil {
		if j, err := strconv.Atoi(b); err == nil {
			return cmp.Compare(i, j)
		}
	}
	i, known := v.rank[a]
	j, otherKnown := v.rank[b]
	switch {
	case known && otherKnown:
		return cmp.Compare(i, j)
	case known:
		return -1
	case otherKnown:
		return 1
	}
	return cmp.Compare(a, b)
}

// A name that the document does not know was chosen by the sender. It is told only if
// it is the field that there is not, and looks like the name of one, mistyped: with at
// most two digits, for more are a number of somebody's. Any other is a key of a map.
var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,39}$`)

func mistyped(name string) bool {
	digits := 0
	for i := range len(name) {
		if c := name[i]; '0' <= c && c <= '9' {
			digits++
		}
	}
	return digits <= 2 && fieldName.MatchString(name)
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

func (v *vocabulary) pointer(f finding) string {
	var out strings.Builder
	unknown := false
	switch f.err.ErrorKind.(type) {
	case *kind.AdditionalProperties, *kind.FalseSchema, *kind.Required, *kind.DependentRequired:
		unknown = true
	}
	for i, token := range f.path {
		if _, known := v.rank[token]; !known && (!unknown || i < len(f.path)-1 || !mistyped(token)) {
			if index, err := strconv.Atoi(token); err != nil || index > 9999 || strconv.Itoa(index) != token {
				token = "*"
			}
		}
		out.WriteString("/" + escaper.Replace(token))
	}
	return out.String()
}

func join(path []string, name string) []string {
	return append(slices.Clip(path), name)
}

// own returns the document's own words for what the schema takes, if it has any.
func (v *vocabulary) own(schemaURL string) string {
	_, fragment, _ := strings.Cut(schemaURL, "#")
	pointer, err := url.PathUnescape(fragment)
	if err != nil {
		return ""
	}
	return v.root.At(pointer).Get("x-allowed").Text()
}

// text says what is allowed.
func (v *vocabulary) text(f finding) string {
	switch k := f.err.ErrorKind.(type) {
	case *kind.Required:
		return "is required"
	case *kind.DependentRequired:
		return "is required when " + k.Prop + " is given"
	case *kind.AdditionalProperties, *kind.FalseSchema:
		return "is not a field of this API; check its spelling and place"
	case *kind.Type:
		return "must be " + typeWords(k.Want)
	case *kind.AnyOf, *kind.OneOf:
		return v.alternatives(f.err)
	}
	if own := v.own(f.err.SchemaURL); own != "" {
		return "must be " + own
	}
	switch k := f.err.ErrorKind.(type) {
	case *kind.Enum:
		return "must be " + list(k.Want)
	case *kind.Const:
		return "must be " + list([]any{k.Want})
	case *kind.Format:
		return "must be " + formatWords(k.Want)
	case *kind.Pattern:
		return patternWords(k.Want)
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %s", count(k.Want, "character"))
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %s", count(k.Want, "character"))
	}
	return sizeWords(f.err.ErrorKind)
}

func sizeWords(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %s", count(k.Want, "item"))
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %s", count(k.Want, "item"))
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %s", count(k.Want, "member"))
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %s", count(k.Want, "member"))
	case *kind.UniqueItems:
		return "must not hold the same item twice"
	case *kind.Contains, *kind.MinContains:
		return "lacks an item that it must hold"
	case *kind.MaxContains:
		return "holds an item more often than allowed"
	case *kind.PropertyNames:
		return "has a member with a name that is not allowed"
	case *kind.Minimum:
		return "must be at least " + decimal(k.Want)
	case *kind.Maximum:
		return "must be at most " + decimal(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be greater than " + decimal(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + decimal(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + decimal(k.Want)
	}
	return "does not match the schema"
}

// alternatives joins the words of branches that all failed at one place.
func (v *vocabulary) alternatives(err *jsonschema.ValidationError) string {
	if len(err.Causes) == 0 { // oneOf, and more than one matched
		return "matches more than one of the forms that it may have; it must match exactly one"
	}
	var words []string
	for _, cause := range err.Causes {
		branch := v.leaves(cause)
		text := v.text(slices.MinFunc(branch, v.compare))
		rest, ok := strings.CutPrefix(text, "must be ")
		if !ok {
			return "does not match any of the forms that it may have"
		}
		if !slices.Contains(words, rest) {
			words = append(words, rest)
		}
	}
	return "must be " + strings.Join(words, ", or ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func decimal(r *big.Rat) string {
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'f', -1, 64)
}
