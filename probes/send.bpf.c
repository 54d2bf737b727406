/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* Datagrams to local sockets, by the system calls that send. */
#include "datagram.h"
#include "syscalls.h"
#include "unit.h"

/* Messages of one sendmmsg: UIO_MAXIOV. The verifier goes through each round of a loop. */
#define MESSAGES 1024
#define MESSAGES_AT_ONCE 32

/* The length of struct mmsghdr, bytes: a message, and how much of it was sent. */
#define MMSGHDR_32 32
#define MMSGHDR_64 64

/* One datagram to the address at `name`, in the memory of the program. */
static __always_inline int local_send_to(__u64 session, __u64 name, __u64 length, __u64 result,
					 __u64 via)
{
	if (is_racy(name, length))
		via |= VIA_RACY;
	return local_send_one(session, name, length, result, via);
}

/* A result with what is to be said of how it was seen: functions take five arguments. */
#define SEEN_BY(via, result) ((__u64)(via) << 32 | (__u32)(result))
#define RESULT_OF(seen) ((__u32)(seen))
#define VIA_OF(seen) ((seen) >> 32)

/* The messages at `at`, each of `length` bytes: as many as there are, and as are taken at once. */
__noinline int local_send_messages(__u64 session, __u64 at, __u64 length, __u64 count, __u64 seen)
{
	for (__u64 i = 0; i < MESSAGES_AT_ONCE; i++) {
		if (i >= count)
			break;
		local_send_message(session, at + i * length, RESULT_OF(seen), VIA_OF(seen));
	}
	return 0;
}

SYSCALL_EXIT(network_local, PROBE_NETWORK_LOCAL)
{
	struct process *process = recorded_user(context->process);
	__s32 number = context->number;
	long result = context->result;
	__u64 session, at, length, count = 1;
	struct sock *sk;
	int is_message;

	if (!process || is_restarted(result))
		return 0;
	sk = socket_at(exit_argument(context, 0));
	session = process->session;
	at = exit_argument(context, 1);
	is_message = number != X86_SENDTO && number != ARM64_SENDTO;
	if (!is_local_datagram(sk))
		return call_note(session, sk, at, is_message ? 0 : exit_argument(context, 2));
	if (!is_message)
		return local_send_to(session, syscall_argument(4), (__u32)syscall_argument(5),
				     result, context->via);
	if ((number == X86_SENDMMSG || number == ARM64_SENDMMSG) && result > 0)
		count = result;
	length = is_32_bit() ? MMSGHDR_32 : MMSGHDR_64;
	for (__u64 i = 0; i < MESSAGES; i += MESSAGES_AT_ONCE) {
		if (i >= count)
			break;
		local_send_messages(session, at + i * length, length, count - i,
				    SEEN_BY(context->via, result));
	}
	return 0;
}
