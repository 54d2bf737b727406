/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* What a session.privilege is done to: a file, a process, an object of BPF, a clock, a namespace.
 */
#ifndef PRIVILEGE_OBJECT_H
#define PRIVILEGE_OBJECT_H

#include "path.h"
#include "pid.h"
#include "privilege.h"
#include "privilege_operation.h"
#include "settled.h"
#include "syscall.h"
#include "syscalls.h"

static __noinline int fill_path(struct slot *slot, struct path *from, __u32 trust)
{
	struct privilege *privilege = (struct privilege *)slot->record;

	if (!from)
		return 0;
	walk_trusting(slot->index, (__u64)from, trust);
	privilege->path_notes = slot->walk.notes;
	privilege->path_length = append_walked(slot);
	return 0;
}

static __noinline int fill_requested_path(struct slot *slot, unsigned long requested)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	long length = append_string(slot, PATH_LENGTH, (void *)requested, bpf_probe_read_user_str);

	if (length > 0) {
		privilege->path_length = length;
		settled_note(slot, requested, length);
	}
	return 0;
}

/* A file that was taken over. */
static __noinline int fill_file(struct slot *slot, struct file *file)
{
	struct privilege *privilege = (struct privilege *)slot->record;

	if (!file)
		return 0;
	privilege->flags = BPF_CORE_READ(file, f_flags);
	return fill_path(slot, &file->f_path, TRUST_ANY);
}

static __always_inline struct path *path_of(int descriptor)
{
	struct file *file = file_of(descriptor);

	return file ? &file->f_path : NULL;
}

static __noinline int fill_ids(struct slot *slot, struct process *process)
{
	struct privilege *privilege = (struct privilege *)slot->record;

	if (privilege->return_code) {
		for (int i = 0; i < 3; i++)
			privilege->requested[i] = syscall_argument(i);
		return 0;
	}
	if (process->audit_session_id)
		privilege->old_ids = process->ids;
	process_note(process);
	return 0;
}

static __noinline int fill_capabilities(struct slot *slot)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct privilege *privilege = (struct privilege *)slot->record;
	const struct cred *cred = BPF_CORE_READ(task, cred);

	bpf_probe_read_kernel(&privilege->effective, 8, &cred->cap_effective);
	bpf_probe_read_kernel(&privilege->permitted, 8, &cred->cap_permitted);
	bpf_probe_read_kernel(&privilege->inheritable, 8, &cred->cap_inheritable);
	return 0;
}

/* The other process, without the file that it runs. */
static __noinline int fill_target(struct slot *slot, __u64 of)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	struct task_struct *task = (void *)of;
	__u64 session = privilege->record.session;
	struct process *process;
	__u32 pid;

	if (!task)
		return 0;
	pid = BPF_CORE_READ(task, tgid);
	privilege->target_pid = pid;
	bpf_probe_read_kernel(privilege->name, PROGRAM_LENGTH, &task->comm);
	process = bpf_map_lookup_elem(&processes, &pid);
	if (!process || !process->session)
		privilege->target = TARGET_NONE;
	else
		privilege->target = process->session == session ? TARGET_SAME : TARGET_OTHER;
	return 0;
}

/* The file that it runs. */
static __noinline int fill_target_exe(struct slot *slot, __u64 of)
{
	struct task_struct *task = (void *)of;
	struct file *exe_file = task ? BPF_CORE_READ(task, mm, exe_file) : NULL;

	return exe_file ? fill_path(slot, &exe_file->f_path, TRUST_ANY) : 0;
}

/* The program, from the kernel where it was taken, else from the caller. */
static __noinline int fill_program(struct slot *slot, long result)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	struct file *file = file_of(result);
	struct bpf_prog *program;
	union bpf_attr *asked;

	if (file) {
		program = BPF_CORE_READ(file, private_data);
		privilege->program_type = BPF_CORE_READ(program, type);
		bpf_probe_read_kernel(privilege->name, BPF_PROGRAM_NAME,
				      BPF_CORE_READ(program, aux, name));
		return 0;
	}
	asked = (void *)syscall_argument(1);
	bpf_probe_read_user(&privilege->program_type, sizeof(asked->prog_type), &asked->prog_type);
	bpf_probe_read_user(privilege->name, sizeof(asked->prog_name), asked->prog_name);
	settled_note(slot, (__u64)asked, sizeof(*asked));
	return 0;
}

/* Which kind of object a command of bpf(2) is about. */
enum object {
	OBJECT_MAP,
	OBJECT_PROGRAM,
	OBJECT_LINK,
	OBJECT_OTHER,
};

static __always_inline enum object object_kind(__u32 operation)
{
	if (operation <= PRIVILEGE_BPF_MAP_GET_FD_BY_ID)
		return OBJECT_MAP;
	if (operation <= PRIVILEGE_BPF_LINK_CREATE)
		return OBJECT_PROGRAM;
	return operation <= PRIVILEGE_BPF_LINK_DETACH ? OBJECT_LINK : OBJECT_OTHER;
}

/* Of what a command of bpf(2) has in memory, the bytes that can have its object's descriptor. */
#define DESCRIPTORS_LENGTH 40

