/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* Connections, however they were asked for: begun, failed, accepted. */
#ifndef NETWORK_H
#define NETWORK_H

#include "awaited.h"
#include "local.h"
#include "session.h"
#include "syscall.h"
#include "unit.h"
#include "vsock.h"

/*
 * TCP connects that are told of, and of which another call may tell the end, or another thread: by
 * the address of the program's socket the inode, since a later socket may have the same address.
 * Those that are over before their call is, as most are, only have their mark in the process's
 * entry.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} begun SEC(".maps");

static __always_inline __u64 inode_of(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_socket, file, f_inode, i_ino);
}

static __always_inline void begun_note(struct sock *sk)
{
	__u64 inode = inode_of(sk);
	__u64 key = (__u64)sk;

	bpf_map_update_elem(&begun, &key, &inode, BPF_ANY);
}

/* What tells a socket from almost all others; never 0. */
static __always_inline __u32 mark_of(struct sock *sk)
{
	return low_half(sk) | 1;
}

/* Not inlined: the kernel allows 512 bytes of stack for the longest chain of calls. */
static __noinline int network_send(__u64 session, struct sock *sk, int plain, __u32 operation,
				   __u32 via)
{
	struct network *network;
	struct slot *slot;
	int why;

	slot = record_begin(session, FAMILY_NETWORK, KIND_NETWORK, sizeof(*network));
	if (!slot)
		return 0;
	network = (struct network *)slot->record;
	network->record.via |= via;
	endpoints(sk, plain, &network->source, &network->destination);
	network->operation = operation;
	network->protocol = member_if(plain, sk, sk_protocol);
	if (plain && owner_of(sk) != sk)
		network->protocol = IPPROTO_MPTCP;
	network->return_code = 0;
	network->connection = 0;
	if (operation == OPERATION_CONNECT && is_tcp(network->protocol)) {
		why = await(sk, &network->record);
		if (why)
			lose(session, FAMILY_NETWORK_RESULT, why);
		else
			network->connection = (__u64)sk;
	}
	act_send(slot, &network_ring, FAMILY_NETWORK, 0);
	return 0;
}

/* An address of a socket for IPv4 or IPv6, as programs have it. */
struct address {
	__u16 family;
	__u16 port;
	__u32 word; /* of version 4 the address, of version 6 the flow label */
	__u8 bytes[ADDRESS_LENGTH];
};

/* The address that was asked for; where it can't be one, the endpoint has no version. */
static __always_inline void asked_for(struct attempt *attempt, struct endpoint *endpoint)
{
	struct address *from = (void *)attempt->address;
	struct address address = {};

	__builtin_memset(endpoint, 0, sizeof(*endpoint));
	if (attempt->length < ADDRESS_LENGTH || bpf_probe_read_user(&address, 8, from))
		return;
	if (address.family == AF_INET) {
		endpoint->version = 4;
		*(__u32 *)endpoint->address = address.word;
	} else if (address.family == AF_INET6 && attempt->length >= sizeof(address) &&
		   !bpf_probe_read_user(endpoint->address, ADDRESS_LENGTH, from->bytes)) {
		endpoint->version = 6;
	} else {
		return;
	}
	endpoint->port = bpf_ntohs(address.port);
}

/* A connect of which nothing was sent. */
static __noinline int failure_send(struct attempt *attempt)
{
	struct sock *sk = attempt->sk;
	struct network *network;
	struct slot *slot;

	slot = record_begin(attempt->session, FAMILY_NETWORK, KIND_NETWORK, sizeof(*network));
	if (!slot)
		return 0;
	network = (struct network *)slot->record;
	network->record.via |= attempt->via;
	endpoints(sk, 0, &network->source, &network->destination);
	asked_for(attempt, &network->destination);
	address_note(slot, attempt);
	network->operation = OPERATION_CONNECT;
	network->protocol = BPF_CORE_READ(sk, sk_protocol);
	network->return_code = attempt->result;
	network->connection = 0;
	act_send(slot, &network_ring, FAMILY_NETWORK, 0);
	return 0;
}

