// Package orders keeps the ids of the orders in one append-only file.
package orders

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

// ErrID is returned for an id that is no 1 to 64 letters, digits, dots, underscores and dashes.
var ErrID = errors.New("an id is 1 to 64 letters, digits, dots, underscores and dashes")

var valid = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Store is safe for many goroutines, and for many processes with the same folder: while one version of the service
// hands over to the next, both add to the file. Each id is one write in append mode, so lines never mix.
type Store struct {
	file *os.File
}

// Open opens or creates the store in folder.
func Open(folder string) (*Store, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	name := filepath.Join(folder, "orders.txt")
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &Store{file: file}, nil
}

// Add stores one id. The kernel has it when Add returns; it is not synced to the disk.
func (s *Store) Add(id string) error {
	if !valid.MatchString(id) {
		return ErrID
	}
	if _, err := s.file.WriteString(id + "\n"); err != nil {
		return fmt.Errorf("store order: %w", err)
	}
	return nil
}

// Check tells whether the store can still be used.
func (s *Store) Check() error {
	_, err := s.file.Stat()
	return err
}

// WriteTo writes all ids, one a line. A line that another process is writing is left out.
func (s *Store) WriteTo(w io.Writer) (int64, error) {
	file, err := os.Open(s.file.Name())
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var total int64
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(line)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// Close closes the file.
func (s *Store) Close() error { return s.file.Close() }
