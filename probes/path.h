/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * The absolute path of a file, as the kernel knows it: from the dentry up, across mounts, to the
 * root of the mount namespace, whatever root directory the process has.
 */
#ifndef PATH_H
#define PATH_H

#include "ring.h"

#define WALK_STEPS 160

/* The longest path that a system call takes: PATH_MAX. */
#define PATH_LENGTH 4096

/* One component, towards the root; 0 where there is none above. */
int walk_step(__u32 index)
{
	struct slot *slot = slot_at(index);
	struct dentry *dentry, *parent;
	struct walk *walk;
	__u64 position;
	__u64 length;
	char first = 0;

	if (!slot)
		return 0;
	walk = &slot->walk;
	dentry = walk->dentry;
	if (dentry == walk->mount_root) {
		struct mount *mount = walk->mount;
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);

		if (!above || above == mount)
			return 0;
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = above;
		walk->mount_root = BPF_CORE_READ(above, mnt.mnt_root);
		return 1;
	}
	parent = BPF_CORE_READ(dentry, d_parent);
	/* What is its own parent is in no folder: a memfd, which has a name, or a lost root: a
	 * slash. */
	bpf_probe_read_kernel(&first, sizeof(first), BPF_CORE_READ(dentry, d_name.name));
	if (!parent || (parent == dentry && first == '/'))
		return 0;
	position = walk->position;
	length = BPF_CORE_READ(dentry, d_name.len) & (NAME_LENGTH - 1);
	if (position <= length || position > WALK_MAX) {
		walk->notes |= PATH_CUT;
		return 0;
	}
	position -= length + 1;
	if (position >= WALK_MAX)
		return 0;
	slot->path[position] = '/';
	bpf_probe_read_kernel(&slot->path[position + 1], length,
			      BPF_CORE_READ(dentry, d_name.name));
	walk->position = position;
	walk->dentry = parent;
	return parent != dentry;
}

/* Leaves the path of a dentry in a mount at slot->path[slot->walk.position], up to WALK_MAX. */
int walk_from(__u32 index, __u64 mount, __u64 entry)
{
	struct vfsmount *vfsmount = (struct vfsmount *)mount;
	struct dentry *dentry = (struct dentry *)entry;
	struct slot *slot = slot_at(index);
	struct walk *walk;
	int step;

	if (!slot)
		return 0;
	walk = &slot->walk;
	walk->position = WALK_MAX;
	walk->notes = 0;
	if (!dentry || !vfsmount) {
		walk->notes = PATH_RELATIVE;
		return 0;
	}
	walk->dentry = dentry;
	walk->mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
	walk->mount_root = BPF_CORE_READ(vfsmount, mnt_root);
	if (!BPF_CORE_READ(dentry, d_hash.pprev) && dentry != walk->mount_root)
		walk->notes = PATH_DELETED;
	for (step = 0; step < WALK_STEPS; step++) {
		if (!walk_step(index))
			break;
	}
	if (step == WALK_STEPS)
		walk->notes |= PATH_CUT;
	if (walk->position == WALK_MAX) {
		walk->position = WALK_MAX - 1;
		slot->path[WALK_MAX - 1] = '/';
	}
	return 0;
}

/* The same of a struct path. */
static __always_inline void walk_path(__u32 index, __u64 address)
{
	struct path *from = (struct path *)address;

	walk_from(index, (__u64)BPF_CORE_READ(from, mnt), (__u64)BPF_CORE_READ(from, dentry));
}

/* Appends the walked path to the record; returns its length. */
static __always_inline __u32 append_walked(struct slot *slot)
{
	__u64 at = slot->length;
	__u64 position = slot->walk.position;
	__u64 length = WALK_MAX - position;

	if (at > RECORD_MAX - WALK_MAX || position >= WALK_MAX || length > WALK_MAX)
		return 0;
	bpf_probe_read_kernel(&slot->record[at], length, &slot->path[position]);
	slot->length = at + length;
	return length;
}

/* Appends a string without its zero byte; returns its length, or a negative error. */
#define append_string(slot, most, from, read)                                                      \
	({                                                                                         \
		__u64 at_ = (slot)->length;                                                        \
		long length_ = -1;                                                                 \
		if (at_ <= RECORD_MAX - (most)) {                                                  \
			length_ = read(&(slot)->record[at_], (most), (from));                      \
			if (length_ > 0) {                                                         \
				length_ -= 1;                                                      \
				(slot)->length = at_ + length_;                                    \
			}                                                                          \
		}                                                                                  \
		length_;                                                                           \
	})

static __noinline struct file *file_of(int descriptor)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct file *file = NULL;

	if (descriptor < 0 || (__u32)descriptor >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), files + descriptor);
	return file;
}

#endif
