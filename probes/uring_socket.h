/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * What is done with sockets through io_uring: told when the request is complete, since the socket
 * tells it then. TCP connects and what is sent over IP have hooks that see all ways.
 */
#ifndef URING_SOCKET_H
#define URING_SOCKET_H

#include "datagram.h"
#include "network.h"
#include "packet_socket.h"
#include "share.h"
#include "uring.h"

#define IORING_OP_SENDMSG 9
#define IORING_OP_ACCEPT 13
#define IORING_OP_CONNECT 16
#define IORING_OP_SOCKET 45

/* The request accepts again and again. */
#define IORING_ACCEPT_MULTISHOT 1

/*
 * Requests that accept again and again. All but the last of their ends name no request: the slot
 * for fixed files that it has asked for, by ring and number. Where ends name requests, nothing else
 * has tickets, so that theirs is the share.
 */
struct acceptor {
	__u64 session; /* whose share it is of, and the account */
	__u32 uid;
	__u32 slot;
};

#define ACCEPTORS_SIZE 4096

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ACCEPTORS_SIZE);
	__type(key, struct ticket);
	__type(value, struct acceptor);
} acceptors SEC(".maps");

static __always_inline int is_of_socket(__u8 opcode)
{
	return opcode == IORING_OP_CONNECT || opcode == IORING_OP_ACCEPT ||
	       opcode == IORING_OP_SENDMSG || opcode == IORING_OP_SOCKET;
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

/* Takes down an accept, in case that it is to go on. Where it can't be, all but its last end is
 * lost.
 */
static __noinline int acceptor_add(__u64 session, struct io_kiocb *request)
{
	struct acceptor acceptor = {.session = session, .uid = account_of(session)};
	struct io_accept *accept = (void *)request;
	struct ticket ticket = acceptor_ticket(request);

	acceptor.slot = BPF_CORE_READ(accept, file_slot);
	if (share_take(session, acceptor.uid, TABLE_TICKETS, ACCEPTORS_SIZE)) {
		if (bpf_map_update_elem(&acceptors, &ticket, &acceptor, BPF_NOEXIST))
			share_give(session, acceptor.uid, TABLE_TICKETS);
	} else if (!bpf_core_field_exists(accept->iou_flags) ||
		   BPF_CORE_READ(accept, iou_flags) & IORING_ACCEPT_MULTISHOT) {
		lose(session, FAMILY_NETWORK, LOSS_SHARE_FULL);
	}
	return 0;
}

/* The accept is over, whoever it is that sees its end: a thread of the kernel's, if its process is
 * gone. */
static __noinline int acceptor_remove(struct io_kiocb *request)
{
	struct ticket ticket = acceptor_ticket(request);
	struct acceptor *acceptor = bpf_map_lookup_elem(&acceptors, &ticket);
	__u64 session;
	__u32 uid;

	if (!acceptor)
		return 0;
	session = acceptor->session;
	uid = acceptor->uid;
	if (!(int)bpf_map_delete_elem(&acceptors, &ticket))
		share_give(session, uid, TABLE_TICKETS);
	return 0;
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
	struct acceptor *acceptor = bpf_map_lookup_elem(&acceptors, &ticket);
	struct process *process;

	if (!acceptor)
		return 0;
	process = recorded_user(known_process());
	return process ? accepted(process->session, (void *)ring, acceptor->slot, result) : 0;
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
	return accepted(session, BPF_CORE_READ(request, ctx),
			BPF_CORE_READ((struct io_accept *)request, file_slot), result);
}

/* A socket is made, or not. */
static __noinline int socket_made(__u64 session, struct io_kiocb *request, int result)
{
	struct io_socket *made = (void *)request;

	if (!bpf_core_type_exists(struct io_socket) || BPF_CORE_READ(made, domain) != AF_PACKET)
		return 0;
	return packet_socket_send(session, result, BPF_CORE_READ(made, type),
				  BPF_CORE_READ(made, protocol), VIA_IO_URING);
}

static __noinline int socket_end(struct io_kiocb *request, int result, __u64 address)
{
	struct process *process = recorded_user(known_process());
	struct attempt attempt = {.process = process, .result = result, .via = VIA_IO_URING};
	__u8 opcode = BPF_CORE_READ(request, opcode);

	if (opcode == IORING_OP_ACCEPT && ends_are_named())
		acceptor_remove(request);
	if (!process)
		return 0;
	attempt.session = process->session;
	if (opcode == IORING_OP_ACCEPT)
		return accept_over(process->session, request, result);
	if (opcode == IORING_OP_SOCKET)
		return socket_made(process->session, request, result);
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
