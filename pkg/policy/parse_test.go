// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// noon is when the policies of these tests are loaded.
var noon = time.Date(2030, 6, 1, 12, 0, 0, 0, time.UTC)

// network wraps lines of a jail's network section; the first stands in line 5, column 7.
func network(lines string) string {
	return "version: 1\njails:\n  a:\n    network:\n      " + strings.ReplaceAll(lines, "\n", "\n      ") + "\n"
}

// jail wraps lines of a jail; the first stands in line 4, column 5.
func jail(lines string) string {
	return "version: 1\njails:\n  a:\n    " + strings.ReplaceAll(lines, "\n", "\n    ") + "\n"
}

func TestParseErrors(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		// The file.
		"empty":            {"", "1:1: the policy is empty; fix: start with `version: 1`"},
		"comment":          {"# nothing\n", "1:1: the policy is empty"},
		"list":             {"- a\n", "1:1: the policy is a list, not a mapping"},
		"nul":              {"version: 1\nab\x00c\n", "2:3: a NUL byte"},
		"utf-8":            {"version: 1\na: ü\xff\n", "2:5: byte 0xff is not UTF-8"},
		"large":            {strings.Repeat("#\n", maxFile), "1:1: the policy is larger than 1024 KiB"},
		"documents":        {jail("command: [x]") + "---\nversion: 1\n", "6:1: a second YAML document; fix: keep one"},
		"bad YAML":         {jail("command: [x]\n mode: audit"), "5:6: not valid YAML: did not find expected key"},
		"bad indentation":  {jail("command: [x]") + "   mode: audit\n", "5:4: not valid YAML: did not find expected key"},
		"unclosed quote":   {jail("command: \"x"), "4:5: not valid YAML: found unexpected end of stream"},
		"unclosed list":    {jail("command: [x"), "4:5: not valid YAML: did not find expected ',' or ']'"},
		"tab":              {"version: 1\njails:\n\ta: 1\n", "3:2: not valid YAML: found character that cannot start any token; fix: indent with spaces"},
		"flow IPv6":        {network("block: [::1]"), `5:7: not valid YAML: did not find expected node content; fix: put IPv6 addresses in quotes`},
		"deep":             {"version: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "1:74: values nest too deeply"},
		"anchor":           {jail("command: &c [x]"), "4:14: YAML anchors (&c) are not supported; fix: write the value out"},
		"alias":            {jail("command: &c [x]\nenv: *c"), "5:10: YAML aliases (*c) are not supported"},
		"merge key":        {jail("command: [x]\n<<: {mode: audit}"), "5:5: YAML merge keys (<<) are not supported"},
		"tag":              {jail("command: !!str x"), "4:14: YAML tags (!!str) are not supported"},
		"no version":       {"jails: {a: {command: [x]}}\n", "1:1: the policy has no version; fix: add `version: 1`"},
		"version 2":        {"version: 2\nnew: 1\n", "1:10: version 2 is not supported"},
		"version string":   {"version: \"1\"\njails: {a: {command: [x]}}\n", "1:10: version is a string, not a number"},
		"version null":     {"version:\njails: {a: {command: [x]}}\n", "1:9: version has no value"},
		"no jails":         {"version: 1\n", "1:1: the policy has no jails"},
		"unknown top key":  {"version: 1\njail: {}\njails: {a: {command: [x]}}\n", `2:1: unknown key "jail" in the policy; fix: did you mean jails?`},
		"duplicate key":    {jail("mode: audit\nmode: enforce"), `5:5: "mode" is given twice in jail "a", first in line 4; fix: keep one`},
		"non-string key":   {jail("1: audit"), `4:5: a key of jail "a" is a number, not a string`},
		"mapping as key":   {jail("{a: b}: audit"), `4:5: a key of jail "a" is a mapping, not a string`},
		"empty jails":      {"version: 1\njails: {}\n", "2:8: jails is empty; fix: add a jail"},
		"null jails":       {"version: 1\njails:\n", "2:7: jails has no value"},
		"jails list":       {"version: 1\njails: [a]\n", "2:8: jails is a list, not a mapping"},
		"empty jail":       {"version: 1\njails:\n  a: {}\n", `3:3: jail "a" is empty`},
		"null jail":        {"version: 1\njails:\n  a:\n", `3:3: jail "a" is empty`},
		"duplicate jail":   {"version: 1\njails:\n  a: {command: [x]}\n  a: {command: [y]}\n", `4:3: "a" is given twice in jails, first in line 3`},
		"jail name":        {"version: 1\njails:\n  ../a: {command: [x]}\n", `3:3: bad jail name "../a"; fix: use letters`},
		"number as a jail": {"version: 1\njails:\n  1: {command: [x]}\n", `3:3: a key of jails is a number, not a string`},

		// A jail.
		"unknown key":     {jail("netwrok: {}"), `4:5: unknown key "netwrok" in jail "a"; fix: did you mean network? Known: command, runtime`},
		"far key":         {jail("xyzzy: {}"), `4:5: unknown key "xyzzy" in jail "a"; fix: write one of command, runtime`},
		"in defaults":     {"version: 1\ndefaults: {commnd: [x]}\njails: {a: {command: [x]}}\n", `2:12: unknown key "commnd" in defaults; fix: did you mean command?`},
		"command text":    {jail("command: claude"), "4:14: command is a string, not a list; fix: write a list: [claude]"},
		"command lines":   {jail(`command: "a\nb"`), "4:14: command is a string, not a list; fix: write a list: [a\ufffdb]"},
		"command mapping": {jail("command: {a: b}"), "4:14: command is a mapping, not a list; fix: write a list"},
		"mode list":       {jail("mode: [audit]"), "4:11: mode is a list, not a string"},
		"mode boolean":    {jail("mode: true"), `4:11: mode is a boolean, not a string; fix: put it in quotes`},
		"memory list":     {jail("resources: {memory: [1]}"), "4:25: memory is a list, not a size, such as 4GiB"},
		"cpus mapping":    {jail("resources: {cpus: {}}"), "4:23: cpus is a mapping, not a number, such as 2 or 0.5"},
		"empty command":   {jail("command: []"), "4:14: command is empty"},
		"null argument":   {jail("command: [a, ]\nwatch: false\nmode: ~"), "6:11: mode has no value"},
		"empty program":   {jail("command: ['', x]"), "4:15: the program's name is empty"},
		"number argument": {jail("command: [serve, 80]"), `4:22: an entry of command is a number, not a string; fix: put it in quotes: "80"`},
		"nul argument":    {jail(`command: ["a\0b"]`), "4:15: an entry of command contains a NUL character"},
		"runtime":         {jail("runtime: docker"), `4:14: unknown runtime "docker"; fix: write one of native, podman`},
		"image native":    {jail("image: debian"), `4:12: jail "a" has an image, but its runtime is native; fix: add`},
		"workspace":       {jail("workspace: ''"), "4:16: workspace is empty"},
		"mode":            {jail("mode: aduit"), `4:11: unknown mode "aduit"; fix: did you mean audit?`},
		"watch":           {jail("watch: yes"), "4:12: watch is a string, not a boolean; fix: write true or false"},
		"env pass":        {jail("env: {pass: [A, 1B]}"), `4:21: "1B" is no name of a variable`},
		"env pass value":  {jail("env: {pass: [A=b]}"), "4:18: A=… is no name of a variable; fix: keep the name alone, or give the value in env.set"},
		"env set name":    {jail("env: {set: {A-B: x}}"), `4:17: "A-B" is no name of a variable`},
		"env set number":  {jail("env: {set: {CI: 1}}"), `4:21: CI is a number, not a string; fix: put it in quotes: "1"`},
		"env set null":    {jail("env: {set: {CI: }}"), `4:21: CI has no value`},
		"path":            {jail("filesystem: {read: ['']}"), "4:25: an empty path"},
		"paths text":      {jail("filesystem: {hide: ~/.ssh}"), "4:24: hide is a string, not a list; fix: write a list: [~/.ssh]"},
		"memory":          {jail("resources: {memory: much}"), `4:25: "much" is no size; fix: write a number and a unit`},
		"memory unit":     {jail("resources: {memory: 4G}"), `4:25: "4G" has an ambiguous unit; fix: write 4GiB (powers of 1024) or 4GB`},
		"memory word":     {jail("resources: {memory: 4 bananas}"), `4:25: "4 bananas" has an unknown unit`},
		"memory small":    {jail("resources: {memory: 4}"), `4:25: "4" is too small for any program; fix: write at least 1MiB`},
		"memory large":    {jail("resources: {memory: 99999999999TiB}"), `4:25: "99999999999TiB" is too large`},
		"memory negative": {jail("resources: {memory: -1GiB}"), `4:25: "-1GiB" is no size`},
		"cpus":            {jail("resources: {cpus: two}"), `4:23: cpus "two" is no plain number`},
		"cpus zero":       {jail("resources: {cpus: 0}"), "4:23: cpus 0 is not between 0.01 and 65536"},
		"cpus NaN":        {jail("resources: {cpus: .nan}"), `4:23: cpus ".nan" is no plain number`},
		"pids":            {jail("resources: {pids: 1.5}"), `4:23: pids "1.5" is no plain whole number`},
		"pids zero":       {jail("resources: {pids: 0}"), "4:23: pids 0 is not between 1 and 4194304"},

		// The network.
		"network mode":     {network("mode: bridge"), `5:13: unknown network mode "bridge"; fix: write one of host, private, none`},
		"default":          {network("default: deny"), `5:16: unknown default "deny"; fix: write one of allow, block`},
		"errno":            {network("errno: EPREM"), `5:14: unknown errno "EPREM"; fix: did you mean EPERM?`},
		"errno number":     {network("errno: 13"), `5:14: errno is a number, not a string`},
		"block text":       {network("block: host"), "5:14: block is a string, not a list; fix: write a list: [host]"},
		"block null":       {network("block:"), "5:13: block has no value; fix: write a value, or remove it; the empty list is []"},
		"null entry":       {network("block:\n- host\n-"), "7:8: an entry of block has no value"},
		"list entry":       {network("block: [[host]]"), "5:15: an entry of block is a list, not a group, an address, a CIDR or a mapping"},
		"group":            {network("block: [hots]"), `5:15: unknown group "hots"; fix: did you mean host? Known: host, gateway`},
		"group synonym":    {network("block: [localhost]"), `5:15: unknown group "localhost"; fix: write host. Known: host, gateway`},
		"group key":        {network("block: [{group: hots}]"), `5:23: unknown group "hots"; fix: did you mean host?`},
		"host bits":        {network("block: [10.0.0.1/8]"), "5:15: 10.0.0.1/8 has host bits set; fix: write 10.0.0.0/8, or 10.0.0.1 for that one address"},
		"host bits 6":      {network(`block: ["fe80::1/10"]`), "5:15: fe80::1/10 has host bits set; fix: write fe80::/10"},
		"address":          {network("block: [10.0.0.256]"), `5:15: "10.0.0.256" is no address; fix: write an address`},
		"number":           {network("block: [10]"), `5:15: "10" is no address`},
		"prefix length":    {network("block: [10.0.0.0/33]"), `5:15: "10.0.0.0/33" has a bad prefix length; fix: write a number from 0 to 32`},
		"zone":             {network("block: ['fe80::1%eth0']"), `5:15: "fe80::1%eth0" has a zone; a rule holds on every interface; fix: write fe80::1`},
		"host name":        {network("allow: [db.example.com]"), `5:15: "db.example.com" is a host name; fix: write the addresses`},
		"host name port":   {network("allow: ['db.example.com:5432']"), `5:15: "db.example.com" is a host name`},
		"URL":              {network("allow: ['https://example.com:443']"), `5:15: "https://example.com:443" is a URL`},
		"address range":    {network("block: [10.0.0.1-10.0.0.9]"), `5:15: "10.0.0.1-10.0.0.9" is a range of addresses; fix: write the CIDRs`},
		"unquoted IPv6":    {network("block:\n- fe80::"), `6:9: YAML reads this IPv6 address as a key; fix: put it in quotes: "fe80::"`},
		"NAT64":            {network("block:\n- 64:ff9b::a00:0/104"), "6:9: 64:ff9b::a00:0/104 is NAT64 space, which is judged by the IPv4 address inside; fix: write 10.0.0.0/8"},
		"6to4":             {network("block: ['2002:c000:204::/48']"), "5:15: 2002:c000:204::/48 is 6to4 space, which is judged by the IPv4 address inside; fix: write 192.0.2.4"},
		"6to4 all":         {network("block: ['2002::/16']"), "5:15: 2002::/16 is 6to4 space, which is judged by the IPv4 address inside; fix: write 0.0.0.0/0"},
		"compatible":       {network("block: ['::5432']"), "5:15: ::5432/128 is IPv4-compatible space, which is judged by the IPv4 address inside; fix: write 0.0.84.50; if the last group is meant as a port: [ADDRESS]:PORT"},
		"port 0":           {network("allow: ['127.0.0.1:0']"), "5:15: port 0 is no port"},
		"port word":        {network("allow: ['127.0.0.1:http']"), `5:15: "http" is no port number`},
		"port large":       {network("allow: ['[::1]:65536']"), "5:15: port 65536 is larger than 65535"},
		"port zero":        {network("allow: ['127.0.0.1:080']"), "5:15: port 080 begins with a zero; fix: write 80"},
		"protocol behind":  {network("allow: ['127.0.0.1:80/tcp']"), `5:15: "80/tcp" is no port number`},
		"CIDR protocol":    {network("allow: ['127.0.0.1/tcp']"), `5:15: "127.0.0.1/tcp" names a protocol; fix: write {to: ADDRESS, ports: [tcp/PORT]}`},
		"brackets":         {network("allow: ['[::1]']"), `5:15: "[::1]" has brackets but no port; fix: write ::1, or [::1]:PORT`},
		"bracket":          {network("allow: ['[::1:80']"), `5:15: "[::1:80" has no closing bracket`},
		"brackets 4":       {network("allow: ['[127.0.0.1]:80']"), `5:15: "[127.0.0.1]:80" has brackets around an IPv4 address; fix: write 127.0.0.1:80`},
		"block own":        {network("block: [own]"), "5:15: own can only be allowed"},
		"dns ports":        {network("allow: [{group: dns, ports: [53]}]"), "5:15: dns is port 53 alone"},
		"own ports":        {network("allow: [{group: own, ports: [53]}]"), "5:15: own has no ports or exceptions"},
		"no target":        {network("allow: [{ports: [53]}]"), "5:15: the entry does not say where to; fix: add one of to, cidr, group, file"},
		"two targets":      {network("allow: [{to: 192.0.2.1, group: host}]"), "5:38: the entry has more than one of to, cidr, group, file"},
		"unknown term key": {network("allow: [{to: 192.0.2.1, port: [1]}]"), `5:31: unknown key "port" in the entry; fix: did you mean ports?`},
		"to group":         {network("allow: [{to: host}]"), "5:20: host is a group, not an address; fix: write group: host"},
		"cidr with port":   {network("allow: [{cidr: '192.0.2.1:80'}]"), `5:22: "192.0.2.1:80" is no address`},
		"port twice":       {network("allow: [{to: '192.0.2.1:80', ports: [81]}]"), "5:43: the entry names a port with the address and in ports"},
		"ports empty":      {network("allow: [{to: 192.0.2.1, ports: []}]"), "5:38: ports is empty, so the entry would match nothing"},
		"ports number":     {network("allow: [{to: 192.0.2.1, ports: 80}]"), "5:38: ports is a number, not a list; fix: write a list: [80]"},
		"ports backwards":  {network("allow: [{to: 192.0.2.1, ports: [90-80]}]"), "5:39: the range 90-80 ends before it begins; fix: write 80-90"},
		"ports negative":   {network("allow: [{to: 192.0.2.1, ports: [-80]}]"), `5:39: "" is no port number`},
		"ports protocol":   {network("allow: [{to: 192.0.2.1, ports: [sctp/80]}]"), `5:39: unknown protocol "sctp"; fix: write tcp/80, udp/80, or the number`},
		"ports behind":     {network("allow: [{to: 192.0.2.1, ports: [80/udp]}]"), `5:39: "80/udp" has the protocol behind the port; fix: write udp/80`},
		"ports 0":          {network("allow: [{to: 192.0.2.1, ports: [0]}]"), "5:39: port 0 is no port"},
		"ports 65536":      {network("allow: [{to: 192.0.2.1, ports: [tcp/1-65536]}]"), "5:39: port 65536 is larger"},
		"except outside":   {network("block: [{cidr: 192.0.2.0/24, except: [192.0.3.1]}]"), "5:45: except 192.0.3.1 is not inside 192.0.2.0/24"},
		"except wider":     {network("block: [{cidr: 192.0.2.0/24, except: [192.0.0.0/16]}]"), "5:45: except 192.0.0.0/16 is not inside 192.0.2.0/24"},
		"except all":       {network("block: [{cidr: 192.0.2.0/24, except: [192.0.2.0/24]}]"), "5:45: except 192.0.2.0/24 leaves nothing of 192.0.2.0/24"},
		"except group":     {network("block: [{group: private, except: [8.8.8.8]}]"), "5:41: except 8.8.8.8 is not inside private"},
		"except bits":      {network("block: [{cidr: 192.0.2.0/24, except: [192.0.2.1/25]}]"), "5:45: 192.0.2.1/25 has host bits set"},
		"except host":      {network("block: [{cidr: 192.0.2.0/24, except: [host]}]"), `5:45: "host" is a host name`},
		"except list":      {network("block: [{cidr: 192.0.2.0/24, except: [[]]}]"), "5:45: an exception is a list, not an address or a CIDR"},
		"port list":        {network("allow: [{to: 192.0.2.1, ports: [[80]]}]"), "5:39: a port is a list, not a number, a range, tcp/NUMBER or udp/NUMBER"},
		"to list":          {network("allow: [{to: [192.0.2.1]}]"), "5:20: the entry is a list, not a group, an address or a CIDR"},
		"expires list":     {network("allow: [{to: 192.0.2.1, expires: []}]"), "5:40: expires is a list, not a duration or a time"},
		"long word":        {network("block: [" + strings.Repeat("x", 99) + "]"), `5:15: unknown group "` + strings.Repeat("x", 40) + "…\"; fix: write one of host"},
		"reason":           {network("block: [{to: 192.0.2.1, reason: \"a\\nb\"}]"), "5:39: reason contains control characters"},
		"expires":          {network("block: [{to: 192.0.2.1, expires: soon}]"), `5:40: "soon" is no time to expire; fix: write a duration (30m`},
		"expires number":   {network("block: [{to: 192.0.2.1, expires: 30}]"), `5:40: "30" is no time to expire`},
		"expires negative": {network("block: [{to: 192.0.2.1, expires: -1h}]"), `5:40: "-1h" is no time to expire`},
		"expires date":     {network("block: [{to: 192.0.2.1, expires: 2031-01-01}]"), `5:40: "2031-01-01" is no time to expire`},
		"expired":          {network("allow: [{to: 192.0.2.1, expires: 2030-06-01T12:00:00Z}]"), "5:40: this entry expired at 2030-06-01T12:00:00Z; fix: remove the entry"},
		"file empty":       {network("block: [{file: ''}]"), "5:22: file is empty"},
		"file control":     {network("block: [{file: \"a\\nb\"}]"), `5:22: "a\nb" contains control characters`},
		"file pattern":     {network("block: [{file: 'a[b'}]"), `5:22: "a[b" is no valid pattern`},

		// What merged jails contradict.
		"contradiction":      {network("block: [10.0.0.0/8]\nallow: [10.0.0.0/8]"), "6:15: 10.0.0.0/8 is allowed here and blocked at p.yaml:5:15; fix: remove one"},
		"same ports":         {network("block: ['10.0.0.1:80']\nallow: [{to: 10.0.0.1, ports: [udp/80, tcp/80]}]"), "6:15: 10.0.0.1 ports udp/80, tcp/80 is allowed here and blocked at p.yaml:5:15"},
		"mapped":             {network("block: ['::ffff:10.0.0.1']\nallow: [10.0.0.1]"), "6:15: 10.0.0.1 is allowed here and blocked at p.yaml:5:15"},
		"group both":         {network("allow: [host]"), "5:15: host is allowed here and blocked by default; fix: give the jail a `block` of its own without host"},
		"block dns":          {network("block: [dns]"), "5:15: dns is blocked here and allowed by default; fix: give the jail an `allow` of its own without dns"},
		"file both":          {network("block: [file: x]\nallow: [file: x]"), "6:15: file x is allowed here and blocked at p.yaml:5:15"},
		"across":             {"version: 1\ndefaults: {network: {block: [10.0.0.1]}}\njails: {a: {network: {allow: [10.0.0.1]}}}\n", "3:31: 10.0.0.1 is allowed here and blocked at p.yaml:2:30; fix: remove one of them; `block: []` in a jail"},
		"image from default": {"version: 1\ndefaults: {runtime: podman, image: x}\njails: {a: {runtime: native}}\n", `2:36: jail "a" has an image, but its runtime is native`},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := parse("p.yaml", []byte(tt.in), noon)
			if several := name == "alias" || name == "tag" || name == "deep"; len(errs) != 1 && !several {
				t.Errorf("one mistake, %d errors", len(errs))
			}
			got := make([]string, len(errs))
			for i, d := range errs {
				got[i] = strings.TrimPrefix(d.String(), "p.yaml:")
			}
			for _, line := range got {
				if strings.HasPrefix(line, tt.want) {
					checkErrors(t, errs)
					return
				}
			}
			t.Errorf("got:\n%s\nwant a line that begins with:\n%s", strings.Join(got, "\n"), tt.want)
		})
	}
}

