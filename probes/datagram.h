/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * session.local_send: datagrams to a local socket without a connection to it. To whom, only the
 * caller's memory tells.
 */
#ifndef DATAGRAM_H
#define DATAGRAM_H

#include "attempt.h"
#include "filter.h"
#include "hold.h"
#include "send.h"

/* struct msghdr begins with these. */
struct message {
	__u64 name;
	__u32 name_length;
};

/* One datagram to the address at `name`. */
int local_send_one(__u64 session, __u64 name, __u64 length, __u64 result, __u64 via)
{
	struct sends_key key = {.return_code = (int)result < 0 ? (int)result : 0};
	struct send *send;
	struct slot *slot;
	long error;
	char first = 0;
	int place;

	/* sun_family is in front. */
	if (!name || length <= 2 || length > 2 + LOCAL_NAME_LENGTH ||
	    family_excluded(session, FAMILY_NETWORK))
		return 0;
	length -= 2;
	/* Else the compiler leaves out what the verifier wants to see. */
	barrier_var(length);
	if (length > LOCAL_NAME_LENGTH)
		return 0;
	name += 2;
	bpf_probe_read_user(&first, sizeof(first), (void *)name);
	/* What is behind the end of a path does not make it another one. */
	if (first && length < LOCAL_NAME_LENGTH)
		error = bpf_probe_read_user_str(key.name, length + 1, (void *)name);
	else
		error = bpf_probe_read_user(key.name, length, (void *)name);
	if (error < 0)
		return 0;
	key.name_length = first ? LOCAL_NAME_LENGTH : length;
	sends_period(&key, session);
	place = send_place(&key);
	if (place == SEND_COUNTED)
		return 0;
	error = -1;
	slot = record_claim(session, FAMILY_NETWORK, KIND_SEND, sizeof(*send));
	if (slot) {
		send = (struct send *)slot->record;
		send->record.via |= via;
		__builtin_memset(&send->source, 0, sizeof(send->source));
		send->key = key;
		send->is_counted = place == SEND_FIRST;
		error = act_send(slot, &network_ring, FAMILY_NETWORK, 0);
	}
	if (error)
		send_untold(&key);
	return 0;
}

/* Tells of a message to a local socket. */
__noinline int local_send_message(__u64 session, __u64 at, __u64 result, __u64 via)
{
	struct message message = {};

	if (is_32_bit()) {
		message.name = word_at(at);
		message.name_length = word_at(at + sizeof(__u32));
	} else {
		bpf_probe_read_user(&message, sizeof(message), (void *)at);
	}
	if (!(via & VIA_IO_URING) &&
	    (is_racy(at, sizeof(message)) || is_racy(message.name, message.name_length)))
		via |= VIA_RACY;
	return local_send_one(session, message.name, message.name_length, result, via);
}

static __always_inline int is_local_datagram(struct sock *sk)
{
	return sk && BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX &&
	       BPF_CORE_READ(sk, sk_type) == SOCK_DGRAM;
}

#endif
