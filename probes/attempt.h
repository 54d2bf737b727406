/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* What was done with a socket, by a system call or through io_uring, and what came of it. */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "connection.h"
#include "path.h"
#include "settled.h"
#include "syscall.h"

struct attempt {
	struct process *process; /* of the current process */
	__u64 session;
	struct sock *sk;
	__u64 address; /* of a connect: where it is in the caller's memory */
	__u32 length;  /* of that, bytes */
	__s32 result;
	__u64 via; /* enum via */
};

/*
 * Marks the record of an attempt that tells the address in the caller's memory. Of a request to
 * io_uring, whoever changes it may be the program itself: that goes without a mark.
 */
static __always_inline void address_note(struct slot *slot, struct attempt *attempt)
{
	if (!(attempt->via & VIA_IO_URING))
		settled_note(slot, attempt->address, attempt->length);
}

/* Whether a connect goes on behind the end of its call. */
static __always_inline int is_unfinished(long result)
{
	return result == -EINPROGRESS || result == -EALREADY || is_restarted(result);
}

/* The socket behind a descriptor, if it is one. */
static __noinline struct sock *socket_at(int descriptor)
{
	struct file *file = file_of(descriptor);

	return file ? socket_of(file) : NULL;
}

#endif
