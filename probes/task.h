/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* The current task, and what is read of it. */
#ifndef TASK_H
#define TASK_H

#include "kernel.h"
#include "record.h"

/*
 * Whether what the current task leads to can be read as it is, as what is an argument of a
 * tracepoint always can: since 5.15, for all kinds of programs here. Reading it by a helper takes
 * some ten times as long.
 */
#define IS_PLAIN bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)

static __always_inline struct task_struct *current_task(void)
{
	return IS_PLAIN ? (void *)bpf_get_current_task_btf() : (void *)bpf_get_current_task();
}

/*
 * A member of what current_task() leads to. A pointer is to be compared with NULL before it is
 * followed: where the kernel's types tell that RCU guards it, the verifier asks for that.
 */
#define member(from, name) member_if(IS_PLAIN, from, name)

/* The same, where it is told otherwise whether the verifier knows what `from` leads to. */
#define member_if(plain, from, name) ((plain) ? (from)->name : BPF_CORE_READ(from, name))

/* The audit session id and the loginuid, as the kernel has them where there are none. */
static __always_inline __u32 current_audit_session(void)
{
	struct task_struct *task = current_task();

	return bpf_core_field_exists(task->sessionid) ? member(task, sessionid) : AUDIT_UNSET;
}

static __always_inline __u32 current_loginuid(void)
{
	struct task_struct *task = current_task();

	return bpf_core_field_exists(task->loginuid) ? member(task, loginuid.val) : ID_NONE;
}

/* A pointer as a number, which can be reckoned with, and which global functions take. */
static __always_inline __u64 address_of(const void *pointer)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &pointer);
	return address;
}

static __noinline int ids_read(struct ids *ids)
{
	const struct cred *cred = member(current_task(), cred);

	if (!cred)
		return 0;
	ids->uid = member(cred, uid.val);
	ids->gid = member(cred, gid.val);
	ids->euid = member(cred, euid.val);
	ids->egid = member(cred, egid.val);
	return 0;
}

#endif
