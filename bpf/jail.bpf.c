// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs of a jail. They are attached to the jail's outermost cgroup; the attachment is the
 * scope, so none of them looks at cgroup ids, users or names. connect and sendmsg refuse with an
 * errno, egress catches what they never see; all ask set_verdict(). docs/security.md says which
 * hook sees what.
 */
/* Contexts are UAPI: without relocations libbpf need not parse the kernel's BTF (11-20 ms). */
#define BPF_NO_PRESERVE_ACCESS_INDEX
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "defs.h"
#include "types.h"
#include "maps.h"
#include "dest.h"
#include "verdict.h"
#include "report.h"
#include "own.h"
#include "call.h"
#include "packet.h"

/* GPL: bpf_sk_storage_get and bpf_set_retval are for GPL-compatible programs. */
char LICENSE[] SEC("license") = "GPL";

/* bpf_set_retval is there (5.18); else a refused call gets EPERM. */
const volatile bool has_set_retval = true;

/* Unlikely priority that marks datagrams of the jail on loopback, from egress to ingress. */
const volatile __u32 own_priority = 0;

/*
 * Ends a call: refuses it with the policy's errno, or lets it pass in audit mode. Either way the
 * decision is counted and reported. Without a set there is no policy: refused.
 */
static __always_inline int refuse(void *set, __u32 rule, const struct dest *d, enum hook hook)
{
	struct line *settings = set_settings(set);
	enum action action = ACTION_BLOCK;
	struct asker asker = {};

	if (!settings) {
		count(RULE_FAULT, ACTION_BLOCK);
		return REFUSE;
	}
	action += is_audit(settings);
	asker_current(&asker);
	report(rule, d, hook, action, &asker);
	if (action == ACTION_AUDIT)
		return PASS;
	if (has_set_retval)
		bpf_set_retval(-(int)settings->w[HEAD_ERRNO]);
	return REFUSE;
}

/*
 * Only protocols whose every way of sending has a hook: UDP-Lite and ping sockets send to looped
 * back multicast and broadcast addresses past egress, raw sockets write what they like.
 */
SEC("cgroup/sock_create")
int sock_create(struct bpf_sock *ctx)
{
	struct dest d = { .proto = ctx->protocol };

	if ((ctx->type == SOCK_STREAM && (d.proto == IPPROTO_TCP || d.proto == IPPROTO_MPTCP)) ||
	    (ctx->type == SOCK_DGRAM && d.proto == IPPROTO_UDP))
		return PASS;
	return refuse(set_get(), RULE_PROTOCOL, &d, HOOK_SOCK_CREATE);
}

/*
 * What is bound may become a listener: it is marked as the jail's own. This sees MPTCP too, which
 * listens through a subflow that the kernel makes, past sock_create (net/mptcp/protocol.c,
 * mptcp_bind, 6.12). A socket that listens without having been bound is not known as the jail's
 * own: it is refused, not opened.
 *
 * And no TCP port is shared with a socket outside, as SO_REUSEPORT would let it: the jail would get
 * some of that one's connections. (A port that the kernel picks is never shared: net/ipv4/
 * inet_connection_sock.c, inet_csk_find_open_port, 6.12. UDP: see setsockopt.)
 */
static __always_inline int judge_bind(struct bpf_sock_addr *ctx, const __u32 *to)
{
	struct line *settings = set_settings(set_get());
	struct bpf_sock *sk = ctx->sk;
	struct source from = {};
	__u32 port = ctx->user_port;

	/* The kernel refuses to bind a connected socket only later: marked, it would pass for an accepted one. */
	if (sk && sk->state == BPF_TCP_CLOSE && !state_get(sk))
		socket_mark(sk, 0);
	if (!port || ctx->protocol != IPPROTO_TCP || !settings || !is_own_guarded(settings))
		return PASS;
	if (receiver_find(ctx, IPPROTO_TCP, to, bpf_ntohs(port), &from) != RECEIVER_FOREIGN)
		return PASS;
	if (has_set_retval)
		bpf_set_retval(-EADDRINUSE);
	return REFUSE;
}

