// SPDX-License-Identifier: Apache-2.0

package policy

import "gopkg.in/yaml.v3"

// Version is the version of the policy format.
const Version = 1

// The types of values, in the words of JSON Schema.
const (
	typeString  = "string"
	typeInteger = "integer"
	typeNumber  = "number"
	typeBoolean = "boolean"
	typeArray   = "array"
	typeObject  = "object"
	typeSize    = "string integer" // of bytes: with a unit or without
)

// key is a key that a mapping may have: the one table that the parser obeys and that the JSON
// Schema is tested against.
type key[T any] struct {
	name string
	typ  string   // "": what def says
	enum []string // all values of a string; nil: any
	def  string   // the schema's definition of the value; of the elements of an array or object
	read func(d *decoder, n *yaml.Node, into *T)
}

// names returns the keys' names, in the order of the table.
func names[T any](keys []key[T]) []string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.name
	}
	return all
}

var (
	runtimes     = []string{RuntimeNative, RuntimePodman}
	networkModes = []string{NetworkHost, NetworkPrivate, NetworkNone}
	actions      = []string{"allow", "block"}
	modes        = []string{ModeEnforce, ModeAudit}
)

var fileKeys = []key[document]{
	{name: "version", typ: typeInteger, read: readVersion},
	{name: "defaults", def: "jail", read: readDefaults},
	{name: "jails", typ: typeObject, def: "jail", read: readJails},
}

var jailKeys = []key[body]{
	{name: "command", typ: typeArray, read: readCommand},
	{name: "runtime", typ: typeString, enum: runtimes, read: readEnum("runtime", runtimes, func(b *body) *opt[string] { return &b.runtime })},
	{name: "image", typ: typeString, read: readText("image", func(b *body) *opt[string] { return &b.image })},
	{name: "workspace", typ: typeString, read: readText("workspace", func(b *body) *opt[string] { return &b.workspace })},
	{name: "env", def: "env", read: readObject("env", envKeys)},
	{name: "filesystem", def: "filesystem", read: readObject("filesystem", filesystemKeys)},
	{name: "resources", def: "resources", read: readObject("resources", resourcesKeys)},
	{name: "network", def: "network", read: readObject("network", networkKeys)},
	{name: "mode", typ: typeString, enum: modes, read: readEnum("mode", modes, func(b *body) *opt[string] { return &b.mode })},
	{name: "watch", typ: typeBoolean, read: readWatch},
}

var envKeys = []key[body]{
	{name: "pass", typ: typeArray, read: readEnvPass},
	{name: "set", typ: typeObject, read: readEnvSet},
}

var filesystemKeys = []key[body]{
	{name: "read", typ: typeArray, read: readPaths("read", func(b *body) *opt[[]string] { return &b.read })},
	{name: "write", typ: typeArray, read: readPaths("write", func(b *body) *opt[[]string] { return &b.write })},
	{name: "hide", typ: typeArray, read: readPaths("hide", func(b *body) *opt[[]string] { return &b.hide })},
}

var resourcesKeys = []key[body]{
	{name: "memory", typ: typeSize, read: readMemory},
	{name: "cpus", typ: typeNumber, read: readCPUs},
	{name: "pids", typ: typeInteger, read: readPIDs},
}

var networkKeys = []key[body]{
	{name: "mode", typ: typeString, enum: networkModes, read: readEnum("network mode", networkModes, func(b *body) *opt[string] { return &b.netMode })},
	{name: "default", typ: typeString, enum: actions, read: readEnum("default", actions, func(b *body) *opt[string] { return &b.netDefault })},
	{name: "block", typ: typeArray, def: "term", read: readBlock},
	{name: "allow", typ: typeArray, def: "term", read: readAllow},
	{name: "errno", typ: typeString, enum: errnoNames, read: readErrno},
}

var termKeys = []key[rawTerm]{
	{name: "to", typ: typeString, read: readTarget("to")},
	{name: "cidr", typ: typeString, read: readTarget("cidr")},
	{name: "group", def: "group", read: readTarget("group")},
	{name: "file", typ: typeString, read: readTarget("file")},
	{name: "except", typ: typeArray, read: readExcept},
	{name: "ports", typ: typeArray, def: "port", read: readPorts},
	{name: "reason", typ: typeString, read: readReason},
	{name: "expires", typ: typeString, read: readExpires},
}

// targetKeys are the keys of a term of which it has exactly one.
var targetKeys = []string{"to", "cidr", "group", "file"}
