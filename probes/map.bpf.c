/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * session.disk: code that is taken from files outside of the system's folders of libraries, and
 * memory without a file that becomes code.
 */
#include "disk.h"
#include "syscall.h"
#include "syscalls.h"
#include "vma.h"

#define PROT_READ 1
#define PROT_EXEC 4
#define MAP_ANONYMOUS 0x20
#define SHM_EXEC 0100000
#define READ_IMPLIES_EXEC 0x400000

/* How many mappings of a call that changes several are looked at. */
#define MAPPINGS 64
#define MAPPINGS_PART 8

/*
 * Whether the walked path begins with /lib or /usr/lib. Of several libraries per program almost all
 * are there, where only root can put files.
 */
static __always_inline int is_of_system(struct slot *slot)
{
	__u64 position = slot->walk.position;
	char *path;

	if (position > WALK_MAX - sizeof(__u64))
		return 0;
	path = &slot->path[position];
	return *(__u64 *)path == *(__u64 *)"/usr/lib" || *(__u32 *)path == *(__u32 *)"/lib";
}

/* Whether only root can have arranged what the current process finds in its tree of mounts. */
static __always_inline int is_in_tree_of_root(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct user_namespace *owner = BPF_CORE_READ(task, nsproxy, mnt_ns, user_ns);

	return owner && !BPF_CORE_READ(owner, parent);
}

static __always_inline __u64 mapped_path(struct file *file)
{
	struct backing_file *backing = (void *)file;
	__u32 mode = BPF_CORE_READ(file, f_mode);

	if (bpf_core_field_exists(backing->user_path) && mode & FMODE_BACKING &&
	    mode & FMODE_NOACCOUNT)
		return (__u64)&backing->user_path;
	return (__u64)&file->f_path;
}

/* An operation with what is to be said of how it was seen: functions take five arguments. */
#define CODE_BY(via, operation) ((via) << 16 | (operation))

/* A global function, so that the verifier looks at it once. */
__noinline int code_send(__u64 session, __u64 from, __u32 seen, __u32 flags, long result)
{
	struct file *file = (void *)from;
	struct slot *slot = slot_for(session, FAMILY_DISK);
	struct disk *disk;

	if (!slot)
		return 0;
	/* What is of the system is nothing to be left out, and its path tells. */
	walk_path(slot->index, mapped_path(file));
	/* In a tree of mounts of their own, users can put theirs there, too, also as root's. */
	if ((is_of_system(slot) && is_in_tree_of_root() &&
	     !BPF_CORE_READ(file, f_inode, i_uid.val)) ||
	    family_excluded(session, FAMILY_DISK)) {
		slot_release(slot);
		return 0;
	}
	disk_start(slot, session, (seen & 0xffff), result, flags);
	disk = (struct disk *)slot->record;
	disk->record.via |= seen >> 16;
	disk->path_notes = slot->walk.notes;
	disk->lengths[DISK_PATH] = append_walked(slot);
	disk_send(slot);
	return 0;
}

/* Tells of executable memory without a file: once for each program, since some compile what they
 * run. */
__noinline int memory_send(__u64 session, __u32 operation, __u32 flags, long result, __u32 via)
{
	struct process *process = known_process();
	struct slot *slot;

	if (!process || process->code_told)
		return 0;
	process->code_told = 1;
	slot = disk_begin(session, operation, result, flags);
	if (!slot)
		return 0;
	disk_note((struct disk *)slot->record, DISK_PATH, PATH_NONE);
	((struct disk *)slot->record)->record.via |= via;
	disk_send(slot);
	return 0;
}

/* Tells of the mapping at `address`; returns where it ends, or 0 where there is none. */
__u64 mapping_send(__u64 session, __u64 address, long result, __u32 via)
{
	struct vm_area_struct *vma = (void *)vma_at(address);
	struct file *file;

	if (!vma)
		return 0;
	file = BPF_CORE_READ(vma, vm_file);
	if (file)
		code_send(session, (__u64)file, CODE_BY(via, DISK_PROTECT), 0, result);
	else
		memory_send(session, DISK_PROTECT, 0, result, via);
	return BPF_CORE_READ(vma, vm_end);
}

/* Tells of some mappings up to `end`, and where the next one begins; 0 as well where there are no
 * more. */
__noinline __u64 mappings_send(__u64 session, __u64 address, __u64 end, long result, __u32 via)
{
#pragma nounroll
	for (__u32 i = 0; i < MAPPINGS_PART; i++) {
		address = mapping_send(session, address, result, via);
		if (address >= end)
			return 0;
		if (!address)
			break;
	}
	return address;
}

static __always_inline int protect_end(__u64 session, long result, __u32 via)
{
	__u64 address = syscall_argument(0) & ADDRESS_MASK;
	__u64 end = address + syscall_argument(1);

#pragma nounroll
	for (__u32 i = 0; i < MAPPINGS; i += MAPPINGS_PART) {
		address = mappings_send(session, address, end, result, via);
		if (!address)
			break;
	}
	return 0;
}

/* Of what was mapped, the mapping tells the file; of what was refused, the descriptor. */
static __always_inline int map_end(__u64 session, __u32 flags, int descriptor, long result,
				   __u32 via)
{
	struct vm_area_struct *vma = result < 0 ? NULL : (void *)vma_at(result);
	struct file *file = vma ? BPF_CORE_READ(vma, vm_file) : file_of(descriptor);

	if (file)
		code_send(session, (__u64)file, CODE_BY(via, DISK_MAP), flags, result);
	return 0;
}

static __always_inline int is_executed(__u64 rights)
{
	return rights & PROT_EXEC ||
	       (rights & PROT_READ && member(current_task(), personality) & READ_IMPLIES_EXEC);
}

/* A global function, so that the verifier looks at it once. */
__noinline int memory_end(__u64 session, __u32 number, long result, __u32 via)
{
	__u32 flags = syscall_argument(number == X86_SHMAT || number == ARM64_SHMAT ? 2 : 3);

	switch (number) {
	case X86_MMAP:
	case ARM64_MMAP:
		if (flags & MAP_ANONYMOUS)
			return memory_send(session, DISK_MAP, flags, result, via);
		return map_end(session, flags, syscall_argument(4), result, via);
	case X86_SHMAT:
	case ARM64_SHMAT:
		/* ipc has put the address into memory. */
		if (is_32_bit() && !result)
			result = syscall_argument(3);
		return map_end(session, flags, -1, result, via);
	/* mprotect and pkey_mprotect. */
	default:
		return protect_end(session, result, via);
	}
}

/* shmat has its rights where mmap and mprotect have theirs, in another bit. */
static __always_inline int may_be_executed(struct pt_regs *registers)
{
	return is_obscure() || argument_in(registers, 2, 1) & (PROT_EXEC | SHM_EXEC) ||
	       current_task()->personality & READ_IMPLIES_EXEC;
}

SYSCALL_EXIT_IF(disk_map, PROBE_DISK_MAP, may_be_executed)
{
	struct process *process = recorded_user(context->process);
	long number = context->number;
	__u64 rights;

	if (!process)
		return 0;
	rights = exit_argument(context, 2);
	if (number == X86_SHMAT || number == ARM64_SHMAT)
		rights = rights & SHM_EXEC ? PROT_EXEC : PROT_READ;
	if (is_executed(rights))
		memory_end(process->session, number, context->result, context->via);
	return 0;
}
