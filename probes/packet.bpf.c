/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Datagrams that leave a socket: session.network of UDP, ICMP and raw sockets without a connection,
 * and session.dns; and associations of SCTP that are asked for. This is the packet that the kernel
 * has made, so that nobody can change it any more, whichever call it came by. A program at this
 * hook may not ask for the current process; it reads what it needs.
 */
#include "filter.h"
#include "send.h"
#include "session.h"
#include "syscall.h"

#define DNS_PORT 53
#define DNS_HEADER 12
#define UDP_HEADER 8

/* Behind the header of SCTP, its first chunk, which begins with its type. */
#define SCTP_HEADER 12
#define SCTP_INIT 1

/* What a packet says of itself. */
struct packet {
	struct endpoint source;
	struct endpoint destination;
	__u32 protocol;
	__u32 payload; /* where that of UDP begins, from the header of IP on */
};

static __always_inline int has_ports(__u32 protocol)
{
	return protocol == IPPROTO_UDP || protocol == IPPROTO_TCP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE;
}

/* Reads the headers; 0 if they are not there. */
static __noinline int packet_read(struct __sk_buff *skb, struct packet *packet)
{
	struct sk_buff *buffer = (void *)skb;
	__u32 transport;
	__u16 ports[2];
	__u8 header[40];

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, 0, header, 20))
			return 0;
		packet->source.version = packet->destination.version = 4;
		__builtin_memcpy(packet->source.address, &header[12], 4);
		__builtin_memcpy(packet->destination.address, &header[16], 4);
		packet->protocol = header[9];
		transport = (header[0] & 15) * 4;
	} else {
		if (skb->protocol != bpf_htons(ETH_P_IPV6) ||
		    bpf_skb_load_bytes(skb, 0, header, sizeof(header)))
			return 0;
		packet->source.version = packet->destination.version = 6;
		__builtin_memcpy(packet->source.address, &header[8], 16);
		__builtin_memcpy(packet->destination.address, &header[24], 16);
		packet->protocol = header[6];
		transport = sizeof(header);
		/* Between the headers there may be extensions. */
		if (!has_ports(packet->protocol) &&
		    BPF_CORE_READ(buffer, sk, sk_type) == SOCK_DGRAM) {
			packet->protocol = BPF_CORE_READ(buffer, sk, sk_protocol);
			transport = (__u16)(BPF_CORE_READ(buffer, transport_header) -
					    BPF_CORE_READ(buffer, network_header));
		}
	}
	if (has_ports(packet->protocol) &&
	    !bpf_skb_load_bytes(skb, transport, ports, sizeof(ports))) {
		packet->source.port = bpf_ntohs(ports[0]);
		packet->destination.port = bpf_ntohs(ports[1]);
	}
	packet->payload = transport + UDP_HEADER;
	return 1;
}

/* Whether the socket is connected to this peer, which its connect has told. */
static __always_inline int is_connected(struct sock *sk, struct packet *packet)
{
	struct endpoint *to = &packet->destination;
	__u64 peer[2] = {};

	if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_ESTABLISHED ||
	    (to->port && to->port != bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport))))
		return 0;
	if (to->version == 4)
		return *(__u32 *)to->address == BPF_CORE_READ(sk, __sk_common.skc_daddr);
	BPF_CORE_READ_INTO(&peer, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	return peer[0] == ((__u64 *)to->address)[0] && peer[1] == ((__u64 *)to->address)[1];
}

static __noinline int send_packet(struct packet *packet, __u64 session, __u32 marks, __u32 segments)
{
	struct sends_key key = {};
	struct send *send;
	struct slot *slot;
	int place;

	if (family_excluded(session, FAMILY_NETWORK))
		return 0;
	key.protocol = packet->protocol;
	key.marks = marks;
	key.destination = packet->destination;
	sends_period(&key, session);
	place = send_place(&key);
	if (place != SEND_COUNTED) {
		long error = -1;

		slot = slot_begin(session, FAMILY_NETWORK, KIND_SEND, sizeof(*send), 0);
		if (slot) {
			send = (struct send *)slot->record;
			send->record.via |= via_now();
			send->source = packet->source;
			send->key = key;
			send->is_counted = place == SEND_FIRST;
			error = record_send(slot, &network_ring, FAMILY_NETWORK, 0);
		}
		if (error)
			send_untold(&key);
	}
	/* What the network device is to cut into several. */
	if (segments > 1)
		sends_count(&key, segments - 1);
	return 0;
}

