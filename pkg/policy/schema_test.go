// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// node is a part of the JSON Schema.
type node map[string]any

func readSchema(t *testing.T) node {
	t.Helper()
	data, err := os.ReadFile("../../configs/policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema node
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// in returns the part at a path of keys.
func (n node) in(path ...string) node {
	for _, key := range path {
		next, ok := n[key].(map[string]any)
		if !ok {
			return nil
		}
		n = next
	}
	return n
}

// words returns a list of strings, or a single one.
func (n node) words(key string) (all []string) {
	switch v := n[key].(type) {
	case string:
		return []string{v}
	case []any:
		for _, w := range v {
			all = append(all, fmt.Sprint(w))
		}
	}
	return all
}

// checkKeys compares a table of keys with an object of the schema, both ways.
func checkKeys[T any](t *testing.T, name string, object node, keys []key[T]) {
	t.Helper()
	if object["type"] != "object" || object["additionalProperties"] != false {
		t.Errorf("%s: takes more than its properties", name)
	}
	properties := object.in("properties")
	for k := range properties {
		if !slices.Contains(names(keys), k) {
			t.Errorf("%s.%s: unknown to the parser", name, k)
		}
	}
	for _, k := range keys {
		p := properties.in(k.name)
		if p == nil {
			t.Errorf("%s.%s: not in the schema", name, k.name)
			continue
		}
		if ref := p.words("$ref"); k.typ == "" && !slices.Equal(ref, []string{"#/$defs/" + k.def}) {
			t.Errorf("%s.%s: is %v, not %s", name, k.name, ref, k.def)
		} else if len(ref) == 0 && p["description"] == nil {
			t.Errorf("%s.%s: has no description", name, k.name)
		}
		if diff := cmp.Diff(strings.Fields(k.typ), append([]string{}, p.words("type")...)); diff != "" {
			t.Errorf("%s.%s: type: %s", name, k.name, diff)
		}
		if diff := cmp.Diff(k.enum, p.words("enum")); diff != "" {
			t.Errorf("%s.%s: enum: %s", name, k.name, diff)
		}
		elements := map[string]string{typeArray: "items", typeObject: "additionalProperties"}[k.typ]
		if k.typ != "" && k.def != "" && p.in(elements)["$ref"] != "#/$defs/"+k.def {
			t.Errorf("%s.%s: %s are not %s", name, k.name, elements, k.def)
		}
	}
}

func TestSchemaKeys(t *testing.T) {
	schema := readSchema(t)
	defs := schema.in("$defs")
	checkKeys(t, "policy", schema, fileKeys)
	checkKeys(t, "jail", defs.in("jail"), jailKeys)
	checkKeys(t, "env", defs.in("env"), envKeys)
	checkKeys(t, "filesystem", defs.in("filesystem"), filesystemKeys)
	checkKeys(t, "resources", defs.in("resources"), resourcesKeys)
	checkKeys(t, "network", defs.in("network"), networkKeys)
	checkKeys(t, "entry", defs.in("entry"), termKeys)

	if schema.in("properties", "version")["const"] != float64(Version) {
		t.Error("another version")
	}
	if diff := cmp.Diff([]string{"version", "jails"}, schema.words("required")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(groupNames, defs.in("group").words("enum")); diff != "" {
		t.Error(diff)
	}
	var targets []string
	for _, one := range defs.in("entry")["oneOf"].([]any) {
		targets = append(targets, node(one.(map[string]any)).words("required")...)
	}
	if diff := cmp.Diff(targetKeys, targets); diff != "" {
		t.Error(diff)
	}
	for def := range defs {
		if defs.in(def)["description"] == nil {
			t.Errorf("%s has no description", def)
		}
	}
	for _, pattern := range []struct {
		at   node
		want string
	}{
		{schema.in("properties", "jails", "propertyNames"), jailName.String()},
		{defs.in("env", "properties", "set", "propertyNames"), envName.String()},
		{defs.in("env", "properties", "pass", "items"), envName.String()},
	} {
		if pattern.at["pattern"] != pattern.want {
			t.Errorf("pattern %v, want %s", pattern.at["pattern"], pattern.want)
		}
	}
	for key, want := range map[string][2]float64{"cpus": {minCPUs, maxCPUs}, "pids": {1, maxPIDs}} {
		if p := defs.in("resources", "properties", key); p["minimum"] != want[0] || p["maximum"] != want[1] {
			t.Errorf("%s: from %v to %v", key, p["minimum"], p["maximum"])
		}
	}
	if defs.in("resources", "properties", "memory")["minimum"] != float64(minMemory) {
		t.Error("memory: another minimum")
	}
}

// Every field of a jail is a key of the schema by the same name, and every key a field.
func TestSchemaFields(t *testing.T) {
	defs := readSchema(t).in("$defs")
	var walk func(typ reflect.Type, def string)
	walk = func(typ reflect.Type, def string) {
		properties := defs.in(def, "properties")
		fields := make(map[string]bool)
		for i := range typ.NumField() {
			f := typ.Field(i)
			if !f.IsExported() || f.Name == "Name" {
				continue
			}
			key := strings.ToLower(f.Name)
			fields[key] = true
			p := properties.in(key)
			if p == nil {
				t.Errorf("%s.%s is no key of %s", typ, f.Name, def)
				continue
			}
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type, key)
				continue
			}
			want := map[reflect.Kind]string{
				reflect.String: "string", reflect.Bool: "boolean", reflect.Slice: "array", reflect.Map: "object", reflect.Float64: "number",
				reflect.Uint64: "integer", reflect.Uint8: "string", reflect.Uintptr: "string",
			}[f.Type.Kind()]
			if !slices.Contains(p.words("type"), want) {
				t.Errorf("%s.%s is %v, %s in the schema", typ, f.Name, f.Type, p.words("type"))
			}
		}
		for key := range properties {
			if !fields[key] {
				t.Errorf("%s.%s is no field of %s", def, key, typ)
			}
		}
	}
	walk(reflect.TypeFor[Jail](), "jail")
}
