// SPDX-License-Identifier: Apache-2.0

// Package libbpf is thin cgo over the system's libbpf: the calls that libbpfgo lacks, and the
// link flags, so that plain go build, go vet and go test work with no environment variables.
//
// Descriptors that functions return are close-on-exec and belong to the caller. Errors wrap
// the kernel's errno.
package libbpf

/*
#cgo pkg-config: libbpf
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#if LIBBPF_MAJOR_VERSION < 1 || (LIBBPF_MAJOR_VERSION == 1 && LIBBPF_MINOR_VERSION < 3)
#error "jail-ai needs libbpf 1.3 or newer; run scripts/bootstrap.sh"
#endif

// Unions in bpf_link_info are out of cgo's reach.
static int cgroup_link_info(int fd, __u32 *link_id, __u32 *prog_id, __u64 *cgroup_id, __u32 *attach_type)
{
	struct bpf_link_info info;
	__u32 len = sizeof(info);
	int err;

	memset(&info, 0, sizeof(info));
	err = bpf_link_get_info_by_fd(fd, &info, &len);
	if (err)
		return err;
	if (info.type != BPF_LINK_TYPE_CGROUP)
		return -EINVAL;
	*link_id = info.id;
	*prog_id = info.prog_id;
	*cgroup_id = info.cgroup.cgroup_id;
	*attach_type = info.cgroup.attach_type;
	return 0;
}

static int prog_id(int fd, __u32 *id)
{
	struct bpf_prog_info info;
	__u32 len = sizeof(info);
	int err;

	memset(&info, 0, sizeof(info));
	err = bpf_prog_get_info_by_fd(fd, &info, &len);
	if (!err)
		*id = info.id;
	return err;
}
*/
import "C"

import (
	"fmt"
	"syscall"
	"unsafe"
)

// AttachType is a kernel attach type (enum bpf_attach_type in linux/bpf.h).
type AttachType uint32

// The attach types that jail-ai uses.
const (
	CgroupInetIngress    AttachType = C.BPF_CGROUP_INET_INGRESS
	CgroupInetEgress     AttachType = C.BPF_CGROUP_INET_EGRESS
	CgroupInetSockCreate AttachType = C.BPF_CGROUP_INET_SOCK_CREATE
	CgroupInet4Bind      AttachType = C.BPF_CGROUP_INET4_BIND
	CgroupInet6Bind      AttachType = C.BPF_CGROUP_INET6_BIND
	CgroupInet4Connect   AttachType = C.BPF_CGROUP_INET4_CONNECT
	CgroupInet6Connect   AttachType = C.BPF_CGROUP_INET6_CONNECT
	CgroupUDP4Sendmsg    AttachType = C.BPF_CGROUP_UDP4_SENDMSG
	CgroupUDP6Sendmsg    AttachType = C.BPF_CGROUP_UDP6_SENDMSG
	CgroupSetsockopt     AttachType = C.BPF_CGROUP_SETSOCKOPT
)

func errnoOf(ret C.int) error {
	if ret >= 0 {
		return nil
	}
	return syscall.Errno(-ret)
}

// CreateLink attaches a program to the object behind targetFD (for cgroup programs a cgroup
// directory, O_PATH is enough) and returns the link's descriptor. Cgroup links are always of the
// MULTI kind: other programs on the cgroup stay.
func CreateLink(progFD, targetFD int, attach AttachType) (int, error) {
	fd := C.bpf_link_create(C.int(progFD), C.int(targetFD), C.enum_bpf_attach_type(attach), nil)
	if err := errnoOf(fd); err != nil {
		return -1, fmt.Errorf("create link: %w", err)
	}
	return int(fd), nil
}

// UpdateLink replaces the program of a link at once, in every descendant of its cgroup. ENOLINK
// says that the cgroup is gone.
func UpdateLink(linkFD, progFD int) error {
	if err := errnoOf(C.bpf_link_update(C.int(linkFD), C.int(progFD), nil)); err != nil {
		return fmt.Errorf("update link: %w", err)
	}
	return nil
}

