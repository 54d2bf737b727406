/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Whether what a program has in its memory at the end of a call is what the kernel has read there
 * before.
 */
#ifndef SETTLED_H
#define SETTLED_H

#include "process.h"
#include "vma.h"

#define VM_SHARED 8

/* Write permission for others than the owner. */
#define OTHERS_WRITE 022

/*
 * Whether somebody can write to a file that is mapped, which changes the memory: nobody can while
 * it is run, and only root where it is root's own, in a file system that is the host's.
 */
static __always_inline int may_be_written(struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct super_block *super = BPF_CORE_READ(inode, i_sb);

	if (BPF_CORE_READ(inode, i_writecount.counter) < 0)
		return 0;
	return BPF_CORE_READ(inode, i_uid.val) || BPF_CORE_READ(inode, i_mode) & OTHERS_WRITE ||
	       BPF_CORE_READ(super, s_magic) == FUSE_SUPER_MAGIC ||
	       BPF_CORE_READ(super, s_user_ns, parent);
}

/*
 * Whether anything but the calling thread can have changed the bytes between the kernel's look at
 * them and ours: another thread or process in the same memory, now or before, the kernel itself for
 * what the program has asked it to do meanwhile, or whoever has the same pages.
 */
__noinline int is_racy(__u64 from, __u64 length)
{
	struct process *process = known_process();
	struct vm_area_struct *vma;
	struct file *file;

	if (has_company(process))
		return 1;
	vma = (void *)vma_at(from);
	if (!vma || BPF_CORE_READ(vma, vm_flags) & VM_SHARED ||
	    (from & ADDRESS_MASK) + length >= BPF_CORE_READ(vma, vm_end))
		return 1;
	file = BPF_CORE_READ(vma, vm_file);
	return file && may_be_written(file);
}

/* Marks the record if the bytes that it tells are such. */
static __always_inline void settled_note(struct slot *slot, __u64 from, __u64 length)
{
	if (is_racy(from, length))
		((struct record *)slot->record)->via |= VIA_RACY;
}

#endif
