/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel constants that are macros, and so are missing from vmlinux.h (values: include/uapi/linux, 6.12). */
#ifndef JAIL_AI_DEFS_H
#define JAIL_AI_DEFS_H

#define EPERM 1
#define EADDRINUSE 98

#define ETH_P_IPV6 0x86dd

#define SOL_SOCKET 1
#define SO_REUSEADDR 2
#define SO_REUSEPORT 15
#define SO_ATTACH_REUSEPORT_CBPF 51
#define SO_ATTACH_REUSEPORT_EBPF 52

/* bpf_sockopt.optlen: the call succeeds without the kernel's doing (kernel/bpf/cgroup.c, 6.12). */
#define SOCKOPT_DONE (-1)

#define IP_OFFSET_MASK 0x1fff /* fragment offset in iphdr.frag_off */

/* In every network namespace (include/net/flow.h, LOOPBACK_IFINDEX). */
#define LOOPBACK_IFINDEX 1

#define PACKET_HOST 0

#define INADDR_LOOPBACK 0x7f000001
#define INADDR_LOOPBACK_HOST 0x00ffffff /* the part of it that tells 127/8 apart */
#define INADDR_LOOPBACK_BROADCAST 0x7fffffff
#define V6_LINK_LOCAL 0xfe800000 /* first word of fe80::/64 */

/* Next headers that vmlinux.h has only where IPv6 code uses them as enums. */
#define IPPROTO_HOPOPTS 0
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_DSTOPTS 60
#define IPPROTO_MH 135

/* What a program of these types returns. */
#define REFUSE 0
#define PASS 1

#endif
