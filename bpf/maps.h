/* SPDX-License-Identifier: GPL-2.0-only */
/* Every map of a jail: key, value, who writes, who reads. Each jail has maps of its own. */
#ifndef JAIL_AI_MAPS_H
#define JAIL_AI_MAPS_H

/*
 * sets: slot 0 holds the jail's rule set, an mmapable array of struct line.
 * User space writes: it fills a new array and puts it into the slot, so that every program sees
 * the old set or the new one. All programs read. Arrays of one size per loaded object: lookups in
 * them are inlined only then (PERFORMANCE.md), so the loader gives the template.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} sets SEC(".maps");

/*
 * socks: socket -> what the jail knows of it. bind, connect and sendmsg make entries, connect
 * and egress change flags; connect, sendmsg and egress read them, of the jail's own sockets and of
 * the listeners that they look up. BPF_F_CLONE: an accepted socket gets its listener's.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct sock_state);
} socks SEC(".maps");

/* peers: UDP socket -> who spoke to it. ingress writes; connect, sendmsg and egress read. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct peers);
} peers SEC(".maps");

/*
 * counters: rule id -> decisions. Programs add, user space reads. User space sets the size to the
 * number of rules before loading.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RULE_FIRST);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

/* limits: destination -> rate limit of its events. Programs write; user space reads the rest at the end. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LIMIT_ENTRIES);
	__type(key, struct limit_key);
	__type(value, struct limit);
} limits SEC(".maps");

/* events: struct event. Programs write, the supervisor reads. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 32 * 1024);
} events SEC(".maps");

/* Never read. They bring structs that no map names into the BTF, where a test compares them with Go's. */
const struct event *const event_layout = NULL;
const struct line *const line_layout = NULL;

#endif