/*
 * A wildcard's neighbours are wildcards: they are found by an address that nothing more specific is
 * bound to, since nobody can foresee it.
 */
SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx)
{
	__u32 addr = ctx->user_ip4, to[4];

	if (!addr)
		addr = bpf_htonl((INADDR_LOOPBACK & ~INADDR_LOOPBACK_HOST) |
				 (bpf_get_prandom_u32() & INADDR_LOOPBACK_HOST));
	addr_set_v4(to, addr);
	return judge_bind(ctx, to);
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx)
{
	__u32 to[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };

	if (!(to[0] | to[1] | to[2] | to[3])) {
		to[0] = bpf_htonl(V6_LINK_LOCAL);
		to[2] = bpf_get_prandom_u32();
		to[3] = bpf_get_prandom_u32();
	}
	return judge_bind(ctx, to);
}

/*
 * Global functions: the verifier walks each of them once, knowing nothing of its arguments. Inlined,
 * they would be walked again for every way that leads to them, of which compilers make many. So they
 * read the call again; few calls get here.
 */
__noinline int call4_may_pass(struct bpf_sock_addr *ctx, __u32 word, __u32 flags)
{
	struct dest d = {};

	dest_of_call4(&d, ctx);
	return call_may_pass(ctx, &d, word, flags);
}

__noinline int call6_may_pass(struct bpf_sock_addr *ctx, __u32 word, __u32 flags)
{
	struct dest d = {};

	dest_of_call6(&d, ctx);
	return call_may_pass(ctx, &d, word, flags);
}

/*
 * The common half of connect and sendmsg. Port 0 is in connect getaddrinfo, which asks for source
 * addresses with UDP sockets and sends nothing: refused as the rest, but nobody's attempt to
 * reach anything. In sendmsg it says that no name was given: the socket is connected, and connect
 * was asked; a name with port 0 never gets here (net/ipv4/udp.c udp_sendmsg, 6.12).
 */
static __always_inline int judge(struct bpf_sock_addr *ctx, const struct dest *d, enum hook hook)
{
	bool connect = hook == HOOK_CONNECT4 || hook == HOOK_CONNECT6;
	bool v4 = hook == HOOK_CONNECT4 || hook == HOOK_SENDMSG4;
	void *set;
	__u32 word, flags = connect ? SOCK_F_OPENED : 0;

	if (!connect && !d->port)
		return PASS;
	set = set_get();
	word = set_verdict(set, d, v4 ? SUBTREES_V4 : SUBTREES_V6);
	if (connect && d->proto == IPPROTO_TCP) {
		struct sock_state *state = state_get(ctx->sk);

		if (state) /* it was bound: tell it from a connection that came in */
			state->flags = SOCK_F_OPENED;
	}
	if (word_kind(word) == VERDICT_ALLOW)
		return PASS;
	if (!d->port && d->proto == IPPROTO_UDP) {
		struct line *settings = set_settings(set);

		if (settings && is_audit(settings))
			return PASS;
		if (settings && has_set_retval)
			bpf_set_retval(-(int)settings->w[HEAD_ERRNO]);
		return REFUSE;
	}
	if (v4 ? call4_may_pass(ctx, word, flags) : call6_may_pass(ctx, word, flags))
		return PASS;
	return refuse(set, word_rule(word), d, hook);
}

static __always_inline int judge4(struct bpf_sock_addr *ctx, enum hook hook)
{
	struct dest d = {};

	dest_of_call4(&d, ctx);
	return judge(ctx, &d, hook);
}

static __always_inline int judge6(struct bpf_sock_addr *ctx, enum hook hook)
{
	struct dest d = {};

	dest_of_call6(&d, ctx);
	return judge(ctx, &d, hook);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return judge4(ctx, HOOK_CONNECT4);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	return judge6(ctx, HOOK_CONNECT6);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return judge4(ctx, HOOK_SENDMSG4);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	return judge6(ctx, HOOK_SENDMSG6);
}

