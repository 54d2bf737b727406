/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.disk: code that is taken from files outside of the system's folders of libraries. */
#include "disk.h"
#include "syscall.h"

#define PROT_EXEC 4
#define MAP_ANONYMOUS 0x20

/*
 * Whether the path of the record begins with /lib or /usr/lib. Of several libraries per program
 * almost all are there, where only root can put files.
 */
static __always_inline int is_of_system(struct disk *disk)
{
	char *path = (char *)(disk + 1);

	if (disk->lengths[DISK_PATH] < sizeof(__u64))
		return 0;
	return *(__u64 *)path == *(__u64 *)"/usr/lib" || *(__u32 *)path == *(__u32 *)"/lib";
}

/* A global function, so that the verifier looks at it once. */
__noinline int map_send(__u64 session, long result)
{
	struct file *file = file_of(syscall_argument(4));
	struct disk *disk;
	struct slot *slot;

	if (!file)
		return 0;
	/* What is of the system is nothing to be left out, and its path tells. */
	slot = disk_claim(session, DISK_MAP, result, syscall_argument(3));
	if (!slot)
		return 0;
	disk = (struct disk *)slot->record;
	disk_walked(slot->index, DISK_PATH, (__u64)&file->f_path);
	/* In a mount namespace of their own, users can put theirs there, too. */
	if ((is_of_system(disk) && !BPF_CORE_READ(file, f_inode, i_uid.val)) ||
	    family_left_out(session, FAMILY_DISK))
		slot_release(slot);
	else
		disk_send(slot, 0);
	return 0;
}

SYSCALL_EXIT(disk_map)
{
	struct process *process;

	if (!(syscall_argument(2) & PROT_EXEC) || syscall_argument(3) & MAP_ANONYMOUS)
		return 0;
	process = recorded_user();
	if (process)
		map_send(process->session, context->result);
	return 0;
}
