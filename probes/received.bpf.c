/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.privilege of files that come with a message of a local socket. */
#include "privilege_object.h"
#include "privilege_operation.h"
#include "settled.h"
#include "syscall.h"
#include "syscalls.h"

/* In struct msghdr: where control messages are, and how many bytes of them. */
#define MESSAGE_CONTROL 32
#define MESSAGE_CONTROL_LENGTH 40
/* struct mmsghdr, which begins with one. */
#define MESSAGES_STEP 64
/* A control message: its length, its level and type, and what it is. */
#define CONTROL_HEADER 16
#define SOL_SOCKET 1
#define SCM_RIGHTS 1
/* Messages of one call, and control messages of one of them, that are looked at. */
#define MESSAGES_MOST 4
#define CONTROLS_MOST 4

static __always_inline __u64 long_at(__u64 from)
{
	__u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)from);
	return value;
}

/* Where the descriptors are that a message has brought, behind a length in bytes; or 0. */
__noinline __u64 descriptors_at(__u64 message)
{
	__u64 at = long_at(message + MESSAGE_CONTROL);
	__u64 left = long_at(message + MESSAGE_CONTROL_LENGTH);

	for (int i = 0; at && i < CONTROLS_MOST; i++) {
		__u64 length = long_at(at);

		if (left < CONTROL_HEADER + sizeof(__u32) || length < CONTROL_HEADER ||
		    length > left)
			return 0;
		/* Side by side. */
		if (long_at(at + 8) == ((__u64)SCM_RIGHTS << 32 | SOL_SOCKET))
			return at;
		length = (length + 7) & ~7ULL;
		at += length;
		left = left > length ? left - length : 0;
	}
	return 0;
}

/* Tells of the descriptors in a message, unless a process of the same session has sent them. */
__noinline int descriptors_send(__u64 message)
{
	struct process *process = known_process();
	__u64 at = descriptors_at(message), of = 0;
	struct privilege *privilege;
	struct socket *socket;
	struct file *file;
	struct slot *slot;
	struct pid *pid;

	if (!at || !process)
		return 0;
	file = file_of(syscall_argument(0));
	if (!file)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	/* Who has connected it, has made the listener that it comes from, or the pair. */
	pid = BPF_CORE_READ(socket, sk, sk_peer_pid);
	if (pid)
		of = task_with(pid);
	slot = privilege_of_user(process, PRIVILEGE_RECVMSG, 0);
	if (!slot)
		return 0;
	privilege = (struct privilege *)slot->record;
	fill_target(slot, of);
	if (privilege->target == TARGET_SAME) {
		slot_release(slot);
		return 0;
	}
	settled_note(slot, message, MESSAGES_STEP);
	settled_note(slot, at, CONTROL_HEADER + sizeof(__u32));
	privilege->value = (long_at(at) - CONTROL_HEADER) / sizeof(__u32);
	fill_file(slot, file_of((int)word_at(at + CONTROL_HEADER)));
	act_send(slot, &command_ring, FAMILY_PRIVILEGE, 0);
	return 0;
}

/* Descriptors that come with a message of a local socket. */
SYSCALL_EXIT(privilege_file, PROBE_PRIVILEGE_FILE)
{
	__u64 message = exit_argument(context, 1);
	__u64 count = 1;

	if (context->result < 0 || context->is_compat || context->process->role != ROLE_USER ||
	    !context->process->session)
		return 0;
	if (context->number != X86_RECVMMSG && context->number != ARM64_RECVMMSG) {
		descriptors_send(message);
		return 0;
	}
	count = context->result;
	for (__u64 i = 0; i < MESSAGES_MOST; i++) {
		if (i < count)
			descriptors_send(message + i * MESSAGES_STEP);
	}
	return 0;
}
