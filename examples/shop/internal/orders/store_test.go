package orders

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T, folder string) *Store {
	t.Helper()
	store, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func ids(t *testing.T, store *Store) []string {
	t.Helper()
	var text strings.Builder
	if _, err := store.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	return strings.Fields(text.String())
}

func TestTwoStoresShareOneFolder(t *testing.T) {
	folder := t.TempDir()
	var wait sync.WaitGroup
	var want []string
	for s := range 2 {
		store := open(t, folder)
		for worker := range 4 {
			for n := range 50 {
				want = append(want, fmt.Sprintf("%d-%d-%d", s, worker, n))
			}
			wait.Go(func() {
				for n := range 50 {
					if err := store.Add(fmt.Sprintf("%d-%d-%d", s, worker, n)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wait.Wait()
	got := ids(t, open(t, folder))
	sort.Strings(got)
	sort.Strings(want)
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%d ids, want %d: %v", len(got), len(want), got)
	}
}

func TestBadIDsAreRefused(t *testing.T) {
	store := open(t, t.TempDir())
	for _, id := range []string{"", "a b", "a\nb", "../x", "é", strings.Repeat("x", 65)} {
		if err := store.Add(id); !errors.Is(err, ErrID) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if got := ids(t, store); len(got) != 0 {
		t.Errorf("stored %v", got)
	}
}

func TestAnUnfinishedLineIsLeftOut(t *testing.T) {
	folder := t.TempDir()
	store := open(t, folder)
	if err := os.WriteFile(filepath.Join(folder, "orders.txt"), []byte("one\ntw"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, store); len(got) != 1 || got[0] != "one" {
		t.Errorf("%v", got)
	}
}
