// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

var printed = policy.Machine{
	Host: []policy.Address{
		{Prefix: netip.MustParsePrefix("127.0.0.0/8"), Reason: "loopback", Unicast: true},
		{Prefix: netip.MustParsePrefix("172.17.0.1/32"), Reason: "address of bridge docker0", Unicast: true},
	},
	Gateway:   []policy.Address{{Prefix: netip.MustParsePrefix("fe80::1/128"), Reason: "a <gateway>", Unicast: true}},
	Resolvers: []policy.Address{{Prefix: netip.MustParsePrefix("192.0.2.53/32"), Reason: "nameserver", Unicast: true}},
}

func TestWriteTable(t *testing.T) {
	var b strings.Builder
	check(t, Write(&b, "table", printed))
	const want = `GROUP    PREFIX         REASON
host     127.0.0.0/8    loopback
host     172.17.0.1/32  address of bridge docker0
gateway  fe80::1/128    a <gateway>
dns      192.0.2.53/32  nameserver
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWriteJSON(t *testing.T) {
	var b strings.Builder
	check(t, Write(&b, "json", printed))
	var got []Entry
	d := json.NewDecoder(strings.NewReader(b.String()))
	d.DisallowUnknownFields()
	check(t, d.Decode(&got))
	if _, err := d.Token(); err != io.EOF {
		t.Errorf("more than one document: %v", err)
	}
	if diff := cmp.Diff(Entries(printed), got); diff != "" || !strings.Contains(b.String(), "a <gateway>") {
		t.Errorf("%s (-want +got)\n%s", b.String(), diff)
	}

	b.Reset()
	check(t, Write(&b, "json", policy.Machine{}))
	if b.String() != "[]\n" {
		t.Errorf("an empty machine: %q", b.String())
	}
}

func TestWriteErrors(t *testing.T) {
	var hint interface{ Hint() string }
	if err := Write(io.Discard, "yaml", printed); !errors.As(err, &hint) || !strings.Contains(err.Error(), `"yaml"`) {
		t.Errorf("unknown format: %v", err)
	}
	for _, format := range []string{"table", "json"} {
		if err := Write(brokenWriter{}, format, printed); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s to a writer that fails: %v", format, err)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