/*
 * Keeps a socket lookup true to who receives.
 *
 * A UDP socket of the jail shares its port with nobody: SO_REUSEADDR and SO_REUSEPORT succeed and do
 * nothing, since programs take it hard when they fail. Else the host's socket could get what egress
 * saw going to the jail's: both may hold the port, and which of them receives may change in between.
 * (TCP may share: its connections are checked again once the SYN has found its listener.)
 *
 * And no jailed socket may bring a program that picks the receiver into a SO_REUSEPORT group.
 */
SEC("cgroup/setsockopt")
int setsockopt(struct bpf_sockopt *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct line *settings;
	struct dest d = {};

	if (ctx->level == SOL_SOCKET) {
		switch (ctx->optname) {
		case SO_ATTACH_REUSEPORT_CBPF:
		case SO_ATTACH_REUSEPORT_EBPF:
			return refuse(set_get(), RULE_PROTOCOL, &d, HOOK_SETSOCKOPT);
		case SO_REUSEADDR:
		case SO_REUSEPORT:
			settings = set_settings(set_get());
			if (sk && sk->type == SOCK_DGRAM && (!settings || is_own_guarded(settings))) {
				ctx->optlen = SOCKOPT_DONE;
				return PASS;
			}
		}
	}
	ctx->optlen = 0; /* the kernel takes the caller's value, of any size */
	return PASS;
}

/*
 * The functions from here to egress that are not inlined are global, as call4_may_pass() is. They
 * read the packet again, each by itself; all but the first are for the few packets that the set
 * refuses.
 */

/* set_verdict() by itself. @rest: tree, protocol and port, of 32, 16 and 16 bits. */
__noinline __u32 packet_word(__u64 key, __u64 low, __u64 rest)
{
	struct dest d = { .key = key, .low = low, .tree = rest >> 32, .proto = rest >> 16, .port = rest };

	return set_verdict(set_get(), &d, SUBTREES_V6);
}

/* Whether a packet would reach a socket of the jail now. */
__noinline int packet_reaches_own(struct __sk_buff *skb)
{
	struct packet p = {};
	struct source from;

	return packet_parse(skb, &p) && packet_source(skb, &p, &from) && receiver_is_own(skb, &p.to, p.to.addr, &from);
}

/* Whether a packet answers who spoke to its socket. */
__noinline int packet_answers(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct packet p = {};

	if (!sk)
		return false;
	sk = bpf_sk_fullsock(sk);
	return sk && packet_parse(skb, &p) && may_answer(sk, &p.to);
}

/*
 * TCP to a refused destination. Answers on connections that came in pass. What the jail opened
 * passes if the other end is its own: every SYN is checked against the listener that it would reach
 * now, the packet after it against the connection that the SYN really reached; only then is the
 * answer kept. A SYN that carries data passes for nobody: it would deliver it before that check.
 */
