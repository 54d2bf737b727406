/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* The processes that are in a session, or may begin one. */
#ifndef PROCESS_H
#define PROCESS_H

#include "ring.h"

/* By process id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct process);
} processes SEC(".maps");

/*
 * How many of them have process ids that end in these bits. It is asked first, since it tells of
 * almost all processes of a host that they are none, in a fraction of the time.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PROCESS_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} process_counts SEC(".maps");

static __always_inline __u64 *process_count(__u32 pid)
{
	__u32 number = pid & (PROCESS_COUNTS - 1);

	return bpf_map_lookup_elem(&process_counts, &number);
}

static __always_inline struct process *process_of(__u32 pid)
{
	__u64 *count = process_count(pid);

	return count && *count ? bpf_map_lookup_elem(&processes, &pid) : NULL;
}

/* The entry of the current process. */
static __always_inline struct process *known_process(void)
{
	return process_of(bpf_get_current_pid_tgid() >> 32);
}

/*
 * Whether others may act in the memory of the current process: threads, processes without one of
 * their own, or the kernel, which does what was asked of it through io_uring or aio meanwhile.
 */
static __always_inline int has_company(struct process *process)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if ((process && process->shares_memory) || BPF_CORE_READ(task, signal, nr_threads) > 1)
		return 1;
	if (bpf_core_field_exists(task->io_uring) && BPF_CORE_READ(task, io_uring))
		return 1;
	return bpf_core_field_exists(task->mm->ioctx_table) && BPF_CORE_READ(task, mm, ioctx_table);
}

/* Returns an error if there is an entry, or no room for one. */
static __always_inline int process_add(__u32 pid, struct process *process)
{
	__u64 *count = process_count(pid);
	int error;

	if (!count)
		return -1;
	/* Ahead of the entry, so that nobody overlooks it. */
	__sync_fetch_and_add(count, 1);
	error = bpf_map_update_elem(&processes, &pid, process, BPF_NOEXIST);
	if (error)
		__sync_fetch_and_add(count, -1);
	return error;
}

/* Returns an error if there was none. */
static __always_inline int process_remove(__u32 pid)
{
	__u64 *count = process_count(pid);
	int error = bpf_map_delete_elem(&processes, &pid);

	if (!error && count)
		__sync_fetch_and_add(count, -1);
	return error;
}

#endif
