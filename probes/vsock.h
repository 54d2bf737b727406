/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.vsock: sockets between virtual machines and their host. */
#ifndef VSOCK_H
#define VSOCK_H

#include "attempt.h"
#include "hold.h"
#include "session.h"

/* As programs have it, too (struct sockaddr_vm). */
struct vsock_address {
	__u16 family;
	__u16 unused;
	__u32 port;
	__u32 context;
	__u32 zero;
};

/*
 * Since 5.5 the socket has its own address and the peer's behind struct sock and a pointer
 * (include/net/af_vsock.h). It is often in a module, whose types are not in the kernel's BTF; the
 * family in both tells that they are there.
 */
struct vsock_addresses {
	void *transport;
	struct vsock_address own;
	struct vsock_address peer;
};

static __noinline int vsock_send(struct attempt *attempt, __u32 operation)
{
	void *behind = (void *)attempt->sk + bpf_core_type_size(struct sock);
	struct vsock_addresses addresses = {};
	struct vsock *vsock;
	struct slot *slot;

	bpf_probe_read_kernel(&addresses, sizeof(addresses), behind);
	if (addresses.own.family != AF_VSOCK || addresses.peer.family != AF_VSOCK) {
		addresses.own.context = addresses.peer.context = VSOCK_ANY;
		addresses.own.port = addresses.peer.port = VSOCK_ANY;
	}
	slot = record_begin(attempt->session, FAMILY_NETWORK, KIND_VSOCK, sizeof(*vsock));
	if (!slot)
		return 0;
	vsock = (struct vsock *)slot->record;
	vsock->record.via |= attempt->via;
	vsock->return_code = operation == OPERATION_ACCEPT ? 0 : attempt->result;
	vsock->operation = operation;
	vsock->context = addresses.own.context;
	vsock->port = addresses.own.port;
	vsock->peer_context = addresses.peer.context;
	vsock->peer_port = addresses.peer.port;
	act_send(slot, &network_ring, FAMILY_NETWORK, 0);
	return 0;
}

#endif
