/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs share with user space: the compiled rule set, its verdict words, socket
 * state, events and counters. pkg/ruleset and pkg/enforce hold the Go side; a test there compares
 * sizes and offsets with the object's BTF.
 */
#ifndef JAIL_AI_TYPES_H
#define JAIL_AI_TYPES_H

/*
 * Rule set: an array of 64-byte lines that holds several static B+ trees over disjoint ranges.
 *
 * A tree is searched by a u64 key; a range is known by its last key (its end), and starts behind
 * the end before it. Numbers are in the machine's byte order. Three kinds of line:
 *
 * head   w[HEAD_LEVELS]   number of upper levels, 0..TREE_MAX_LEVELS, in a further
 *                        tree 0..SUBTREE_MAX_LEVELS; a deeper tree is not searched
 *        w[HEAD_LEVEL+i]  first line of upper level i, the root first
 *        w[HEAD_LEAVES]   first line of the leaves
 *        w[HEAD_FLAGS..]  settings of the whole set, the same in both address trees; 0 elsewhere
 * upper  d[0..7]          last key below child 8 * n + i, all ones where there is no such child
 * leaf   d[0..4]          range ends, all ones where unused; w[10..14] their verdict words
 *
 * Line SET_V4 heads the tree of IPv4 addresses (key: the address as a number), SET_V6 that of
 * the high 64 bits of IPv6 addresses. A verdict word may name a further tree by its head line:
 * VERDICT_LOW64 (key: the low 64 bits of the address), VERDICT_PORTS (key: protocol << 16 | port).
 */
struct line {
	union {
		__u32 w[16];
		__u64 d[8];
	};
};

#define SET_V4 0
#define SET_V6 1

#define TREE_MAX_LEVELS 7 /* ten million ranges; the verifier walks every level of every program */
#define SUBTREE_MAX_LEVELS 4 /* twenty thousand ranges in one /64, or in the ports of an address */
#define TREE_FANOUT 8
#define LEAF_RANGES 5
#define LEAF_VERDICTS 10 /* index of the first verdict word of a leaf */

#define HEAD_LEVELS 0
#define HEAD_LEVEL 1
#define HEAD_LEAVES 9
#define HEAD_FLAGS 10
#define HEAD_ERRNO 11 /* positive errno of a refused call */
#define HEAD_HOST 12 /* verdict of a host address that no list knows yet; 0: hosts are not blocked */

#define SET_FLAG_AUDIT (1 << 0) /* report what would be refused, refuse nothing */
#define SET_FLAG_HOSTNET (1 << 1) /* the jail shares the host's network namespace */
#define SET_FLAG_OWN (1 << 2) /* VERDICT_F_OWN may decide: whose a socket is has to be sure */

/*
 * Verdict word: kind in bits 28..31, flags in bits 24..27, below them the id of the rule that
 * decided or the head line of the next tree. Kind 0 never decides: a word of zeros refuses.
 */
#define VERDICT_KIND_SHIFT 28
#define VERDICT_ALLOW 1
#define VERDICT_BLOCK 2
#define VERDICT_LOW64 3
#define VERDICT_PORTS 4

/* With BLOCK: allowed all the same where the listener is a socket of the jail. */
#define VERDICT_F_OWN (1 << 24)
/* With ALLOW: holds even if the destination turns out to be an address of the host. */
#define VERDICT_F_HOST_OK (1 << 25)

#define VERDICT_ARG_MASK 0xffffff

/* Rule ids that no policy entry has. */
#define RULE_DEFAULT 0 /* the policy's default */
#define RULE_PROTOCOL 1 /* a protocol or header that a jail does not get */
#define RULE_FAULT 2 /* the set could not be read: refused */
#define RULE_FIRST 3 /* first id of a policy's own rules */

/*
 * Socket state: marks a socket as the jail's own. Those have it that others can send to: it was
 * bound, or opened a connection to the jail itself. (Having it made for every socket would double
 * the time to make one.) Accepted connections inherit a copy of their listener's.
 */
struct sock_state {
	__u32 flags; /* SOCK_F_* */
	__u32 tgid; /* process that bound or connected it, in the initial pid namespace */
	char comm[16];
};

#define SOCK_F_OPENED (1 << 0) /* has called connect: not an accepted connection */
#define SOCK_F_PEER_OWN (1 << 1) /* the other end of this connection is the jail's own */

/* Who sent unicast datagrams to a UDP socket of the jail, and so may be answered from it. */
struct peer {
	__u64 addr[2]; /* the bytes of struct event's */
	__u32 until; /* seconds of CLOCK_MONOTONIC */
	__u32 port; /* machine's byte order */
};

#define PEERS_MAX 8
#define PEER_SECONDS 60

struct peers {
	struct peer peer[PEERS_MAX];
	__u32 next; /* slot that is overwritten next */
	__u32 pad;
};

/* Decisions of one rule. Per CPU; never reset. */
struct counter {
	__u64 blocked;
	__u64 audited;
};

/* Rate limit of the events of one destination. */
struct limit_key {
	__u32 addr[4]; /* as in struct event */
	__u32 rule;
	__u16 port;
	__u16 proto;
};

struct limit {
	__u64 since; /* start of the current second, ns of CLOCK_MONOTONIC */
	__u64 suppressed; /* decisions without an event, ever */
	__u64 sent; /* events since then */
	/* The last decision without an event. */
	__u32 tgid;
	__u8 hook;
	__u8 action;
	__u8 pad[2];
	char comm[16];
};

#define LIMIT_WINDOW_NS 1000000000ULL
#define LIMIT_BURST 4
#define LIMIT_ENTRIES 256

/* What refused or would have refused. */
enum hook {
	HOOK_CONNECT4 = 1,
	HOOK_CONNECT6,
	HOOK_SENDMSG4,
	HOOK_SENDMSG6,
	HOOK_SOCK_CREATE,
	HOOK_SETSOCKOPT,
	HOOK_EGRESS,
};

enum action {
	ACTION_BLOCK = 1,
	ACTION_AUDIT,
};

/* One decision, in the ring buffer. */
struct event {
	__u64 time; /* ns of CLOCK_MONOTONIC */
	__u64 suppressed; /* limit.suppressed of this destination, at this moment */
	__u32 addr[4]; /* IPv6, or IPv4 as ::ffff:a.b.c.d; network byte order */
	__u32 tgid; /* 0: unknown */
	__u32 rule;
	__u16 port; /* machine's byte order */
	__u16 proto; /* IPPROTO_* */
	__u8 hook; /* enum hook */
	__u8 action; /* enum action */
	__u8 pad[2];
	char comm[16];
};

#endif
