package manifest

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Bundle packs the files of a catalogue into a zip. The same files give the
// same bytes on every machine: names are sorted, times fixed, and nothing is
// compressed, because compressors differ between releases of Go. sha is the
// SHA-256 of the bundle in hex.
func Bundle(fsys fs.FS) (bundle []byte, sha string, err error) {
	l := &loader{files: make(map[string][]byte)}
	l.read(fsys)
	if err := l.err(); err != nil {
		return nil, "", err
	}
	names := make([]string, 0, len(l.files))
	for name := range l.files {
		names = append(names, name)
	}
	slices.Sort(names)
	var buffer bytes.Buffer
	w := zip.NewWriter(&buffer)
	for _, name := range names {
		header := &zip.FileHeader{Name: name, Method: zip.Store, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
		part, err := w.CreateHeader(header)
		if err == nil {
			_, err = part.Write(l.files[name])
		}
		if err != nil {
			return nil, "", fmt.Errorf("packing %s: %w", printable(name), err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", fmt.Errorf("packing the catalogue: %w", err)
	}
	sum := sha256.Sum256(buffer.Bytes())
	return buffer.Bytes(), hex.EncodeToString(sum[:]), nil
}

// Tree makes a file system of texts by path. Paths that are not clean, relative and
// below the root are refused.
func Tree(texts map[string]string) (fs.FS, error) {
	var buf bytes.Buffer
	archive := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if !fs.ValidPath(name) || name == "." || strings.Contains(name, `\`) || strings.ContainsFunc(name, unprinted) {
			return nil, errors.New("holds a path that is not a clean relative one, such as eligibility-v3/api.yaml")
		}
		file, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store}) // it is read at once
		if err == nil {
			_, err = io.WriteString(file, texts[name])
		}
		if err != nil {
			return nil, fmt.Errorf("packing %s: %w", printable(name), err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("packing the catalogue: %w", err)
	}
	return zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
}

func unprinted(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }

// Open unpacks a bundle, which may come from anybody: only plain files with
// plain relative names, each once, within the limits as they really unpack,
// whatever the archive says of itself. The bytes must not change while the
// result is in use.
func Open(bundle []byte) (fs.FS, error) {
	// An entry costs about 150 bytes of frame at most for a name of ours.
	if len(bundle) > MaxTotal+MaxFiles*1024 {
		return nil, fmt.Errorf("the bundle is too large; at most %d MiB are allowed", MaxTotal>>20)
	}
	archive, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		return nil, errors.New("the bundle is not a zip archive with plain names; send the folder of a catalogue, packed")
	}
	total, files := int64(0), 0
	seen := make(map[string]bool, len(archive.File))
	for _, file := range archive.File {
		name, isFolder := strings.CutSuffix(file.Name, "/") // zip programs list folders too
		if files++; files > 2*MaxFiles {
			return nil, fmt.Errorf("the bundle has too many files; at most %d are allowed", MaxFiles)
		}
		switch {
		case !fs.ValidPath(name) || name == "." || len(name) > 500:
			return nil, fmt.Errorf("the bundle holds the name %q; names are relative, with \"/\" between and no \"..\"", printable(name))
		case seen[name]:
			return nil, fmt.Errorf("the bundle holds %q twice; each file stands in it once", printable(name))
		case isFolder && file.UncompressedSize64 == 0 && file.CompressedSize64 == 0:
			seen[name] = true
			continue
		case !file.Mode().IsRegular():
			return nil, fmt.Errorf("the bundle holds %q, which is not a plain file; links are not allowed", printable(name))
		}
		seen[name] = true
		size, err := unpacked(file)
		if err != nil {
			return nil, err
		}
		if total += size; total > MaxTotal {
			return nil, fmt.Errorf("the bundle unpacks to more than %d MiB; that is the most that is allowed", MaxTotal>>20)
		}
	}
	return archive, nil
}

// unpacked unpacks one file to nowhere, to see how large it is and that it is
// whole.
func unpacked(file *zip.File) (int64, error) {
	r, err := file.Open()
	if err != nil {
		return 0, fmt.Errorf("the bundle's %q cannot be unpacked; it must be stored or deflated", printable(file.Name))
	}
	defer func() { _ = r.Close() }() // only read from
	size, err := io.Copy(io.Discard, io.LimitReader(r, MaxFile+1))
	switch {
	case size > MaxFile:
		return 0, fmt.Errorf("the bundle's %q unpacks to more than %d MiB; that is the most that a file may have", printable(file.Name), MaxFile>>20)
	case err != nil:
		return 0, fmt.Errorf("the bundle's %q is damaged; pack it again", printable(file.Name))
	}
	return size, nil
}
