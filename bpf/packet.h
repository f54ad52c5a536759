/* SPDX-License-Identifier: GPL-2.0-only */
/* A packet's addresses and ports. Packets start at the IP header in cgroup_skb programs. */
#ifndef JAIL_AI_PACKET_H
#define JAIL_AI_PACKET_H

struct packet {
	struct dest to;
	struct source from;
	__u32 l4; /* offset of the transport header */
	__u32 group; /* 1: @from is no address of one machine, as far as it tells */
};

struct ports {
	__be16 source;
	__be16 dest;
};

#define TCP_DOFF_OFFSET 12
#define TCP_FLAGS_OFFSET 13
#define TCP_SYN 0x02
#define TCP_ACK 0x10

#define V6_MULTICAST_BYTE 0xff

/*
 * IPv6 extension headers are nothing that a jail sends: a routing header goes elsewhere than the
 * address says, and all of them hide the ports.
 */
static __always_inline __u64 is_extension_header(__u64 proto)
{
	return is_zero(proto ^ IPPROTO_HOPOPTS) | is_zero(proto ^ IPPROTO_ROUTING) | is_zero(proto ^ IPPROTO_FRAGMENT) |
	       is_zero(proto ^ IPPROTO_DSTOPTS) | is_zero(proto ^ IPPROTO_MH);
}

/*
 * Reads the headers. False: a packet that a jail does not get to send. @reply: as seen by the
 * receiver, so that `to` is the sender; UDP only, and most packets are TCP, so that is seen first.
 */
static __always_inline bool packet_read(struct __sk_buff *skb, struct packet *p, bool reply)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ports ports = {};
	__u64 bad;

	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = data;

		if ((void *)(ip + 1) > end || (reply && ip->nexthdr != IPPROTO_UDP))
			return false;
		p->to.proto = ip->nexthdr;
		p->l4 = sizeof(*ip);
		addr_copy(p->to.addr, (reply ? &ip->saddr : &ip->daddr)->in6_u.u6_addr32);
		addr_copy(p->from.addr, (reply ? &ip->daddr : &ip->saddr)->in6_u.u6_addr32);
		p->group = is_zero(bpf_ntohl(p->from.addr[0]) >> 24 ^ V6_MULTICAST_BYTE);
		bad = is_extension_header(ip->nexthdr);
	} else {
		struct iphdr *ip = data;
		__u32 from;

		if ((void *)(ip + 1) > end || (reply && ip->protocol != IPPROTO_UDP))
			return false;
		p->to.proto = ip->protocol;
		p->l4 = ip->ihl * 4;
		addr_set_v4(p->to.addr, reply ? ip->saddr : ip->daddr);
		addr_set_v4(p->from.addr, reply ? ip->daddr : ip->saddr);
		from = bpf_ntohl(p->from.addr[3]); /* 224/4 to 255.255.255.255 begin with three ones */
		p->group = is_zero(~from >> 29 & 7) | is_zero(from ^ INADDR_LOOPBACK_BROADCAST);
		/* Only raw sockets send later fragments; egress comes before the kernel makes any. */
		bad = is_zero(ip->frag_off & bpf_htons(IP_OFFSET_MASK)) ^ 1;
	}
	dest_normalize(&p->to);
	if (bad)
		return false;
	if (p->to.proto == IPPROTO_TCP || p->to.proto == IPPROTO_UDP) {
		if (bpf_skb_load_bytes(skb, p->l4, &ports, sizeof(ports)))
			return false;
	}
	p->to.port = bpf_ntohs(reply ? ports.source : ports.dest);
	p->from.port = reply ? ports.dest : ports.source;
	return true;
}

/* Reads where @skb goes. */
static __always_inline bool packet_parse(struct __sk_buff *skb, struct packet *p)
{
	return packet_read(skb, p, false);
}

/* Reads where an answer to @skb would go; false also for all that is not UDP. */
static __always_inline bool packet_parse_udp_reply(struct __sk_buff *skb, struct packet *p)
{
	return packet_read(skb, p, true);
}

#endif
