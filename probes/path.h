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

/* What leads from a dentry to the next: on most kernels these lie side by side. */
struct dentry_step {
	struct dentry *parent;
	__u64 name[2]; /* struct qstr */
};

/* The inodes of namespaces of mounts that are not attached anywhere: since 6.18 the second one. */
#define DETACHED_INODE 0
#define DETACHED_INODE_FIXED 0xeffffff7

/*
 * Whether a mount that has none above is the root of a tree in which paths can be trusted. It is
 * not where the tree is detached, or another namespace's.
 */
static __always_inline int is_root_of_tree(struct mount *mount, __u32 trust)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mnt_namespace *namespace;
	__u32 inode;

	if (BPF_CORE_READ(task, nsproxy, mnt_ns, root) == mount)
		return 1;
	if (trust != TRUST_ANY)
		return 0;
	namespace = BPF_CORE_READ(mount, mnt_ns);
	inode = BPF_CORE_READ(namespace, ns.inum);
	return BPF_CORE_READ(namespace, root) == mount && inode != DETACHED_INODE &&
	       inode != DETACHED_INODE_FIXED && !BPF_CORE_READ(namespace, user_ns, parent);
}

/* One component, towards the root; 0 where there is none above. */
int walk_step(__u32 index)
{
	struct slot *slot = slot_at(index);
	struct dentry *dentry, *parent;
	struct walk *walk;
	struct dentry_step link = {};
	char *bytes;
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

		if (!above || above == mount) {
			if (is_root_of_tree(mount, walk->trust))
				walk->notes &= ~(PATH_CUT | PATH_DETACHED);
			return 0;
		}
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = above;
		walk->mount_root = BPF_CORE_READ(above, mnt.mnt_root);
		return 1;
	}
	if (bpf_core_field_offset(dentry->d_name) ==
	    bpf_core_field_offset(dentry->d_parent) + sizeof(parent)) {
		bpf_probe_read_kernel(&link, sizeof(link), &dentry->d_parent);
	} else {
		link.parent = BPF_CORE_READ(dentry, d_parent);
		bpf_probe_read_kernel(link.name, sizeof(link.name), &dentry->d_name);
	}
	parent = link.parent;
	length = *(__u32 *)((void *)link.name + bpf_core_field_offset(struct qstr, len));
	bytes = *(char **)((void *)link.name + bpf_core_field_offset(struct qstr, name));
	/* What is its own parent is in no folder: a memfd, which has a name, or a lost root: a
	 * slash. */
	if (parent == dentry) {
		bpf_probe_read_kernel(&first, sizeof(first), bytes);
		if (first == '/' || !length)
			return 0;
		walk->notes &= ~(PATH_CUT | PATH_DETACHED);
	}
	if (!parent)
		return 0;
	position = walk->position;
	if (position <= length || position > WALK_MAX || length >= NAME_LENGTH) {
		walk->notes |= PATH_CUT;
		walk->notes &= ~PATH_DETACHED;
		return 0;
	}
	/* Else the compiler leaves out what the verifier wants to see. */
	barrier_var(length);
	length &= NAME_LENGTH - 1;
	position -= length + 1;
	/* Else the compiler leaves out what the verifier wants to see. */
	barrier_var(position);
	if (position >= WALK_MAX)
		return 0;
	/* Whoever renames it meanwhile has changed one and not yet the other: once more. */
	if (bpf_probe_read_kernel_str(&slot->path[position + 1], length + 1, bytes) !=
	    (long)length + 1)
		return 1;
	slot->path[position] = '/';
	/* Its zero byte is where the next one begins. */
	if (walk->position < WALK_MAX)
		slot->path[walk->position & (WALK_MAX - 1)] = '/';
	walk->position = position;
	walk->dentry = parent;
	return parent != dentry;
}

/*
 * Leaves the path of a dentry in a mount at slot->path[slot->walk.position], up to WALK_MAX. It has
 * a slash in front unless it is known to begin at no root.
 */
int walk_from(__u32 index, __u64 mount, __u64 entry, __u32 trust)
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
	walk->trust = trust;
	if (!dentry || !vfsmount) {
		walk->notes = PATH_RELATIVE;
		return 0;
	}
	walk->dentry = dentry;
	walk->mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
	walk->mount_root = BPF_CORE_READ(vfsmount, mnt_root);
	walk->notes = PATH_CUT | PATH_DETACHED;
	if (!BPF_CORE_READ(dentry, d_hash.pprev) && dentry != walk->mount_root)
		walk->notes |= PATH_DELETED;
		/* Unrolled in part: the verifier goes through each round. */
#pragma unroll 8
	for (step = 0; step < WALK_STEPS; step++) {
		if (!walk_step(index))
			break;
	}
	if (step == WALK_STEPS)
		walk->notes &= ~PATH_DETACHED;
	if (walk->notes & PATH_DETACHED) {
		if (walk->position < WALK_MAX)
			walk->position++;
	} else if (walk->position == WALK_MAX) {
		walk->position = WALK_MAX - 1;
		slot->path[WALK_MAX - 1] = '/';
	}
	return 0;
}

/* Whether what was walked to is the root of the tree of mounts: its path is just a slash. */
static __always_inline int is_at_root(struct slot *slot)
{
	return slot->walk.position == WALK_MAX - 1 && !(slot->walk.notes & PATH_DETACHED);
}

/* Walks to a struct path. */
static __always_inline void walk_trusting(__u32 index, __u64 address, __u32 trust)
{
	__u64 members[2] = {};

	bpf_probe_read_kernel(members, sizeof(members), (void *)address);
	walk_from(index, members[bpf_core_field_offset(struct path, mnt) / sizeof(*members) & 1],
		  members[bpf_core_field_offset(struct path, dentry) / sizeof(*members) & 1],
		  trust);
}

static __always_inline void walk_path(__u32 index, __u64 address)
{
	walk_trusting(index, address, TRUST_OWN);
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

/* The file behind a descriptor as a number, 0 where there is none. */
__noinline __u64 file_at(__s32 descriptor)
{
	struct files_struct *files = member(current_task(), files);
	struct fdtable *table = files ? member(files, fdt) : NULL;
	__u64 file = 0;

	if (!table || descriptor < 0 || (__u32)descriptor >= member(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), member(table, fd) + descriptor);
	return file;
}

static __always_inline struct file *file_of(__s32 descriptor)
{
	return (struct file *)file_at(descriptor);
}

#endif
