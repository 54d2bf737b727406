/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* The current task, and what is read of it. */
#ifndef TASK_H
#define TASK_H

#include "kernel.h"
#include "abi.h"

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

/*
 * A member, where it is told otherwise whether the verifier knows what `from` leads to. What reads
 * many asks IS_PLAIN once: at each place the kernel cuts out what it does not need, which takes it
 * a while. So does each pointer that an argument or the task has: its name is looked for among
 * those of all types.
 */
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

/* The lower half of a pointer, without asking a helper: half of it may be copied as a number. */
static __always_inline __u64 low_half(const void *pointer)
{
	__u64 half;

	asm("r0 = %1; w0 = w0; %0 = r0" : "=r"(half) : "r"(pointer) : "r0");
	return half;
}

/* Where an id is among those of a task, from its uid on. */
#define id_offset(cred, name)                                                                      \
	(bpf_core_field_offset((cred)->name) - bpf_core_field_offset((cred)->uid))

/* Side by side they are uid, gid, suid, sgid, euid and egid. */
static __noinline int ids_read(struct ids *ids)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	const struct cred *cred = BPF_CORE_READ(task, cred);
	__u32 all[6] = {};

	if (id_offset(cred, gid) == 4 && id_offset(cred, euid) == 16 &&
	    id_offset(cred, egid) == 20) {
		bpf_probe_read_kernel(all, sizeof(all), &cred->uid);
	} else {
		all[0] = BPF_CORE_READ(cred, uid.val);
		all[1] = BPF_CORE_READ(cred, gid.val);
		all[4] = BPF_CORE_READ(cred, euid.val);
		all[5] = BPF_CORE_READ(cred, egid.val);
	}
	ids->uid = all[0];
	ids->gid = all[1];
	ids->euid = all[4];
	ids->egid = all[5];
	return 0;
}

#endif
