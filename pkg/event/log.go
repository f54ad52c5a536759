// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"
	"fmt"
	"os"
)

// logMax bounds an event log, in bytes: it lies in memory (/run), and a jailed process decides how
// much is in it.
const logMax = 16 << 20

// Log is an events.jsonl: one JSON object a line.
type Log struct {
	file *os.File
	size int
}

// CreateLog makes an empty log, readable by its owner only.
func CreateLog(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create event log: %w", err)
	}
	return &Log{file: f}, nil
}

// Add appends an event. A full log takes no more.
func (l *Log) Add(e Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	line = append(line, '\n')
	if l.size+len(line) > logMax {
		return nil
	}
	l.size += len(line)
	if _, err := l.file.Write(line); err != nil {
		return fmt.Errorf("write event log: %w", err)
	}
	return nil
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }
