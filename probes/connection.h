/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* Connections by which users log in: where they lead, who holds them, and which session has made
 * them. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "ring.h"
#include "syscalls.h"

/*
 * How many of a login's file descriptors are searched for its connection, and how many at a time:
 * the verifier goes through each round of a loop, so two of few rounds are sooner done than one.
 */
#define CONNECTION_SEARCH 64
#define CONNECTION_PART 8

/*
 * The connections that sessions have made, by the last bits of their client's port: the latest one
 * of each. To find the one that is longest ago would cost a connect more than all else.
 */
#define CLIENTS 8192

/* The client's end of a connection that a session has made: it tells whence a login comes. */
struct client {
	__u64 network; /* the namespace in which these are addresses */
	struct endpoint local;
	struct endpoint remote;
};

/* Which session has made it. Two may write the same note at once: it counts only if it adds up. */
struct client_note {
	struct client client;
	__u64 session;
	__u64 sum;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLIENTS);
	__type(key, __u32);
	__type(value, struct client_note);
} clients SEC(".maps");

/* How a socket begins; other kernels than those that there are may have it otherwise. */
struct socket_head {
	__u32 remote;
	__u32 local;
	__u32 unused;
	__u16 remote_port; /* network byte order */
	__u16 local_port;
	__u16 family;
};

#define head_offset(sk, name)                                                                      \
	(bpf_core_field_offset((sk)->__sk_common.name) - bpf_core_field_offset((sk)->__sk_common))

/* `plain` if the socket is an argument of a tracepoint. */
static __always_inline void head_read(struct sock *sk, int plain, struct socket_head *head)
{
	if (!plain && !head_offset(sk, skc_daddr) && head_offset(sk, skc_rcv_saddr) == 4 &&
	    head_offset(sk, skc_dport) == 12 && head_offset(sk, skc_num) == 14 &&
	    head_offset(sk, skc_family) == 16) {
		bpf_probe_read_kernel(head, sizeof(*head), &sk->__sk_common);
	} else {
		head->remote = member_if(plain, sk, __sk_common.skc_daddr);
		head->local = member_if(plain, sk, __sk_common.skc_rcv_saddr);
		head->remote_port = member_if(plain, sk, __sk_common.skc_dport);
		head->local_port = member_if(plain, sk, __sk_common.skc_num);
		head->family = member_if(plain, sk, __sk_common.skc_family);
	}
}

/* Both ends of a socket. */
static __always_inline void endpoints(struct sock *sk, int plain, struct endpoint *local,
				      struct endpoint *remote)
{
	struct socket_head head = {};

	head_read(sk, plain, &head);
	local->port = head.local_port;
	remote->port = bpf_ntohs(head.remote_port);
	if (head.family == AF_INET6) {
		local->version = remote->version = 6;
		BPF_CORE_READ_INTO(&local->address, sk,
				   __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
		BPF_CORE_READ_INTO(&remote->address, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	} else {
		local->version = remote->version = 4;
		*(__u32 *)local->address = head.local;
		*(__u32 *)remote->address = head.remote;
	}
}

/* The socket behind a file, if it is one. */
static __always_inline struct sock *socket_of(struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	__u64 before = bpf_core_field_offset(struct socket_alloc, vfs_inode);

	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return BPF_CORE_READ((struct socket_alloc *)((void *)inode - before), socket.sk);
}

/* The protocols whose connects the state of a TCP socket tells. */
static __always_inline int is_tcp(__u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

/* The socket that the program has: of MPTCP it is not that of TCP, which the kernel has made for
 * it. */
static __noinline struct sock *owner_of(struct sock *sk)
{
	struct tcp_sock *tcp = (void *)sk;
	struct mptcp_subflow_context *subflow;
	struct sock *owner;

	if (!bpf_core_field_exists(tcp->is_mptcp) || !BPF_CORE_READ(tcp, is_mptcp))
		return sk;
	subflow = BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_ulp_data);
	owner = BPF_CORE_READ(subflow, conn);
	return owner ? owner : sk;
}

static __always_inline int is_inet(__u16 family)
{
	return family == AF_INET || family == AF_INET6;
}

/* The socket behind the descriptor in a table of files, if it is one for IPv4 or IPv6. */
static __always_inline struct sock *inet_at(__u64 files, __u32 descriptor)
{
	struct file *file = NULL;
	struct sock *sk;

	bpf_probe_read_kernel(&file, sizeof(file), (struct file **)files + descriptor);
	sk = file ? socket_of(file) : NULL;
	return sk && is_inet(BPF_CORE_READ(sk, __sk_common.skc_family)) ? sk : NULL;
}

/*
 * The socket behind the descriptor in a table of files, as a number, if it is a TCP connection; one
 * that is just being begun is not.
 */
__u64 connection_of(__u64 files, __u32 descriptor)
{
	struct sock *sk = inet_at(files, descriptor);

	if (!sk || !is_tcp(BPF_CORE_READ(sk, sk_protocol)) ||
	    !BPF_CORE_READ(sk, __sk_common.skc_dport) || !BPF_CORE_READ(sk, __sk_common.skc_num))
		return 0;
	return (__u64)sk;
}

/* The port if the descriptor is a TCP socket that listens, else 0. */
__u32 listener_of(__u64 files, __u32 descriptor)
{
	struct sock *sk = inet_at(files, descriptor);

	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_LISTEN)
		return 0;
	return BPF_CORE_READ(sk, __sk_common.skc_num);
}

/*
 * What follows here takes numbers and is global, which has the verifier look at each once, and not
 * once in every way that leads there.
 */

/* The first connection among some descriptors, or 0. */
__noinline __u64 connection_among(__u64 files, __u32 first, __u32 count)
{
#pragma nounroll
	for (__u32 i = 0; i < CONNECTION_PART; i++) {
		__u64 sk = first + i < count ? connection_of(files, first + i) : 0;

		if (sk)
			return sk;
	}
	return 0;
}

/* The connection that a task has open, or 0. */
__noinline __u64 find_connection(__u64 of)
{
	struct task_struct *task = (void *)of;
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	__u64 files = (__u64)BPF_CORE_READ(table, fd);
	__u32 count = BPF_CORE_READ(table, max_fds);

#pragma nounroll
	for (__u32 i = 0; i < CONNECTION_SEARCH; i += CONNECTION_PART) {
		__u64 sk = connection_among(files, i, count);

		if (sk)
			return sk;
	}
	return 0;
}

/* Whether its standard input is a socket, as it is of a server that is begun for one connection. */
__noinline int has_socket_as_input(__u64 of)
{
	struct task_struct *task = (void *)of;
	struct file **files = BPF_CORE_READ(task, files, fdt, fd);
	struct file *file = NULL;

	bpf_probe_read_kernel(&file, sizeof(file), files);
	return file && socket_of(file);
}

/* Whether one of some descriptors is a socket that listens on the port. */
__noinline int listens_among(__u64 files, __u32 first, __u32 count, __u32 port)
{
#pragma nounroll
	for (__u32 i = 0; i < CONNECTION_PART; i++) {
		if (first + i < count && listener_of(files, first + i) == port)
			return 1;
	}
	return 0;
}

/*
 * Whether a login server has one connection to serve. The one that listens for them has each for a
 * moment too, and is known by that: it listens on the port of the connection.
 */
__noinline int serves_connection(__u64 of)
{
	struct sock *sk = (void *)find_connection(of);
	struct task_struct *task = (void *)of;
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	__u64 files = (__u64)BPF_CORE_READ(table, fd);
	__u32 count = BPF_CORE_READ(table, max_fds);
	__u32 port;

	if (!sk)
		return 0;
	port = BPF_CORE_READ(sk, __sk_common.skc_num);
#pragma nounroll
	for (__u32 i = 0; i < CONNECTION_SEARCH; i += CONNECTION_PART) {
		if (listens_among(files, i, count, port))
			return 0;
	}
	return 1;
}

/* An IPv4 address in its form for IPv6 becomes one of IPv4. */
static __always_inline void unmap(struct endpoint *endpoint)
{
	__u32 *words = (__u32 *)endpoint->address;

	if (endpoint->version != 6 || words[0] || words[1] || words[2] != bpf_htonl(0xffff))
		return;
	endpoint->version = 4;
	words[0] = words[3];
	words[2] = words[3] = 0;
}

static __always_inline __u64 client_sum(struct client *client, __u64 session)
{
	__u64 *words = (__u64 *)client;

#pragma unroll
	for (__u64 i = 0; i < sizeof(*client) / sizeof(*words); i++)
		session = session * 31 + words[i];
	return session;
}

static __always_inline struct client_note *client_note_of(struct client *client)
{
	__u32 number = client->local.port & (CLIENTS - 1);

	return bpf_map_lookup_elem(&clients, &number);
}

/* Notes that a session has made a connection. The socket is an argument of a tracepoint. */
static __noinline void client_add(__u64 session, struct sock *sk)
{
	struct client client = {.network = (__u64)BPF_CORE_READ(sk, __sk_common.skc_net.net)};
	struct client_note *note;

	endpoints(sk, 1, &client.local, &client.remote);
	unmap(&client.local);
	unmap(&client.remote);
	note = client_note_of(&client);
	if (!note)
		return;
	note->client = client;
	note->session = session;
	note->sum = client_sum(&client, session);
}

/* The session that has made the connection of which this is the server's end, or 0. */
__noinline __u64 client_session(__u64 of)
{
	struct sock *sk = (void *)of;
	struct client client = {.network = (__u64)BPF_CORE_READ(sk, __sk_common.skc_net.net)};
	struct client_note *note;
	__u64 session;

	endpoints(sk, 0, &client.remote, &client.local);
	unmap(&client.local);
	unmap(&client.remote);
	note = client_note_of(&client);
	if (!note)
		return 0;
	session = note->session;
	return note->sum == client_sum(&client, session) ? session : 0;
}

#endif
