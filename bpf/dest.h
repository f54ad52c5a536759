/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A destination in the form that the rule set judges.
 *
 * Everything here is arithmetic on purpose: a branch that leaves a constant behind would make the
 * verifier walk all that follows once more for each of its outcomes.
 */
#ifndef JAIL_AI_DEST_H
#define JAIL_AI_DEST_H

struct dest {
	__u32 addr[4] __attribute__((aligned(8))); /* as in struct event */
	__u64 key; /* in the address tree: the IPv4 address, or the high 64 bits; machine's byte order */
	__u64 low; /* the low 64 bits, machine's byte order */
	__u32 tree; /* SET_V4 or SET_V6 */
	__u32 embedded; /* 1: judged as an IPv4 address inside of an IPv6 address that leads elsewhere */
	__u16 port; /* machine's byte order */
	__u16 proto; /* IPPROTO_* */
};

#define V4MAPPED_WORD 0xffff /* third word of ::ffff:0:0/96 */
#define NAT64_WORD 0x0064ff9b /* first word of 64:ff9b::/96 (RFC 6052) */
#define SIXTOFOUR_HALF 0x2002 /* 2002::/16 (RFC 3056) */

/* 1 if @x is 0, else 0. */
static __always_inline __u64 is_zero(__u64 x)
{
	__u64 r = -x;

	/* Both asm keep clang from seeing a comparison, of which it would make a branch. */
	asm volatile("" : "+r"(r));
	r = ((x | r) >> 63) ^ 1;
	asm volatile("" : "+r"(r));
	return r;
}

/* @a where @choose is 1, @b where it is 0. */
static __always_inline __u64 pick(__u64 choose, __u64 a, __u64 b)
{
	return b ^ ((a ^ b) & -choose);
}

/*
 * Fills in what follows from addr. An IPv6 address that carries an IPv4 one gets the verdict of that
 * one, as pkg/ruleset Normalize does. :: and ::1 are IPv6 addresses; the rest of ::/96 is
 * IPv4-compatible.
 */
static __always_inline void dest_normalize(struct dest *d)
{
	__u64 w0 = bpf_ntohl(d->addr[0]), w1 = bpf_ntohl(d->addr[1]);
	__u64 w2 = bpf_ntohl(d->addr[2]), w3 = bpf_ntohl(d->addr[3]);
	__u64 mapped = is_zero(w0 | w1 | (w2 ^ V4MAPPED_WORD));
	__u64 compatible = is_zero(w0 | w1 | w2) & (is_zero(w3 >> 1) ^ 1);
	__u64 nat64 = is_zero((w0 ^ NAT64_WORD) | w1 | w2);
	__u64 sixtofour = is_zero((w0 >> 16) ^ SIXTOFOUR_HALF);
	__u64 embedded = compatible | nat64 | sixtofour;
	__u64 v4 = pick(sixtofour, (w0 & 0xffff) << 16 | w1 >> 16, w3);

	d->tree = (mapped | embedded) ^ SET_V6;
	d->key = pick(mapped | embedded, v4, w0 << 32 | w1);
	d->low = w2 << 32 | w3;
	d->embedded = embedded;
}

/* 1 if an address in the form of struct event is an IPv4 one, else 0. */
static __always_inline __u64 addr_is_v4(const __u32 *addr)
{
	return is_zero(addr[0] | addr[1] | (addr[2] ^ bpf_htonl(V4MAPPED_WORD)));
}

/* An IPv4 destination, in network byte order. */
static __always_inline void dest_set_v4(struct dest *d, __u32 addr)
{
	d->addr[0] = 0;
	d->addr[1] = 0;
	d->addr[2] = bpf_htonl(V4MAPPED_WORD);
	d->addr[3] = addr;
	d->tree = SET_V4;
	d->key = bpf_ntohl(addr);
	d->low = 0;
	d->embedded = 0;
}

static __always_inline void addr_set_v4(__u32 *to, __u32 addr)
{
	to[0] = 0;
	to[1] = 0;
	to[2] = bpf_htonl(V4MAPPED_WORD);
	to[3] = addr;
}

static __always_inline void addr_copy(__u32 *to, const __u32 *from)
{
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}

#endif
