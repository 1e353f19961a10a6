package manifest_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/manifest"
)

func files(t *testing.T, fsys fs.FS) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		out[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestABundleIsTheSameForTheSameFilesAndOpensAsThem(t *testing.T) {
	fsys := folder(map[string]*string{"books/overview.md": new("# Books\n")})
	bundle, sha, err := manifest.Bundle(fsys)
	if err != nil {
		t.Fatal(err)
	}
	again := fstest.MapFS{}
	for name, file := range fsys {
		again[name] = &fstest.MapFile{Data: file.Data, Mode: 0o600}
	}
	second, sha2, err := manifest.Bundle(again)
	if err != nil || !bytes.Equal(bundle, second) || sha != sha2 {
		t.Errorf("packed twice, %s and %s: %v", sha, sha2, err)
	}
	if sum := sha256.Sum256(bundle); sha != hex.EncodeToString(sum[:]) {
		t.Error("the sum is not that of the bundle")
	}
	opened, err := manifest.Open(bundle)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files(t, fsys), files(t, opened)); diff != "" {
		t.Error(diff)
	}
	if diff := manifest.Diff(load(t, fsys, nil), load(t, opened, nil)); len(diff) != 0 {
		t.Errorf("a bundle changes a catalogue: %q", diff)
	}
	if third, _, err := manifest.Bundle(opened); err != nil || !bytes.Equal(third, bundle) {
		t.Errorf("packed again it is another: %v", err)
	}
}

// entry is a file of an archive that somebody made.
type entry struct {
	name, text string
	method     uint16
	mode       fs.FileMode
}

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: e.method}
		if e.mode != 0 {
			header.SetMode(e.mode)
		}
		part, err := w.CreateHeader(header)
		if err == nil && e.text != "" {
			_, err = io.WriteString(part, e.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestOpenRefusesWhatIsNoBundle(t *testing.T) {
	var many []entry
	for i := range 2*manifest.MaxFiles + 1 {
		many = append(many, entry{name: "f" + strconv.Itoa(i)})
	}
	var large []entry
	for i := range 17 {
		large = append(large, entry{name: "f" + strconv.Itoa(i), text: strings.Repeat("0", manifest.MaxFile), method: zip.Deflate})
	}
	stored := archive(t, entry{name: "a", text: "twelve bytes"})
	damaged := bytes.Replace(stored, []byte("twelve bytes"), []byte("TWELVE BYTES"), 1)
	tests := []struct {
		name   string
		bundle []byte
		want   string
	}{
		{"nothing", nil, "is not a zip archive"},
		{"something else", []byte("PK\x03\x04 hello"), "is not a zip archive"},
		{"a file that unpacks to too much", archive(t, entry{name: "a", text: strings.Repeat("0", manifest.MaxFile+1), method: zip.Deflate}), `"a" unpacks to more than 2 MiB`},
		{"files that unpack to too much together", archive(t, large...), "unpacks to more than 32 MiB"},
		{"too many files", archive(t, many...), "too many files"},
		{"a path that climbs", archive(t, entry{name: "../a"}), `"../a"`},
		{"a path that climbs from within", archive(t, entry{name: "a/../../b"}), `"a/../../b"`},
		{"an absolute path", archive(t, entry{name: "/etc/passwd"}), `"/etc/passwd"`},
		{"a file twice", archive(t, entry{name: "a"}, entry{name: "a"}), `"a" twice`},
		{"a link", archive(t, entry{name: "a", text: "/etc/passwd", mode: fs.ModeSymlink | 0o777}), "not a plain file"},
		{"a folder that holds bytes", archive(t, entry{name: "a", text: "x", mode: fs.ModeDir | 0o755}), "not a plain file"},
		{"a damaged file", damaged, `"a" is damaged`},
		{"an archive that is cut", stored[:len(stored)-5], "is not a zip archive"},
		{"an archive that is too large itself", make([]byte, manifest.MaxTotal+2<<20), "the bundle is too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := manifest.Open(tt.bundle); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestOpenTakesWhatZipProgramsMake(t *testing.T) {
	fsys, err := manifest.Open(archive(t,
		entry{name: "products.yaml", text: products, method: zip.Deflate},
		entry{name: "books/"},
		entry{name: "books/manifest.yaml", text: books, method: zip.Deflate},
		entry{name: "books/openapi.yaml", text: document},
	))
	if err != nil {
		t.Fatal(err)
	}
	load(t, fsys, nil)
}

// FuzzOpen holds that no bytes make Open panic, and that what it returns can be
// read within the limits.
func FuzzOpen(f *testing.F) {
	bundle, _, err := manifest.Bundle(folder(nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bundle)
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys, err := manifest.Open(data)
		if err != nil {
			return
		}
		_, _ = manifest.Load(fsys, manifest.Options{})
	})
}