static __noinline int send_dns(struct __sk_buff *skb, struct packet *packet, __u64 session)
{
	__u64 length = skb->len;
	__u64 at = packet->payload;
	struct slot *slot;
	struct dns *dns;

	if (length < at + DNS_HEADER || family_excluded(session, FAMILY_NETWORK))
		return 0;
	slot = slot_begin(session, FAMILY_NETWORK, KIND_DNS, sizeof(*dns), 0);
	if (!slot)
		return 0;
	dns = (struct dns *)slot->record;
	dns->record.via |= via_now();
	dns->source = packet->source;
	dns->destination = packet->destination;
	length -= at;
	/* Else the compiler leaves out what the verifier wants to see. */
	barrier_var(length);
	if (length > DNS_LENGTH)
		length = DNS_LENGTH;
	if (length < DNS_HEADER || bpf_skb_load_bytes(skb, at, slot->record + sizeof(*dns), length))
		length = 0;
	dns->message_length = length;
	slot->length = sizeof(*dns) + length;
	record_send(slot, &network_ring, FAMILY_NETWORK, 0);
	return 0;
}

/*
 * Whether this packet of SCTP asks for an association, in the call of a program: what is sent again
 * is sent by a timer, which never has the socket for itself.
 */
static __always_inline int associates(struct __sk_buff *skb, struct packet *packet, struct sock *sk)
{
	__u8 type = 0;

	if (bpf_skb_load_bytes(skb, packet->payload - UDP_HEADER + SCTP_HEADER, &type, 1))
		return 0;
	return type == SCTP_INIT && BPF_CORE_READ(sk, sk_lock.owned);
}

/*
 * Sends that an association is asked for, by sctp_connectx or by a send. Of connect the end of the
 * call tells, and so it is of requests to io_uring.
 */
static __noinline int send_association(struct packet *packet, __u64 session)
{
	long number = syscall_number();
	struct network *network;
	struct slot *slot;

	if (number == X86_CONNECT || number == ARM64_CONNECT || number == IO_URING_ENTER ||
	    family_excluded(session, FAMILY_NETWORK))
		return 0;
	slot = slot_begin(session, FAMILY_NETWORK, KIND_NETWORK, sizeof(*network), 0);
	if (!slot)
		return 0;
	network = (struct network *)slot->record;
	if (network->record.via & VIA_IO_URING) {
		slot_release(slot);
		return 0;
	}
	network->source = packet->source;
	network->destination = packet->destination;
	network->connection = 0;
	network->operation = OPERATION_CONNECT;
	network->protocol = IPPROTO_SCTP;
	network->return_code = 0;
	network->unused = 0;
	record_send(slot, &network_ring, FAMILY_NETWORK, 0);
	return 0;
}

static __noinline int look(struct __sk_buff *skb)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct sk_buff *buffer = (void *)skb;
	__u32 pid = BPF_CORE_READ(task, tgid);
	struct process *process = process_of(pid);
	struct packet packet = {};
	__u32 raw = 0;
	struct sock *sk;

	if (!process || process->role != ROLE_USER)
		return 0;
	sk = BPF_CORE_READ(buffer, sk);
	/* The kernel's own sockets, which answer in whatever process is there, have no file. */
	if (!BPF_CORE_READ(sk, sk_socket, file) || !packet_read(skb, &packet))
		return 0;
	if (BPF_CORE_READ(sk, sk_type) == SOCK_RAW)
		raw = SEND_RAW;
	else if (BPF_CORE_READ(sk, sk_protocol) == IPPROTO_SCTP)
		return associates(skb, &packet, sk) ? send_association(&packet, process->session)
						    : 0;
	if (!is_connected(sk, &packet))
		send_packet(&packet, process->session, raw, skb->gso_segs);
	if (packet.protocol == IPPROTO_UDP && packet.destination.port == DNS_PORT)
		send_dns(skb, &packet, process->session);
	return 0;
}

SEC("cgroup_skb/egress")
int network_packet(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (sk && (sk->type == SOCK_DGRAM || sk->type == SOCK_RAW || sk->protocol == IPPROTO_SCTP))
		RUN(look(skb));
	return 1; /* let it pass */
}
