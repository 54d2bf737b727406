/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * What is done with sockets through io_uring: told when the request is complete, since the socket
 * tells it then. TCP connects and what is sent over IP have hooks that see all ways.
 */
#ifndef URING_SOCKET_H
#define URING_SOCKET_H

#include "datagram.h"
#include "network.h"
#include "uring.h"

#define IORING_OP_SENDMSG 9
#define IORING_OP_ACCEPT 13
#define IORING_OP_CONNECT 16

/*
 * Requests that accept again and again. All but the last of their ends name no request: the slot
 * for fixed files that it has asked for, by ring and number.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct ticket);
	__type(value, __u32);
} acceptors SEC(".maps");

static __always_inline int is_of_socket(__u8 opcode)
{
	return opcode == IORING_OP_CONNECT || opcode == IORING_OP_ACCEPT ||
	       opcode == IORING_OP_SENDMSG;
}

static __always_inline struct sock *socket_in(struct file *file)
{
	return file ? socket_of(file) : NULL;
}

static __always_inline struct ticket acceptor_ticket(struct io_kiocb *request)
{
	struct ticket ticket = {};

	ticket.ring = (__u64)BPF_CORE_READ(request, ctx);
	ticket.number = BPF_CORE_READ(request, cqe.user_data);
	return ticket;
}

/* Takes down an accept, in case that it is to go on. */
static __always_inline void acceptor_add(struct io_kiocb *request)
{
	__u32 slot = BPF_CORE_READ((struct io_accept *)request, file_slot);
	struct ticket ticket = acceptor_ticket(request);

	bpf_map_update_elem(&acceptors, &ticket, &slot, BPF_ANY);
}

static __noinline int accepted(__u64 session, struct io_ring_ctx *ring, __u32 slot, int result)
{
	struct attempt attempt = {.session = session, .via = VIA_IO_URING};

	if (result < 0)
		return 0;
	attempt.sk = socket_in(installed_file(ring, slot, result));
	return accept_end(&attempt);
}

/* One of the ends of a request that accepts again and again. */
static __noinline int acceptor_end(__u64 ring, __u64 number, int result)
{
	struct ticket ticket = {.ring = ring, .number = number};
	__u32 *slot = bpf_map_lookup_elem(&acceptors, &ticket);
	struct process *process;

	if (!slot)
		return 0;
	process = recorded_user(known_process());
	return process ? accepted(process->session, (void *)ring, *slot, result) : 0;
}

/* The address that a request connects to, or the message that it sends, in the memory of the
 * process. */
static __always_inline __u64 address_asked(struct io_kiocb *request)
{
	if (BPF_CORE_READ(request, opcode) == IORING_OP_CONNECT)
		return (__u64)BPF_CORE_READ((struct io_connect *)request, addr);
	return (__u64)BPF_CORE_READ((struct io_sr_msg *)request, umsg);
}

/* The last of the ends of an accept. */
static __noinline int accept_over(__u64 session, struct io_kiocb *request, int result)
{
	struct ticket ticket = {};

	if (ends_are_named()) {
		ticket = acceptor_ticket(request);
		bpf_map_delete_elem(&acceptors, &ticket);
	}
	return accepted(session, BPF_CORE_READ(request, ctx),
			BPF_CORE_READ((struct io_accept *)request, file_slot), result);
}

static __noinline int socket_end(struct io_kiocb *request, int result, __u64 address)
{
	struct process *process = recorded_user(known_process());
	struct attempt attempt = {.process = process, .result = result, .via = VIA_IO_URING};
	__u8 opcode = BPF_CORE_READ(request, opcode);

	if (!process)
		return 0;
	attempt.session = process->session;
	if (opcode == IORING_OP_ACCEPT)
		return accept_over(process->session, request, result);
	attempt.sk = socket_in(BPF_CORE_READ(request, file));
	if (opcode == IORING_OP_CONNECT) {
		attempt.address = address;
		attempt.length = BPF_CORE_READ((struct io_connect *)request, addr_len);
		return connect_end(&attempt);
	}
	if (is_local_datagram(attempt.sk))
		local_send_message(process->session, address, result, VIA_IO_URING);
	return 0;
}

#endif