/* The descriptor of the object, which the command takes, or has made. */
static __noinline int object_descriptor(__u32 operation, int result)
{
	__u64 asked = syscall_argument(1);

	switch (operation) {
	case PRIVILEGE_BPF_MAP_GET_FD_BY_ID:
	case PRIVILEGE_BPF_PROG_GET_FD_BY_ID:
	case PRIVILEGE_BPF_LINK_GET_FD_BY_ID:
		return result;
	/* Behind two pairs of pointers and a number. */
	case PRIVILEGE_BPF_MAP_UPDATE_BATCH:
	case PRIVILEGE_BPF_MAP_DELETE_BATCH:
	case PRIVILEGE_BPF_MAP_LOOKUP_AND_DELETE_BATCH:
		return word_at(asked + 36);
	case PRIVILEGE_BPF_PROG_ATTACH:
	case PRIVILEGE_BPF_PROG_DETACH:
		return word_at(asked + 4);
	case PRIVILEGE_BPF_RAW_TRACEPOINT_OPEN:
		return word_at(asked + 8);
	default:
		return word_at(asked);
	}
}

/* The object, as far as the kernel has taken it. */
static __noinline int fill_object(struct slot *slot, long result)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	__u32 operation = privilege->operation;
	struct bpf_prog *program = NULL;
	struct bpf_link *link;
	struct bpf_map *map;
	struct file *file;
	int descriptor;

	switch (operation) {
	case PRIVILEGE_BPF_MAP_GET_FD_BY_ID:
	case PRIVILEGE_BPF_PROG_GET_FD_BY_ID:
	case PRIVILEGE_BPF_LINK_GET_FD_BY_ID:
	case PRIVILEGE_BPF_BTF_GET_FD_BY_ID:
		privilege->object_id = word_at(syscall_argument(1));
		settled_note(slot, syscall_argument(1), sizeof(__u32));
	}
	if (result < 0)
		return 0;
	descriptor = object_descriptor(operation, result);
	if (descriptor != result)
		settled_note(slot, syscall_argument(1), DESCRIPTORS_LENGTH);
	file = file_of(descriptor);
	if (!file)
		return 0;
	switch (object_kind(operation)) {
	case OBJECT_MAP:
		map = BPF_CORE_READ(file, private_data);
		privilege->object_id = BPF_CORE_READ(map, id);
		bpf_probe_read_kernel(privilege->name, BPF_PROGRAM_NAME, &map->name);
		return 0;
	case OBJECT_PROGRAM:
		program = BPF_CORE_READ(file, private_data);
		privilege->object_id = BPF_CORE_READ(program, aux, id);
		break;
	case OBJECT_LINK:
		link = BPF_CORE_READ(file, private_data);
		privilege->object_id = BPF_CORE_READ(link, id);
		program = BPF_CORE_READ(link, prog);
		break;
	case OBJECT_OTHER:
		return 0;
	}
	if (program)
		bpf_probe_read_kernel(privilege->name, BPF_PROGRAM_NAME,
				      BPF_CORE_READ(program, aux, name));
	return 0;
}

/* The clock, and what it was set to: seconds, and behind them a part of one. */
static __noinline int fill_clock(struct slot *slot, __u64 number)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	__u64 from = syscall_argument(privilege->operation == PRIVILEGE_CLOCK_SETTIME ? 1 : 0);
	__s64 set[2] = {};

	if (privilege->operation != PRIVILEGE_SETTIMEOFDAY && number != X86_ADJTIMEX &&
	    number != ARM64_ADJTIMEX)
		privilege->value = (__u32)syscall_argument(0);
	if (privilege->operation == PRIVILEGE_CLOCK_ADJTIME)
		settled_note(slot, time_asked(number), sizeof(__u32));
	if (privilege->operation == PRIVILEGE_CLOCK_ADJTIME || is_32_bit() ||
	    bpf_probe_read_user(set, sizeof(set), (void *)from))
		return 0;
	settled_note(slot, from, sizeof(set));
	if (privilege->operation == PRIVILEGE_SETTIMEOFDAY)
		set[1] *= 1000;
	privilege->time = set[0] * 1000000000 + set[1];
	return 0;
}

/* The name of a host is as long as the call says, and no zero has to end it. */
static __noinline int fill_host(struct slot *slot)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	__u64 from = syscall_argument(0), length = (__u32)syscall_argument(1);

	if (length > OBJECT_NAME_LENGTH - 1)
		length = OBJECT_NAME_LENGTH - 1;
	barrier_var(length);
	if (length < OBJECT_NAME_LENGTH &&
	    bpf_probe_read_user(privilege->name, length, (void *)from))
		return 0;
	settled_note(slot, from, length);
	return 0;
}

/* Of a file in /proc/PID/ns the namespace is known, of a pidfd the caller says which. */
static __noinline int fill_namespace(struct slot *slot)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	struct file *file = file_of(syscall_argument(0));
	struct ns_common___before_6_18 *before;
	struct ns_common *namespace;

	privilege->namespaces = syscall_argument(1);
	if (!file || BPF_CORE_READ(file, f_inode, i_sb, s_magic) != NSFS_MAGIC)
		return 0;
	namespace = BPF_CORE_READ(file, f_inode, i_private);
	before = (void *)namespace;
	if (bpf_core_field_exists(namespace->ns_type))
		privilege->namespaces = BPF_CORE_READ(namespace, ns_type);
	else
		privilege->namespaces = BPF_CORE_READ(before, ops, type);
	return 0;
}

#endif
