// Checks the checkpoints of one file of a log by Go's own implementation: check KEY-FILE LOG-FILE.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	key, err := os.ReadFile(os.Args[1])
	check(err)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	check(err)
	log, err := os.ReadFile(os.Args[2])
	check(err)
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for place, index := range indexes {
			found[place] = hashes[index]
		}
		return found, nil
	})
	count := 0
	lines := bytes.Split(log, []byte("\n"))
	for index, line := range lines[:len(lines)-1] {
		var event struct{ Event, Checkpoint string }
		check(json.Unmarshal(line, &event))
		if event.Event == "recorder.checkpoint" {
			opened, err := note.Open([]byte(event.Checkpoint), note.VerifierList(verifier))
			check(err)
			rows := strings.Split(opened.Text, "\n")
			root, err := tlog.TreeHash(int64(index), reader)
			check(err)
			if rows[1] != fmt.Sprint(index) || rows[2] != root.String() {
				check(fmt.Errorf("checkpoint %d: other lines", count))
			}
			for _, row := range rows {
				if next := strings.TrimPrefix(row, "next "); next != row {
					public, err := base64.StdEncoding.DecodeString(next)
					check(err)
					text, err := note.NewEd25519VerifierKey(verifier.Name(), public)
					check(err)
					verifier, err = note.NewVerifier(text)
					check(err)
				}
			}
			count++
		}
		stored, err := tlog.StoredHashes(int64(index), line, reader)
		check(err)
		hashes = append(hashes, stored...)
	}
	fmt.Println(count)
}