// AttachProgram attaches a program to a cgroup without a link, of the MULTI kind: it stays until the
// cgroup has gone for good, which is when its last socket is closed, not when it is removed. EINVAL:
// this program is attached so already.
func AttachProgram(progFD, cgroupFD int, attach AttachType) error {
	ret := C.bpf_prog_attach(C.int(progFD), C.int(cgroupFD), C.enum_bpf_attach_type(attach), C.BPF_F_ALLOW_MULTI)
	if err := errnoOf(ret); err != nil {
		return fmt.Errorf("attach program: %w", err)
	}
	return nil
}

// ProgramByID opens a program by the kernel's id of it.
func ProgramByID(id uint32) (int, error) {
	fd := C.bpf_prog_get_fd_by_id(C.__u32(id))
	if err := errnoOf(fd); err != nil {
		return -1, fmt.Errorf("open program %d: %w", id, err)
	}
	return int(fd), nil
}

// LinkInfo is what the kernel tells of a cgroup link.
type LinkInfo struct {
	ID, ProgID uint32
	CgroupID   uint64 // 0: the cgroup is gone
	Attach     AttachType
}

// GetLinkInfo asks the kernel about a cgroup link; EINVAL for one of another kind.
func GetLinkInfo(linkFD int) (LinkInfo, error) {
	var id, prog, attach C.__u32
	var cgroup C.__u64
	if err := errnoOf(C.cgroup_link_info(C.int(linkFD), &id, &prog, &cgroup, &attach)); err != nil {
		return LinkInfo{}, fmt.Errorf("get link info: %w", err)
	}
	return LinkInfo{ID: uint32(id), ProgID: uint32(prog), CgroupID: uint64(cgroup), Attach: AttachType(attach)}, nil
}

// ProgID returns the kernel's id of a program.
func ProgID(progFD int) (uint32, error) {
	var id C.__u32
	if err := errnoOf(C.prog_id(C.int(progFD), &id)); err != nil {
		return 0, fmt.Errorf("get program info: %w", err)
	}
	return uint32(id), nil
}

// maxEffective bounds QueryEffective: 64 programs per cgroup (BPF_CGROUP_MAX_PROGS in
// kernel/bpf/cgroup.c, 6.12) on a path of up to 16 cgroups.
const maxEffective = 1024

// QueryEffective returns the ids of the programs that run for tasks of a cgroup, its ancestors'
// included, in the order in which they run.
func QueryEffective(cgroupFD int, attach AttachType) ([]uint32, error) {
	ids := make([]uint32, maxEffective)
	n := C.__u32(len(ids))
	ret := C.bpf_prog_query(C.int(cgroupFD), C.enum_bpf_attach_type(attach), C.BPF_F_QUERY_EFFECTIVE, nil,
		(*C.__u32)(unsafe.Pointer(&ids[0])), &n)
	if err := errnoOf(ret); err != nil {
		return nil, fmt.Errorf("query effective programs: %w", err)
	}
	return ids[:n], nil
}

// Pin makes a path in a bpffs for a link, map or program; the object lives as long as the path.
// No name on the path may have a dot in it.
func Pin(fd int, path string) error {
	s := C.CString(path)
	defer C.free(unsafe.Pointer(s))
	if err := errnoOf(C.bpf_obj_pin(C.int(fd), s)); err != nil {
		return fmt.Errorf("pin %s: %w", path, err)
	}
	return nil
}

// OpenPinned opens the object that Pin named.
func OpenPinned(path string) (int, error) {
	s := C.CString(path)
	defer C.free(unsafe.Pointer(s))
	fd := C.bpf_obj_get(s)
	if err := errnoOf(fd); err != nil {
		return -1, fmt.Errorf("open pinned %s: %w", path, err)
	}
	return int(fd), nil
}

// Version returns the version of the libbpf that is linked at run time, as "1.4".
func Version() string {
	return fmt.Sprintf("%d.%d", C.libbpf_major_version(), C.libbpf_minor_version())
}
