/* SPDX-License-Identifier: GPL-2.0-only */
/* The rule set's answer for a destination: one function for every program and both families. */
#ifndef JAIL_AI_VERDICT_H
#define JAIL_AI_VERDICT_H

#define WORD_FAULT ((__u32)VERDICT_BLOCK << VERDICT_KIND_SHIFT | RULE_FAULT)

/* Longest way to a verdict: address, ports; IPv6: high half, low half, ports. */
#define TREES_V4 2
#define TREES_V6 3

static __always_inline __u32 word_kind(__u32 word)
{
	return word >> VERDICT_KIND_SHIFT;
}

static __always_inline __u32 word_rule(__u32 word)
{
	return word & VERDICT_ARG_MASK;
}

/* The jail's present rule set; NULL only if user space took it away. */
static __always_inline void *set_get(void)
{
	__u32 slot = 0;

	return bpf_map_lookup_elem(&sets, &slot);
}

static __always_inline struct line *set_line(void *set, __u32 number)
{
	return bpf_map_lookup_elem(set, &number);
}

/*
 * How many of the first @keys keys of @l are below @key. Branch-free: the borrow of k - key is the
 * comparison. The asm keeps clang from making branches of it, of which the verifier would walk
 * every combination (PERFORMANCE.md).
 */
static __always_inline __u32 line_rank(const struct line *l, __u64 key, int keys)
{
	__u64 rank = 0;

#pragma unroll
	for (int i = 0; i < keys; i++) {
		__u64 k = l->d[i], below = ((~k & key) | ((~k | key) & (k - key))) >> 63;

		asm volatile("" : "+r"(below));
		rank += below;
	}
	return rank;
}

/* The word of the range that holds @key in the tree headed by line @head; 0 if the tree is broken. */
static __always_inline __u32 tree_search(void *set, __u32 head, __u64 key)
{
	struct line *h = set_line(set, head), *l;
	__u32 n = 0;

	if (!h || h->w[HEAD_LEVELS] > TREE_MAX_LEVELS)
		return 0;
#pragma nounroll
	for (__u32 i = 0; i < TREE_MAX_LEVELS && i < h->w[HEAD_LEVELS]; i++) {
		l = set_line(set, h->w[HEAD_LEVEL + i] + n);
		if (!l)
			return 0;
		n = n * TREE_FANOUT + line_rank(l, key, TREE_FANOUT - 1);
	}
	l = set_line(set, h->w[HEAD_LEAVES] + n);
	if (!l)
		return 0;
	return l->w[(line_rank(l, key, LEAF_RANGES - 1) + LEAF_VERDICTS) & 15];
}

/*
 * The final word for @d, found in at most @trees trees. Whatever is not VERDICT_ALLOW refuses.
 */
static __always_inline __u32 set_verdict(void *set, const struct dest *d, int trees)
{
	__u32 head = d->tree, word, kind;
	__u64 key = d->key;

	if (!set)
		return WORD_FAULT;
#pragma nounroll
	for (int i = 0; i < trees; i++) {
		word = tree_search(set, head, key);
		kind = word_kind(word);
		if (kind != VERDICT_LOW64 && kind != VERDICT_PORTS)
			return word;
		key = pick(kind - VERDICT_LOW64, (__u64)d->proto << 16 | d->port, d->low);
		head = word & VERDICT_ARG_MASK;
	}
	return WORD_FAULT;
}

/* The line with the settings of the whole set; NULL only if there is no set. */
static __always_inline struct line *set_settings(void *set)
{
	return set ? set_line(set, SET_V4) : NULL;
}

static __always_inline bool is_audit(const struct line *settings)
{
	return settings->w[HEAD_FLAGS] & SET_FLAG_AUDIT;
}

#endif