static __always_inline bool tcp_may_pass(struct __sk_buff *skb, struct bpf_sock *sk, const struct packet *p, bool own)
{
	struct sock_state *state;
	__u8 flags;
	bool syn;

	if (bpf_skb_load_bytes(skb, p->l4 + TCP_FLAGS_OFFSET, &flags, sizeof(flags)))
		return false;
	syn = (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	if (!sk) /* a request or time-wait socket: the kernel answers for a connection that came in */
		return !syn;
	state = state_get(sk);
	if (state && !(state->flags & SOCK_F_OPENED))
		return !syn;
	if (!own)
		return false;
	if (syn) {
		__u8 words;

		if (bpf_skb_load_bytes(skb, p->l4 + TCP_DOFF_OFFSET, &words, sizeof(words)) ||
		    skb->len > p->l4 + (words >> 4) * 4)
			return false;
	} else if (state && (state->flags & SOCK_F_PEER_OWN)) {
		return true;
	}
	if (!packet_reaches_own(skb))
		return false;
	if (!syn && state)
		state->flags |= SOCK_F_PEER_OWN;
	return true;
}

/*
 * The verdict of a packet. What is routed to this namespace itself leaves through its loopback
 * device: where that is the host's, an address that only the default or a wider rule allows is
 * judged as the host's, however new it is (KERNEL.md section 15).
 */
static __always_inline __u32 packet_verdict(const struct dest *d, bool loopback)
{
	__u32 word = packet_word(d->key, d->low, (__u64)d->tree << 32 | (__u32)d->proto << 16 | d->port);
	struct line *settings;

	if (!loopback || word_kind(word) != VERDICT_ALLOW || (word & VERDICT_F_HOST_OK))
		return word;
	settings = set_settings(set_get());
	if (!settings)
		return WORD_FAULT;
	if ((settings->w[HEAD_FLAGS] & SET_FLAG_HOSTNET) && settings->w[HEAD_HOST])
		return settings->w[HEAD_HOST];
	return word;
}

/* Ends a packet as refuse() ends a call. */
static __always_inline int refuse_packet(__u32 rule, const struct dest *d, struct bpf_sock *sk)
{
	struct line *settings = set_settings(set_get());
	struct sock_state *state = state_get(sk);
	enum action action = ACTION_BLOCK;
	struct asker asker = {};

	if (!settings) {
		count(RULE_FAULT, ACTION_BLOCK);
		return REFUSE;
	}
	action += is_audit(settings);
	/* In audit mode connect and sendmsg have told of these already. */
	if (action == ACTION_AUDIT && (d->proto == IPPROTO_TCP || d->proto == IPPROTO_UDP))
		return PASS;
	if (state) {
		asker.tgid = state->tgid;
		__builtin_memcpy(asker.comm, state->comm, sizeof(asker.comm));
	}
	report(rule, d, HOOK_EGRESS, action, &asker);
	return action == ACTION_AUDIT ? PASS : REFUSE;
}

/*
 * What becomes of a packet that the set refuses by @word: PASS if it is an answer, or goes to the
 * jail's own. UDP is judged packet by packet.
 */
__noinline int packet_refused(struct __sk_buff *skb, __u32 word)
{
	struct bpf_sock *sk = skb->sk;
	struct packet p = {};
	bool own, pass = false;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (packet_parse(skb, &p)) {
		own = skb->ifindex == LOOPBACK_IFINDEX && (word & VERDICT_F_OWN) && !p.to.embedded;
		if (p.to.proto == IPPROTO_TCP)
			pass = tcp_may_pass(skb, sk, &p, own);
		else if (p.to.proto == IPPROTO_UDP)
			pass = packet_answers(skb) || (own && packet_reaches_own(skb));
	}
	return pass ? PASS : refuse_packet(word_rule(word), &p.to, sk);
}

/*
 * The backstop: everything that leaves, with its true destination. Refusing here drops the packet
 * (UDP senders get EPERM, TCP retries until it times out), so connect and sendmsg come first.
 */
SEC("cgroup_skb/egress")
int egress(struct __sk_buff *skb)
{
	__u32 word = VERDICT_BLOCK << VERDICT_KIND_SHIFT | RULE_PROTOCOL;
	bool loopback = skb->ifindex == LOOPBACK_IFINDEX;
	struct packet p = {};

	if (packet_parse(skb, &p))
		word = packet_verdict(&p.to, loopback);
	if (word_kind(word) != VERDICT_ALLOW && packet_refused(skb, word) != PASS)
		return REFUSE;
	if (loopback && p.to.proto == IPPROTO_UDP)
		skb->priority = own_priority;
	return PASS;
}

/*
 * Remembers who may be answered: who sent to this very socket and to no group. Not the jail itself:
 * it could speak for a port that the host takes over later.
 */
SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff *skb)
{
	struct dest sender = {};
	struct bpf_sock *sk;

	if (!sender_parse(skb, &sender) || skb->pkt_type != PACKET_HOST)
		return PASS;
	if (skb->ifindex == LOOPBACK_IFINDEX && skb->priority == own_priority)
		return PASS;
	sk = skb->sk;
	if (!sk)
		return PASS;
	sk = bpf_sk_fullsock(sk);
	if (sk)
		peer_remember(sk, &sender);
	return PASS;
}
