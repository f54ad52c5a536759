// SPDX-License-Identifier: Apache-2.0

package enforce

import "github.com/jail-ai/jail-ai/libbpf"

// program is one program of the object and where it is attached. Its name is also its pin's.
type program struct {
	name   string
	attach libbpf.AttachType
}

// programs are all programs of a jail; each has to be attached, or nothing runs.
var programs = []program{
	{"egress", libbpf.CgroupInetEgress},
	{"connect6", libbpf.CgroupInet6Connect},
	{"sendmsg4", libbpf.CgroupUDP4Sendmsg},
	{"connect4", libbpf.CgroupInet4Connect},
	{"sock_create", libbpf.CgroupInetSockCreate},
	{"sendmsg6", libbpf.CgroupUDP6Sendmsg},
	{"ingress", libbpf.CgroupInetIngress},
	{"setsockopt", libbpf.CgroupSetsockopt},
	{"bind4", libbpf.CgroupInet4Bind},
	{"bind6", libbpf.CgroupInet6Bind},
}

// Names of the object's maps (bpf/maps.h). All of them are pinned.
const (
	mapSets     = "sets"
	mapSocks    = "socks"
	mapPeers    = "peers"
	mapCounters = "counters"
	mapLimits   = "limits"
	mapEvents   = "events"
)

// The C structs of bpf/types.h that user space reads. TestLayout compares them with the object.

type counter struct {
	Blocked uint64
	Audited uint64
}

type limitKey struct {
	Addr  [16]byte
	Rule  uint32
	Port  uint16
	Proto uint16
}

type limit struct {
	Since      uint64
	Suppressed uint64
	Sent       uint64
	Tgid       uint32
	Hook       uint8
	Action     uint8
	Pad        [2]uint8
	Comm       [16]byte
}

type event struct {
	Time       uint64
	Suppressed uint64
	Addr       [16]byte
	Tgid       uint32
	Rule       uint32
	Port       uint16
	Proto      uint16
	Hook       uint8
	Action     uint8
	Pad        [2]uint8
	Comm       [16]byte
}