// checkErrors checks what holds for all diagnostics.
func checkErrors(t *testing.T, errs Errors) {
	t.Helper()
	for _, d := range errs {
		if d.File == "" || d.Message == "" || d.Fix == "" || strings.Contains(d.String(), "\n") {
			t.Errorf("incomplete: %q", d)
		}
		if d.Line < 1 || d.Column < 1 {
			t.Errorf("no position: %s", d)
		}
	}
}

func TestParseOneErrorEach(t *testing.T) {
	// An error is told once, however many jails share it, and all are told, in order.
	in := `version: 1
defaults:
  network:
    block: [10.0.0.1/8, hots]
    allow: [192.0.2.1]
  mode: aduit
jails:
  a: {network: {block: [192.0.2.1]}, watch: 1}
  b: {command: x}
  c: {command: [x], env: {}}
`
	_, err := Parse("p.yaml", []byte(in))
	var errs Errors
	if !errors.As(err, &errs) {
		t.Fatalf("%T: %v", err, err)
	}
	var got []string
	for _, d := range errs {
		got = append(got, fmt.Sprintf("%d:%d", d.Line, d.Column))
	}
	if diff := cmp.Diff([]string{"4:13", "4:25", "5:13", "6:9", "8:45", "9:16"}, got); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != len(errs) || !strings.HasPrefix(lines[0], "p.yaml:4:13: 10.0.0.1/8 has host bits set; fix: write 10.0.0.0/8") {
		t.Error(err)
	}
}

