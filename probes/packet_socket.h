/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* Sockets that are made for frames: session.packet_socket. */
#ifndef PACKET_SOCKET_H
#define PACKET_SOCKET_H

#include "filter.h"
#include "hold.h"

/* A socket for frames was made, or not, with this type and this protocol. */
static __noinline int packet_socket_send(__u64 session, int result, __u32 kind, __u32 protocol,
					 __u32 via)
{
	struct packet_socket *packet;
	struct slot *slot;

	slot = record_begin(session, FAMILY_NETWORK, KIND_PACKET_SOCKET, sizeof(*packet));
	if (!slot)
		return 0;
	packet = (struct packet_socket *)slot->record;
	packet->record.via |= via;
	packet->return_code = result < 0 ? result : 0;
	packet->kind = kind & SOCK_TYPE_MASK;
	packet->protocol = bpf_ntohs(protocol);
	__builtin_memset(packet->unused, 0, sizeof(packet->unused));
	act_send(slot, &network_ring, FAMILY_NETWORK, 0);
	return 0;
}

#endif