/* Whether the process's own entry has that this connect was told of, as it has of most. */
static __always_inline int is_marked(struct attempt *attempt)
{
	struct process *process = attempt->process;
	struct sock *sk = attempt->sk;

	/* One of SMC connects by a socket of TCP that the kernel has made for it. */
	if (process->connecting != mark_of(sk) &&
	    !(process->connecting && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_SMC)) {
		/* Without threads, none is under way any more: its end was missed. */
		if (process->connecting && !has_company(process))
			process->connecting = 0;
		return 0;
	}
	process->connecting = 0;
	if (is_unfinished(attempt->result))
		begun_note(sk);
	return 1;
}

/* Whether this is the end of one without a mark that was told of when it began. */
static __always_inline int is_begun(struct attempt *attempt)
{
	struct sock *sk = attempt->sk;
	__u64 key = (__u64)sk;
	__u64 *inode;

	inode = bpf_map_lookup_elem(&begun, &key);
	if (!inode || *inode != inode_of(sk))
		return 0;
	if (!is_unfinished(attempt->result))
		bpf_map_delete_elem(&begun, &key);
	return 1;
}

/*
 * Whether the socket has a peer, or will have: without one, the call has taken it away (AF_UNSPEC).
 * One of SCTP keeps its peers, may have many, and can connect behind its call.
 */
static __always_inline int has_peer(struct attempt *attempt)
{
	struct sock *sk = attempt->sk;

	if (BPF_CORE_READ(sk, sk_protocol) == IPPROTO_SCTP)
		return !attempt->result || attempt->result == -EINPROGRESS;
	return !attempt->result && BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_ESTABLISHED;
}

/* Of TCP, only what failed before the state of the socket changed: the change tells all else. */
static __always_inline int inet_end(struct attempt *attempt)
{
	struct sock *sk = attempt->sk;
	__u16 protocol = BPF_CORE_READ(sk, sk_protocol);
	int told = is_tcp(protocol) || protocol == IPPROTO_SMC;

	if (told && is_begun(attempt))
		return 0;
	if (attempt->result < 0 && attempt->result != -EISCONN && !is_unfinished(attempt->result))
		failure_send(attempt);
	else if (!told && has_peer(attempt))
		network_send(attempt->session, sk, 0, OPERATION_CONNECT, attempt->via);
	return 0;
}

/* Whether the call has taken the peer from a local socket. */
static __always_inline int is_parted(struct attempt *attempt)
{
	struct unix_sock *sk = (void *)attempt->sk;
	__u16 family = AF_UNIX;

	if (attempt->result || BPF_CORE_READ(sk, peer))
		return 0;
	bpf_probe_read_user(&family, sizeof(family), (void *)attempt->address);
	return family == AF_UNSPEC;
}

/* A connect that is over. */
static __noinline int connect_end(struct attempt *attempt)
{
	struct sock *sk = attempt->sk;
	__u16 family;

	if (!sk || is_marked(attempt))
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family == AF_UNIX) {
		if (is_parted(attempt))
			return 0;
		if (!attempt->result)
			talk_note(attempt->session, sk);
		local_send(attempt);
	} else if (family == AF_VSOCK)
		vsock_send(attempt, OPERATION_CONNECT);
	else if (is_inet(family))
		inet_end(attempt);
	return 0;
}

/* A connection that was accepted. */
static __noinline int accept_end(struct attempt *attempt)
{
	struct sock *sk = attempt->sk;
	__u16 family;

	if (!sk)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (is_inet(family))
		network_send(attempt->session, sk, 0, OPERATION_ACCEPT, attempt->via);
	else if (family == AF_VSOCK)
		vsock_send(attempt, OPERATION_ACCEPT);
	return 0;
}

#endif
