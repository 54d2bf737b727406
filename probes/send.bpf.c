/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * session.local_send: datagrams to a local socket without a connection to it. To whom, only the
 * caller's memory tells.
 */
#include "attempt.h"
#include "send.h"
#include "syscall.h"

#define X86_SENDTO 44
#define X86_SENDMMSG 307
#define ARM64_SENDTO 206
#define ARM64_SENDMMSG 269

/* Messages of one sendmmsg: UIO_MAXIOV. */
#define MESSAGES 1024

/* struct msghdr begins with these; struct mmsghdr is one of them, and the length that was sent. */
struct message {
	__u64 name;
	__u32 name_length;
};
#define MMSGHDR_LENGTH 64

/* One datagram to the address at `name`. */
int local_send_one(__u64 session, __u64 name, __u64 length, __u64 result, __u64 via)
{
	struct sends_key key = {.return_code = (int)result < 0 ? (int)result : 0};
	struct send *send;
	struct slot *slot;
	long error;
	char first = 0;

	/* sun_family is in front. */
	if (!name || length <= 2 || length > 2 + LOCAL_NAME_LENGTH ||
	    family_left_out(session, FAMILY_NETWORK))
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
	if (!is_first_send(&key))
		return 0;
	error = -1;
	slot = record_claim(session, FAMILY_NETWORK, KIND_SEND, sizeof(*send));
	if (slot) {
		send = (struct send *)slot->record;
		send->record.via |= via;
		__builtin_memset(&send->source, 0, sizeof(send->source));
		send->key = key;
		error = record_send(slot, &network_ring, FAMILY_NETWORK, 0);
	}
	if (error)
		send_untold(&key);
	return 0;
}

/* The same of a message. */
int local_send_message(__u64 session, __u64 at, __u64 result, __u64 via)
{
	struct message message = {};

	bpf_probe_read_user(&message, sizeof(message), (void *)at);
	return local_send_one(session, message.name, message.name_length, result, via);
}

static __always_inline int is_local_datagram(struct sock *sk)
{
	return sk && BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX &&
	       BPF_CORE_READ(sk, sk_type) == SOCK_DGRAM;
}

SYSCALL_EXIT(network_local)
{
	struct process *process = recorded_user();
	__s32 number = context->number;
	long result = context->result;
	__u64 session, at, count = 1;

	if (!process || is_restarted(result) || !is_local_datagram(socket_at(syscall_argument(0))))
		return 0;
	session = process->session;
	if (number == X86_SENDTO || number == ARM64_SENDTO)
		return local_send_one(session, syscall_argument(4), (__u32)syscall_argument(5),
				      result, 0);
	at = syscall_argument(1);
	if ((number == X86_SENDMMSG || number == ARM64_SENDMMSG) && result > 0)
		count = result;
	for (__u64 i = 0; i < MESSAGES; i++) {
		if (i >= count)
			break;
		local_send_message(session, at + i * MMSGHDR_LENGTH, result, 0);
	}
	return 0;
}
