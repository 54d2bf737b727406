/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* From a process id, as the current process counts them, to the task. */
#ifndef PID_H
#define PID_H

#include "kernel.h"

/* The kernel's largest process id has 22 bits, and a level of the tree takes 4 at least. */
#define PID_LEVELS 6

/* An entry of an XArray that is a node has these low bits (include/linux/xarray.h). */
#define XA_NODE_MASK 3
#define XA_NODE_MARK 2
#define XA_NODE_LEAST 4096

/* The entry below `entry` on the way to `index`. */
__u64 xarray_step(__u64 entry, __u64 index)
{
	struct xa_node *node = (void *)(entry - XA_NODE_MARK);
	__u64 slots = bpf_core_field_size(node->slots) / sizeof(void *);
	__u64 offset = index >> BPF_CORE_READ(node, shift);
	void *below = NULL;

	bpf_probe_read_kernel(&below, sizeof(below), &node->slots[offset & (slots - 1)]);
	return (__u64)below;
}

static __always_inline int is_node(__u64 entry)
{
	return (entry & XA_NODE_MASK) == XA_NODE_MARK && entry > XA_NODE_LEAST;
}

/* The task with this id as a number, or 0 where there is none. */
static __always_inline __u64 task_with(struct pid *pid)
{
	__u64 links = (__u64)BPF_CORE_READ(pid, tasks[PIDTYPE_PID].first);

	return links ? links - bpf_core_field_offset(struct task_struct, pid_links) : 0;
}

/* The task as a number, or 0 where there is none. */
__u64 task_of(__u32 number)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u64 level = BPF_CORE_READ(pid, level);
	__u64 upid = (__u64)pid + bpf_core_field_offset(struct pid, numbers) +
		     level * bpf_core_type_size(struct upid);
	struct pid_namespace *namespace = BPF_CORE_READ((struct upid *)upid, ns);
	__u64 entry = (__u64)BPF_CORE_READ(namespace, idr.idr_rt.xa_head);
	__u32 nr;

	for (int i = 0; i < PID_LEVELS && is_node(entry); i++)
		entry = xarray_step(entry, number);
	if (!entry || is_node(entry))
		return 0;
	pid = (void *)entry;
	upid = (__u64)pid + bpf_core_field_offset(struct pid, numbers) +
	       level * bpf_core_type_size(struct upid);
	nr = BPF_CORE_READ((struct upid *)upid, nr);
	if (nr != number)
		return 0;
	return task_with(pid);
}

/* The magic number of the file system of pidfds, since 6.9 (include/uapi/linux/magic.h). */
#define PID_FS_MAGIC 0x50494446

/* The task that a pidfd stands for. */
static __always_inline __u64 task_behind(struct file *file)
{
	struct pid *pid = BPF_CORE_READ(file, private_data);

	if (BPF_CORE_READ(file, f_inode, i_sb, s_magic) == PID_FS_MAGIC)
		pid = BPF_CORE_READ(file, f_inode, i_private);
	return pid ? task_with(pid) : 0;
}

#endif
