/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * The title of sshd's process, which names the account: "sshd: NAME [priv]", "sshd: NAME@pts/0". It
 * is read before the user has anything run, so that it is sshd's word.
 */
#ifndef TITLE_H
#define TITLE_H

#include "ring.h"

/* Longer than the longest name (LOGIN_NAME_MAX), with four bytes for each that is not text. */
#define TITLE_LENGTH 1088

/* sshd has so many bytes less for it than its arguments and its environment took. */
#define TITLE_MARGIN 2

/*
 * Appends the current process's title to the session_start in a slot. One that may have been cut,
 * for want of room, is none.
 */
__noinline int title_append(__u32 index)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 start = BPF_CORE_READ(task, mm, arg_start);
	__u64 end = BPF_CORE_READ(task, mm, env_end);
	struct slot *slot = slot_at(index);
	long length;

	if (!slot)
		return 0;
	length = bpf_probe_read_user_str(&slot->record[sizeof(struct session_start)], TITLE_LENGTH,
					 (void *)start);
	if (length <= 1 || start + length + TITLE_MARGIN >= end)
		return 0;
	((struct session_start *)slot->record)->title_length = length - 1;
	slot->length = sizeof(struct session_start) + length - 1;
	return 0;
}

#endif
