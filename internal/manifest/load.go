package manifest

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/openapi/strictyaml"
)

// The limits of a catalogue.
const (
	MaxFile  = 2 << 20  // bytes of one file
	MaxFiles = 1000     // files
	MaxTotal = 32 << 20 // bytes of all files
)

const (
	productsFile = "products.yaml"
	manifestFile = "manifest.yaml"
	readmeFile   = "README.md" // for those who edit the folder; not served
)

// Options is what a catalogue leaves open.
type Options struct {
	Vars    map[string]string // values for ${NAME} in the URLs of upstreams
	TLS     []string          // the names that upstreams may say for tls
	Issuers []string          // the names of the issuers that there are beside our own
	// Unsure takes the names for TLS and issuers that TLS and Issuers do not have, where
	// the configuration is not at hand; nil: they are faults.
	Unsure func(Problem)
	// Documents are remembered from one catalogue to the next; nil: none is.
	Documents *Documents
}

// Problem is one thing that is wrong with a catalogue.
type Problem struct {
	File string
	Line int    // 0: of the file as such
	Text string // what is wrong; what is allowed
}

// Error implements error.
func (p *Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// Load reads the catalogue in fsys. The error joins a [*Problem] for everything
// that is wrong; its text is a line for each.
func Load(fsys fs.FS, options Options) (*Catalog, error) {
	options.Documents.begin()
	l := &loader{
		documents: options.Documents, vars: options.Vars, tls: options.TLS, unsure: options.Unsure, issuers: append([]string{OwnIssuer}, options.Issuers...),
		files: make(map[string][]byte), catalog: &Catalog{},
	}
	l.read(fsys)
	if len(l.problems) > 0 {
		return nil, l.err() // what could not be read would be missed everywhere
	}
	l.products()
	for _, folder := range l.folders() {
		l.api(folder)
	}
	l.basePaths()
	l.limitedOperations()
	if err := l.err(); err != nil {
		return nil, err
	}
	slices.SortFunc(l.catalog.APIs, func(a, b *API) int { return cmp.Compare(a.BasePath, b.BasePath) })
	slices.SortFunc(l.catalog.Products, func(a, b market.Product) int { return cmp.Compare(a.Name, b.Name) })
	return l.catalog, nil
}

// loader is one Load under way.
type loader struct {
	documents *Documents
	vars      map[string]string
	tls       []string
	issuers   []string
	unsure    func(Problem) // nil: names that are not known are faults
	files     map[string][]byte
	catalog   *Catalog
	problems  []*Problem
	bases     []base
	limited   []limitedOperation
}

func (l *loader) problem(file string, line int, format string, args ...any) {
	l.problems = append(l.problems, &Problem{File: file, Line: max(line, 1), Text: fmt.Sprintf(format, args...)})
}

// take notes the problems of err, which a reader of file returned.
func (l *loader) take(file string, err error) {
	var problems strictyaml.Problems
	switch {
	case err == nil:
	case errors.As(err, &problems):
		for _, p := range problems {
			l.problem(file, p.Line, "%s", p.Text)
		}
	default:
		l.problem(file, 1, "%s", strings.Join(strings.Fields(err.Error()), " "))
	}
}

func (l *loader) err() error {
	slices.SortStableFunc(l.problems, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	errs := make([]error, len(l.problems))
	for i, p := range l.problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// read reads every file of the folder within the limits.
func (l *loader) read(fsys fs.FS) {
	total := 0
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			l.problem(printable(name), 1, "cannot be read; check that it exists and may be read")
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case !entry.Type().IsRegular():
			l.problem(printable(name), 1, "is not a plain file; links and devices are not allowed in a catalogue")
			return nil
		case len(l.files) == MaxFiles:
			l.problem(printable(name), 1, "the catalogue has too many files; at most %d are allowed", MaxFiles)
			return fs.SkipAll
		}
		data, err := readFile(fsys, name)
		if err != nil {
			l.problem(printable(name), 1, "%v", err)
			return nil
		}
		if total += len(data); total > MaxTotal {
			l.problem(printable(name), 1, "the catalogue is too large; at most %d MiB are allowed", MaxTotal>>20)
			return fs.SkipAll
		}
		l.files[name] = data
		return nil
	})
	if err != nil {
		l.problem(".", 1, "the catalogue cannot be read; check that the folder exists")
	}
}

// readFile reads a file up to MaxFile.
func readFile(fsys fs.FS, name string) (_ []byte, err error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, errors.New("cannot be opened; check that it may be read")
	}
	defer func() { _ = file.Close() }() // only read from
	data, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	switch {
	case err != nil:
		return nil, errors.New("cannot be read to its end; check that it is whole")
	case len(data) > MaxFile:
		return nil, fmt.Errorf("is too large; a file may have at most %d MiB", MaxFile>>20)
	}
	return data, nil
}

// printable makes a file's name fit into one line of a message.
func printable(name string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return '?'
		}
		return c
	}, name)
}

// folders returns the folders of APIs, in order, and complains about what is
// neither such a folder nor one of the known files.
func (l *loader) folders() []string {
	var folders []string
	for name := range l.files {
		folder, rest, nested := strings.Cut(name, "/")
		switch {
		case nested && !isName(folder):
			l.problem(printable(name), 1, "the folder %q cannot name an API; allowed are small letters, digits and \"-\", a letter first", printable(folder))
		case nested && strings.Contains(rest, "/"):
			l.problem(printable(name), 1, "is in a folder of a folder; the files of an API stand in its folder")
		case nested:
			if !slices.Contains(folders, folder) {
				folders = append(folders, folder)
			}
		case name != productsFile && name != readmeFile && path.Ext(name) != ".go": // a folder may be embedded in a program
			l.problem(printable(name), 1, "is not part of a catalogue; beside the folders of APIs stand %s and %s", productsFile, readmeFile)
		}
	}
	slices.Sort(folders)
	return folders
}

// isName reports whether s can name an API: in a URL, a file, a log.
func isName(s string) bool {
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && len(s) <= 64 &&
		!strings.ContainsFunc(s, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' })
}

// sum remembers what a file of an API held, by what the file is for.
func (l *loader) sum(api *API, use, file string) {
	api.sums[use] = sha256.Sum256(l.files[file])
}

// base is a base path and where it stands.
type base struct {
	path string
	file string
	line int
}

// basePaths refuses two APIs that could both be meant by one path.
func (l *loader) basePaths() {
	for i, b := range l.bases {
		for _, other := range l.bases[:i] {
			switch {
			case b.path == other.path:
				l.problem(b.file, b.line, "the base path %s is that of %s:%d too; each API has its own", b.path, other.file, other.line)
			case strings.HasPrefix(b.path+"/", other.path+"/"), strings.HasPrefix(other.path+"/", b.path+"/"):
				l.problem(b.file, b.line, "the base path %s overlaps with %s of %s:%d; neither may begin with the other", b.path, other.path, other.file, other.line)
			}
		}
	}
}
