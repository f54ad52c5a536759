/* SPDX-License-Identifier: GPL-2.0-only */
/* Counting and reporting of decisions. */
#ifndef JAIL_AI_REPORT_H
#define JAIL_AI_REPORT_H

/* Who asked, as far as a program can tell. */
struct asker {
	__u32 tgid;
	char comm[16];
};

static __always_inline void asker_current(struct asker *a)
{
	a->tgid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(a->comm, sizeof(a->comm));
}

/*
 * Exact: a program may be preempted by another on the same CPU, so even a per-CPU counter needs
 * an atomic addition.
 */
static __always_inline void count(__u32 rule, enum action action)
{
	struct counter *c = bpf_map_lookup_elem(&counters, &rule);

	if (!c)
		return;
	if (action == ACTION_AUDIT)
		__sync_fetch_and_add(&c->audited, 1);
	else
		__sync_fetch_and_add(&c->blocked, 1);
}

static __always_inline void limit_suppress(struct limit *l, enum hook hook, enum action action, const struct asker *a)
{
	l->tgid = a->tgid;
	l->hook = hook;
	l->action = action;
	__builtin_memcpy(l->comm, a->comm, sizeof(l->comm));
	__sync_fetch_and_add(&l->suppressed, 1);
}

/*
 * Counts a decision of rule @rule and sends an event, unless its destination had enough of them
 * within this second or the ring buffer is full: then the next event tells how many were left out.
 * Not inlined: refusals are rare, and six copies of this would be most of the object.
 */
static __noinline int report(__u32 rule, const struct dest *d, enum hook hook, enum action action,
			     const struct asker *a)
{
	struct limit_key key = { .rule = rule, .port = d->port, .proto = d->proto };
	__u64 now = bpf_ktime_get_ns();
	struct limit *l;
	struct event *e;

	count(rule, action);
	addr_copy(key.addr, d->addr);
	l = bpf_map_lookup_elem(&limits, &key);
	if (!l) {
		struct limit first = { .since = now, .sent = 1 };

		bpf_map_update_elem(&limits, &key, &first, BPF_NOEXIST);
	} else if (now - l->since >= LIMIT_WINDOW_NS) {
		l->since = now;
		l->sent = 1;
	} else if (l->sent >= LIMIT_BURST) {
		limit_suppress(l, hook, action, a);
		return 0;
	} else {
		__sync_fetch_and_add(&l->sent, 1);
	}
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		if (l)
			limit_suppress(l, hook, action, a);
		return 0;
	}
	e->time = now;
	e->suppressed = l ? l->suppressed : 0;
	addr_copy(e->addr, d->addr);
	e->tgid = a->tgid;
	e->rule = rule;
	e->port = d->port;
	e->proto = d->proto;
	e->hook = hook;
	e->action = action;
	e->pad[0] = 0;
	e->pad[1] = 0;
	__builtin_memcpy(e->comm, a->comm, sizeof(e->comm));
	bpf_ringbuf_submit(e, 0);
	return 0;
}

#endif