// The policy of DESIGN.md, whole.
const designPolicy = `version: 1
defaults:                      # merged under every jail
  network:
    block: [host, metadata]
jails:
  claude:
    command: [claude]
    runtime: native            # native | podman
    image: ""                  # podman only
    workspace: .               # mounted read-write; everything else read-only or hidden
    env: {pass: [ANTHROPIC_API_KEY], set: {CI: "1"}}
    filesystem: {read: [~/.gitconfig], write: [~/.cache/go-build], hide: [~/.ssh]}
    resources: {memory: 4GiB, cpus: 2, pids: 512}
    network:
      mode: host               # host | private | none
      default: allow           # allow | block
      block:                   # addresses, CIDRs, groups, files of CIDRs
        - host
        - 10.0.0.0/8
        - cidr: 192.168.0.0/16
          except: [192.168.1.10/32]
        - file: blocklists/*.txt
      allow:
        - dns
        - to: 127.0.0.1
          ports: [tcp/5432, 8000-8100]   # a number, a range, tcp/ or udp/ in front; none: all
          reason: team database          # shown by explain, inspect and events
          expires: 30m                   # optional
      errno: EPERM             # what a refused call returns
    mode: enforce              # enforce | audit
    watch: false               # reload when this file changes
`

// writeFiles makes a directory with files.
func writeFiles(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadDesignPolicy(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"p.yaml":           designPolicy,
		"blocklists/a.txt": "198.51.100.0/24\n",
		"blocklists/b.txt": "# second\n\n  203.0.113.7\t# one\n2001:db8:bad::/48\n",
	})
	path := filepath.Join(dir, "p.yaml")
	before := time.Now()
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	j, err := f.Jail("")
	if err != nil {
		t.Fatal(err)
	}
	got := *j
	got.Network = Network{}
	want := Jail{
		Name: "claude", Command: []string{"claude"}, Runtime: "native", Workspace: ".",
		Env:        Env{Pass: []string{"ANTHROPIC_API_KEY"}, Set: map[string]string{"CI": "1"}},
		Filesystem: Filesystem{Read: []string{"~/.gitconfig"}, Write: []string{"~/.cache/go-build"}, Hide: []string{"~/.ssh"}},
		Resources:  Resources{Memory: 4 << 30, CPUs: 2, PIDs: 512},
		Mode:       "enforce",
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Network{})); diff != "" {
		t.Error(diff)
	}
	n := j.Network
	if n.Mode != "host" || n.Default != ruleset.Allow || n.Errno != syscall.EPERM {
		t.Errorf("network: %+v", n)
	}
	if diff := cmp.Diff([]string{
		"host 4:13", "metadata 4:19", "host 18:11", "10.0.0.0/8 19:11", "192.168.0.0/16 except 192.168.1.10 20:11", "file blocklists/*.txt 22:11",
		"dns 24:11", "127.0.0.1 ports tcp/5432, 8000-8100 25:11",
	}, texts(append(n.Block, n.Allow...))); diff != "" {
		t.Error(diff)
	}
	database := n.Allow[1]
	if d := database.Expires.Sub(before); database.Reason != "team database" || d < 30*time.Minute || d > 31*time.Minute {
		t.Errorf("%+v", database)
	}
	if diff := cmp.Diff([]string{path, filepath.Join(dir, "blocklists/a.txt"), filepath.Join(dir, "blocklists/b.txt")}, f.Files()); diff != "" {
		t.Error(diff)
	}
}

// texts writes terms with their positions.
func texts(terms []Term) (all []string) {
	for _, t := range terms {
		at := t.Position.File
		if t.Position.Line > 0 {
			at = fmt.Sprintf("%d:%d", t.Position.Line, t.Position.Column)
		}
		all = append(all, t.Text+" "+at)
	}
	return all
}
