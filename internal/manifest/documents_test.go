package manifest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/internal/manifest"
)

// described is a catalogue whose APIs have documents of these versions.
func described(versions ...string) fstest.MapFS {
	files := fstest.MapFS{"products.yaml": {Data: []byte("- name: P\n  title: P\n")}}
	for i, version := range versions {
		name := fmt.Sprintf("api-%d", i)
		files[name+"/manifest.yaml"] = &fstest.MapFile{Data: []byte("title: A\nbase_path: /" + name + "\nproducts: [P]\nopenapi: openapi.yaml\n")}
		files[name+"/openapi.yaml"] = &fstest.MapFile{Data: []byte("openapi: 3.1.0\ninfo: {title: A, version: " + version + "}\npaths:\n  /x:\n    get:\n" +
			"      operationId: x\n      responses: {'200': {description: ok, content: {application/json: {example: {a: 1}}}}}\n")}
	}
	return files
}

func TestOnlyTheDocumentsThatChangedAreCompiledAgain(t *testing.T) {
	options := manifest.Options{Documents: &manifest.Documents{}}
	load := func(versions ...string) []*manifest.API {
		t.Helper()
		c, err := manifest.Load(described(versions...), options)
		if err != nil {
			t.Fatal(err)
		}
		return c.APIs
	}
	first := load("v1", "v1")
	second := load("v1", "v2")
	if second[0].Document != first[0].Document {
		t.Error("a document that is as it was is compiled again")
	}
	if second[1].Document == first[1].Document || second[1].Version != "v2" || second[1].Document.Version != "v2" {
		t.Errorf("one that has changed is not: %s", second[1].Version)
	}
	if first[0].Document == first[1].Document {
		t.Error("two APIs have one document")
	}
	if again := load("v1", "v1"); again[1].Document != first[1].Document {
		t.Error("the version before is forgotten at once")
	}
	for range 5 {
		load("v3", "v3")
	}
	if late := load("v1", "v1"); late[0].Document == first[0].Document {
		t.Error("what no catalogue has had for long is remembered")
	}
}

// A document with a fault is told with its lines, however often it comes.
func TestADocumentWithAFaultIsNotRemembered(t *testing.T) {
	options := manifest.Options{Documents: &manifest.Documents{}}
	files := described("v1")
	files["api-0/openapi.yaml"].Data = []byte("openapi: 3.0.1\n")
	for range 2 {
		if _, err := manifest.Load(files, options); err == nil || !strings.Contains(err.Error(), "api-0/openapi.yaml:1: ") {
			t.Error(err)
		}
	}
}

func TestDocumentsAreForManyGoroutines(t *testing.T) {
	options := manifest.Options{Documents: &manifest.Documents{}}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 20 {
				c, err := manifest.Load(described("v1", fmt.Sprintf("v%d", i*n%7)), options)
				if err != nil || c.APIs[1].Document.Version != fmt.Sprintf("v%d", i*n%7) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	all.Wait()
}
