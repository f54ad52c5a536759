/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `own`: is the socket that would receive this the jail's? And may this socket answer that
 * address? Both are facts about a moment: connect and sendmsg ask in order to fail a call with an
 * errno, egress asks again for the packet itself, whose answer counts (KERNEL.md section 14).
 */
#ifndef JAIL_AI_OWN_H
#define JAIL_AI_OWN_H

/* Where a packet comes from, as far as it is known. */
struct source {
	__u32 addr[4]; /* as in struct event */
	__be16 port;
};

static __always_inline struct sock_state *state_get(struct bpf_sock *sk)
{
	return sk ? bpf_sk_storage_get(&socks, sk, 0, 0) : NULL;
}

/* Marks a socket as the jail's own and notes who did it. */
static __always_inline void socket_mark(struct bpf_sock *sk, __u32 flags)
{
	struct sock_state *state = bpf_sk_storage_get(&socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!state)
		return;
	state->flags = flags;
	state->tgid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(state->comm, sizeof(state->comm));
}

/* Lookup key: struct bpf_sock_tuple in words. Its IPv4 and IPv6 forms begin at the same place. */
union tuple {
	struct bpf_sock_tuple t;
	__u32 w[sizeof(struct bpf_sock_tuple) / sizeof(__u32)];
};

/* Who would receive a packet. */
enum receiver {
	RECEIVER_NONE,
	RECEIVER_OWN,
	RECEIVER_FOREIGN,
};

/*
 * Whose the socket is that a packet of this protocol (TCP or UDP) from @from to @to, @port would
 * reach now. The kernel picks it by the rules that it uses on arrival (connected before bound,
 * specific before wildcard, SO_REUSEPORT by hash), with what it knows: before a packet is there,
 * @from is incomplete.
 */
static __always_inline enum receiver receiver_find(void *ctx, __u32 proto, const __u32 *to, __u16 port,
						   const struct source *from)
{
	__u64 v4 = addr_is_v4(to);
	__u32 ports = (__u32)bpf_htons(port) << 16 | from->port; /* two __be16 in memory order */
	enum receiver receiver = RECEIVER_FOREIGN;
	union tuple key = {};
	struct bpf_sock *sk;
	__u32 size;

	key.w[0] = pick(v4, from->addr[3], from->addr[0]);
	key.w[1] = pick(v4, to[3], from->addr[1]);
	key.w[2] = pick(v4, ports, from->addr[2]);
	key.w[3] = from->addr[3];
	key.w[4] = to[0];
	key.w[5] = to[1];
	key.w[6] = to[2];
	key.w[7] = to[3];
	key.w[8] = ports;
	size = pick(v4, sizeof(key.t.ipv4), sizeof(key.t.ipv6)) & 63;
	if (size > sizeof(key.t)) /* for the verifier, which does not know pick() */
		return RECEIVER_NONE;
	if (proto == IPPROTO_TCP)
		sk = bpf_sk_lookup_tcp(ctx, &key.t, size, BPF_F_CURRENT_NETNS, 0);
	else if (proto == IPPROTO_UDP)
		sk = bpf_sk_lookup_udp(ctx, &key.t, size, BPF_F_CURRENT_NETNS, 0);
	else
		return RECEIVER_NONE;
	if (!sk)
		return RECEIVER_NONE;
	if (bpf_sk_storage_get(&socks, sk, 0, 0))
		receiver = RECEIVER_OWN;
	bpf_sk_release(sk);
	return receiver;
}

static __always_inline bool receiver_is_own(void *ctx, const struct dest *d, const __u32 *to, const struct source *from)
{
	return receiver_find(ctx, d->proto, to, d->port, from) == RECEIVER_OWN;
}

static __always_inline __u32 seconds_now(void)
{
	return bpf_ktime_get_ns() / 1000000000ULL;
}

/* 1 if @p is this sender, else 0. */
static __always_inline __u64 peer_is(const struct peer *p, const __u64 *addr, __u64 port)
{
	return is_zero((p->addr[0] ^ addr[0]) | (p->addr[1] ^ addr[1]) | (p->port ^ port));
}

/* Whether @d sent a datagram to UDP socket @sk within PEER_SECONDS. */
static __always_inline bool may_answer(struct bpf_sock *sk, const struct dest *d)
{
	const __u64 *addr = (const __u64 *)d->addr;
	struct peers *known;
	__u64 until = 0;

	if (!sk || d->proto != IPPROTO_UDP)
		return false;
	known = bpf_sk_storage_get(&peers, sk, 0, 0);
	if (!known)
		return false;
#pragma unroll
	for (int i = 0; i < PEERS_MAX; i++)
		until |= -peer_is(&known->peer[i], addr, d->port) & known->peer[i].until;
	return until >= seconds_now();
}

/*
 * Remembers that @d, the sender of a datagram, spoke to @sk. A connected socket answers whom connect
 * let it: only one that was spoken to before needs the memory kept fresh.
 */
static __always_inline void peer_remember(struct bpf_sock *sk, const struct dest *d)
{
	__u64 create = sk->dst_port ? 0 : BPF_SK_STORAGE_GET_F_CREATE;
	struct peers *known = bpf_sk_storage_get(&peers, sk, 0, create);
	const __u64 *addr = (const __u64 *)d->addr;
	__u64 slot, found = 0;
	struct peer *p;

	if (!known)
		return;
	slot = known->next;
#pragma unroll
	for (int i = 0; i < PEERS_MAX; i++) {
		__u64 is = peer_is(&known->peer[i], addr, d->port);

		slot = pick(is, i, slot);
		found |= is;
	}
	p = &known->peer[slot % PEERS_MAX];
	if (!found) {
		known->next++;
		p->until = 0; /* not valid while it is neither the old peer nor the new one */
		p->addr[0] = addr[0];
		p->addr[1] = addr[1];
		p->port = d->port;
	}
	p->until = seconds_now() + PEER_SECONDS;
}

#endif
