/* SPDX-License-Identifier: GPL-2.0-only */
/* A connect or sendmsg call: where it goes, where from, and whether it may go on though refused. */
#ifndef JAIL_AI_CALL_H
#define JAIL_AI_CALL_H

/*
 * What the kernel makes of a wildcard destination, after the hook: loopback, or the address that
 * the socket is bound to (net/ipv4/route.c ip_route_output_key_hash_rcu, net/ipv6/tcp_ipv6.c
 * tcp_v6_connect, 6.12). Where it does otherwise, egress has the last word.
 */
static __always_inline void rewrite_wildcard(__u32 *to, const struct source *from)
{
	__u64 v6 = is_zero(to[0] | to[1] | to[2] | to[3]);
	__u64 v4 = addr_is_v4(to) & is_zero(to[3]);

	to[3] |= pick(v6, bpf_htonl(1), 0) | pick(v4, from->addr[3], 0);
}

/*
 * Where a packet from @sk to @to will come from. An unbound socket sends from the destination's
 * own address to a local one, and from 127.0.0.1 to 127/8 and 0.0.0.0.
 */
static __always_inline void source_of_call(struct source *from, struct bpf_sock *sk, const __u32 *to)
{
	__u64 v4 = addr_is_v4(to);
	__u32 first = bpf_ntohl(to[3]) >> 24, bound4 = 0, bound[4] = {};
	__u64 loopback = v4 & (is_zero(first) | is_zero(first ^ (INADDR_LOOPBACK >> 24)));
	__u64 unbound;

	if (sk) {
		from->port = bpf_htons(sk->src_port);
		bound4 = sk->src_ip4;
		bound[0] = sk->src_ip6[0];
		bound[1] = sk->src_ip6[1];
		bound[2] = sk->src_ip6[2];
		bound[3] = sk->src_ip6[3];
	}
	unbound = v4 ? is_zero(bound4) : is_zero(bound[0] | bound[1] | bound[2] | bound[3]);
	from->addr[0] = pick(unbound | v4, to[0], bound[0]);
	from->addr[1] = pick(unbound | v4, to[1], bound[1]);
	from->addr[2] = pick(unbound | v4, to[2], bound[2]);
	from->addr[3] = pick(unbound, pick(loopback, bpf_htonl(INADDR_LOOPBACK), to[3]), pick(v4, bound4, bound[3]));
}

static __always_inline void dest_of_call(struct dest *d, struct bpf_sock_addr *ctx)
{
	__u32 port = ctx->user_port; /* a u32 copy: clang would narrow the load, which is refused */

	d->proto = ctx->protocol;
	d->port = bpf_ntohs(port);
}

static __always_inline void dest_of_call4(struct dest *d, struct bpf_sock_addr *ctx)
{
	dest_of_call(d, ctx);
	dest_set_v4(d, ctx->user_ip4);
}

static __always_inline void dest_of_call6(struct dest *d, struct bpf_sock_addr *ctx)
{
	dest_of_call(d, ctx);
	d->addr[0] = ctx->user_ip6[0];
	d->addr[1] = ctx->user_ip6[1];
	d->addr[2] = ctx->user_ip6[2];
	d->addr[3] = ctx->user_ip6[3];
	dest_normalize(d);
}

/*
 * Whether a call that the set refuses by @word passes all the same: as an answer, or to the jail's
 * own. @flags are for the socket's state in that case.
 */
static __always_inline bool call_may_pass(struct bpf_sock_addr *ctx, const struct dest *d, __u32 word, __u32 flags)
{
	struct bpf_sock *sk = ctx->sk;
	struct source from = {};
	__u32 to[4];

	if (may_answer(sk, d))
		return true;
	if (!(word & VERDICT_F_OWN) || d->embedded)
		return false;
	addr_copy(to, d->addr);
	source_of_call(&from, sk, to);
	rewrite_wildcard(to, &from);
	if (!receiver_is_own(ctx, d, to, &from))
		return false;
	/* The answers come back to this socket; and egress notes in it what it found. */
	if (sk)
		socket_mark(sk, flags);
	return true;
}

#endif
