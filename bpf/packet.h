/* SPDX-License-Identifier: GPL-2.0-only */
/* A packet's addresses and ports. Packets start at the IP header in cgroup_skb programs. */
#ifndef JAIL_AI_PACKET_H
#define JAIL_AI_PACKET_H

struct packet {
	struct dest to;
	__u32 l4; /* offset of the transport header */
};

struct ports {
	__be16 source;
	__be16 dest;
};

#define TCP_DOFF_OFFSET 12
#define TCP_FLAGS_OFFSET 13
#define TCP_SYN 0x02
#define TCP_ACK 0x10

#define V4_MULTICAST_FIRST 0xe0000000 /* 224.0.0.0/4, then class E and 255.255.255.255 */
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
 * Reads where @skb goes. False: a packet that a jail does not get to send. IP options are among
 * them, since source routes send elsewhere than the address says. Headers are in the linear part
 * of every packet that the kernel's TCP and UDP make.
 */
static __always_inline bool packet_parse(struct __sk_buff *skb, struct packet *p)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__be16 port;

	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = data;
		struct ports *ports = (void *)(ip + 1);

		if ((void *)(ports + 1) > end)
			return false;
		p->to.proto = ip->nexthdr;
		p->l4 = sizeof(*ip);
		port = ports->dest;
		addr_copy(p->to.addr, ip->daddr.in6_u.u6_addr32);
		dest_normalize(&p->to);
		if (is_extension_header(p->to.proto))
			return false;
	} else {
		struct iphdr *ip = data;
		struct ports *ports = (void *)(ip + 1);

		if ((void *)(ports + 1) > end)
			return false;
		p->to.proto = ip->protocol;
		p->l4 = sizeof(*ip);
		port = ports->dest;
		dest_set_v4(&p->to, ip->daddr);
		/* Only raw sockets send later fragments; egress comes before the kernel makes any. */
		if (ip->ihl * 4 != sizeof(*ip) || (ip->frag_off & bpf_htons(IP_OFFSET_MASK)))
			return false;
	}
	if (p->to.proto == IPPROTO_TCP || p->to.proto == IPPROTO_UDP)
		p->to.port = bpf_ntohs(port);
	return true;
}

/* Reads where a packet that packet_parse() has read comes from. */
static __always_inline bool packet_source(struct __sk_buff *skb, const struct packet *p, struct source *from)
{
	struct ports ports;

	if (bpf_skb_load_bytes(skb, p->l4, &ports, sizeof(ports)))
		return false;
	from->port = ports.source;
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return bpf_skb_load_bytes(skb, offsetof(struct ipv6hdr, saddr), from->addr, sizeof(from->addr)) == 0;
	addr_set_v4(from->addr, 0);
	return bpf_skb_load_bytes(skb, offsetof(struct iphdr, saddr), &from->addr[3], sizeof(from->addr[3])) == 0;
}

/*
 * Reads who sent a UDP packet that has come in. False: it is none, or went to a group, as far as
 * the address tells.
 */
static __always_inline bool sender_parse(struct __sk_buff *skb, struct dest *sender)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 l4;
	__be16 port;

	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = data;

		if ((void *)(ip + 1) > end || ip->nexthdr != IPPROTO_UDP)
			return false;
		if (ip->daddr.in6_u.u6_addr8[0] == V6_MULTICAST_BYTE)
			return false;
		addr_copy(sender->addr, ip->saddr.in6_u.u6_addr32);
		l4 = sizeof(*ip);
	} else {
		struct iphdr *ip = data;
		__u32 to;

		if ((void *)(ip + 1) > end || ip->protocol != IPPROTO_UDP)
			return false;
		to = bpf_ntohl(ip->daddr);
		if (to >= V4_MULTICAST_FIRST || to == INADDR_LOOPBACK_BROADCAST)
			return false;
		addr_set_v4(sender->addr, ip->saddr);
		l4 = ip->ihl * 4;
	}
	if (bpf_skb_load_bytes(skb, l4, &port, sizeof(port)))
		return false;
	sender->port = bpf_ntohs(port);
	return sender->port != 0;
}

#endif
