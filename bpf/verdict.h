/* SPDX-License-Identifier: GPL-2.0-only */
/* The rule set's answer for a destination: one function for every program and both families. */
#ifndef JAIL_AI_VERDICT_H
#define JAIL_AI_VERDICT_H

#define WORD_FAULT ((__u32)VERDICT_BLOCK << VERDICT_KIND_SHIFT | RULE_FAULT)

/* Longest way to a verdict behind the address tree: ports; in IPv6 the low half, ports. */
#define SUBTREES_V4 1
#define SUBTREES_V6 2

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
 * 1 if @k is below @key, else 0. Branch-free: the borrow of k - key is the comparison. The asm keeps
 * clang from making a branch of it: the verifier would walk every combination (PERFORMANCE.md).
 */
static __always_inline __u64 is_below(__u64 k, __u64 key)
{
	__u64 below = ((~k & key) | ((~k | key) & (k - key))) >> 63;

	asm volatile("" : "+r"(below));
	return below;
}

/* How many of the four ends of @l that matter are below @key: the number of the range. */
static __always_inline __u32 leaf_rank(const struct line *l, __u64 key)
{
	return is_below(l->d[0], key) + is_below(l->d[1], key) + is_below(l->d[2], key) + is_below(l->d[3], key);
}

/* The number of the child of @l that holds @key. */
static __always_inline __u32 child_rank(const struct line *l, __u64 key)
{
	return leaf_rank(l, key) + is_below(l->d[4], key) + is_below(l->d[5], key) + is_below(l->d[6], key);
}

/*
 * The word of the range that holds @key in the tree headed by line @head, of at most @levels upper
 * levels; 0 if the tree is broken.
 */
static __always_inline __u32 tree_search(void *set, __u32 head, __u64 key, int levels)
{
	struct line *h = set_line(set, head), *l;
	__u32 n = 0;

	if (!h || h->w[HEAD_LEVELS] > (__u32)levels)
		return 0;
#pragma nounroll
	for (__u32 i = 0; i < (__u32)levels && i < h->w[HEAD_LEVELS]; i++) {
		l = set_line(set, h->w[HEAD_LEVEL + i] + n);
		if (!l)
			return 0;
		n = n * TREE_FANOUT + child_rank(l, key);
	}
	l = set_line(set, h->w[HEAD_LEAVES] + n);
	if (!l)
		return 0;
	return l->w[(leaf_rank(l, key) + LEAF_VERDICTS) & 15];
}

/*
 * The final word for @d, found in the address tree and at most @subtrees more. Whatever is not
 * VERDICT_ALLOW refuses.
 */
static __always_inline __u32 set_verdict(void *set, const struct dest *d, int subtrees)
{
	__u64 key = d->key;
	__u32 word, kind;

	if (!set)
		return WORD_FAULT;
	word = tree_search(set, d->tree, key, TREE_MAX_LEVELS);
#pragma nounroll
	for (int i = 0; i < subtrees; i++) {
		kind = word_kind(word);
		if (kind != VERDICT_LOW64 && kind != VERDICT_PORTS)
			return word;
		key = pick(kind - VERDICT_LOW64, (__u64)d->proto << 16 | d->port, d->low);
		word = tree_search(set, word & VERDICT_ARG_MASK, key, SUBTREE_MAX_LEVELS);
	}
	return word;
}

/* The line with the settings of the whole set; NULL only if there is no set. */
static __always_inline struct line *set_settings(void *set)
{
	return set ? set_line(set, SET_V4) : NULL;
}

/* Whether it matters whose a socket is. */
static __always_inline bool is_own_guarded(const struct line *settings)
{
	return (settings->w[HEAD_FLAGS] & (SET_FLAG_OWN | SET_FLAG_AUDIT)) == SET_FLAG_OWN;
}

static __always_inline bool is_audit(const struct line *settings)
{
	return settings->w[HEAD_FLAGS] & SET_FLAG_AUDIT;
}

#endif
