// SPDX-License-Identifier: Apache-2.0

package enforce

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/jail-ai/jail-ai/bpf/object"
	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

type btfType struct {
	ID      int    `json:"id"`
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Size    int    `json:"size"`
	Type    int    `json:"type_id"`
	Elems   int    `json:"nr_elems"`
	Members []struct {
		Name string `json:"name"`
		Bits int    `json:"bits_offset"`
		Type int    `json:"type_id"`
	} `json:"members"`
}

// objectBTF returns the types of the object that is embedded.
func objectBTF(t *testing.T) []btfType {
	t.Helper()
	path := filepath.Join(t.TempDir(), "object.o")
	if err := os.WriteFile(path, object.ELF, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("bpftool", "--json", "btf", "dump", "file", path).Output()
	if err != nil {
		t.Fatalf("bpftool btf dump: %v", err)
	}
	var dump struct{ Types []btfType }
	if err := json.Unmarshal(bytes.TrimSpace(out), &dump); err != nil {
		t.Fatal(err)
	}
	return dump.Types
}

// TestLayout compares every struct that both sides know, member by member.
func TestLayout(t *testing.T) {
	types := objectBTF(t)
	for name, goType := range map[string]reflect.Type{
		"counter":   reflect.TypeFor[counter](),
		"limit_key": reflect.TypeFor[limitKey](),
		"limit":     reflect.TypeFor[limit](),
		"event":     reflect.TypeFor[event](),
		"line":      reflect.TypeFor[ruleset.Line](),
	} {
		var found *btfType
		for i := range types {
			if types[i].Kind == "STRUCT" && types[i].Name == name {
				found = &types[i]
			}
		}
		if found == nil {
			t.Errorf("struct %s is not in the object", name)
			continue
		}
		if found.Size != int(goType.Size()) {
			t.Errorf("struct %s has %d bytes in C, %d in Go", name, found.Size, goType.Size())
		}
		if goType.Kind() != reflect.Struct {
			continue
		}
		if len(found.Members) != goType.NumField() {
			t.Errorf("struct %s has %d members in C, %d in Go", name, len(found.Members), goType.NumField())
			continue
		}
		for i, m := range found.Members {
			f := goType.Field(i)
			if !strings.EqualFold(m.Name, f.Name) || m.Bits != int(f.Offset)*8 {
				t.Errorf("struct %s: member %s at bit %d in C, %s at bit %d in Go", name, m.Name, m.Bits, f.Name, f.Offset*8)
			}
		}
	}
}

// TestNoRelocations keeps the object free of CO-RE relocations, one of which would make libbpf parse
// the kernel's BTF at every start, and of line info, which would be most of a jail's kernel memory.
func TestNoRelocations(t *testing.T) {
	f, err := elf.NewFile(bytes.NewReader(object.ELF))
	if err != nil {
		t.Fatal(err)
	}
	section := f.Section(".BTF.ext")
	if section == nil {
		t.Fatal("no .BTF.ext section: the kernel would not know which functions are global")
	}
	data, err := section.Data()
	if err != nil {
		t.Fatal(err)
	}
	// struct btf_ext_header in libbpf's btf.h.
	for _, part := range []struct {
		name   string
		at     int
		isZero bool
	}{{"func_info", 12, false}, {"line_info", 20, true}, {"core_relo", 28, true}} {
		if length := binary.LittleEndian.Uint32(data[part.at:]); (length == 0) != part.isZero {
			t.Errorf("%s has %d bytes", part.name, length)
		}
	}
}

// TestProgramsComplete finds programs in the object that nobody attaches.
func TestProgramsComplete(t *testing.T) {
	functions := []string{"report", "call4_may_pass", "call6_may_pass", "packet_word", "packet_reaches_own", "packet_answers", "packet_refused"}
	known := map[string]bool{}
	for _, name := range functions {
		known[name] = true
	}
	for _, p := range programs {
		known[p.name] = true
	}
	for _, ty := range objectBTF(t) {
		if ty.Kind == "FUNC" && !known[ty.Name] {
			t.Errorf("program %s is in the object and not attached", ty.Name)
		}
		delete(known, ty.Name)
	}
	for _, name := range functions {
		delete(known, name)
	}
	for name := range known {
		t.Errorf("program %s is not in the object", name)
	}
}
