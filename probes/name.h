/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * The names that the kernel takes in a call that changes files: noted inside of it, where they have
 * been looked up, and told at its end.
 */
#ifndef NAME_H
#define NAME_H

#include "disk.h"
#include "process.h"
#include "share.h"
#include "syscall.h"
#include "syscalls.h"

/* Flags of mount(2) by which what is mounted is a place: MS_BIND and MS_MOVE. */
#define MOUNT_OF_PLACE (4096 | 8192)

/* The most that is kept of a call: what is longer is told as it was requested. */
#define NAMES_LENGTH 4096

/* The beginning of a record of a file operation, and its paths. */
struct names_taken {
	struct disk disk;
	char paths[NAMES_LENGTH - sizeof(struct disk)];
};

#define NAMES_SIZE 512

/* Calls under way, by thread. Where it is full, or a share of it is, names are told as they were
 * requested. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NAMES_SIZE);
	__type(key, __u64);
	__type(value, struct names_taken);
} names_taken SEC(".maps");

static __always_inline void names_forget(void)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct names_taken *taken = bpf_map_lookup_elem(&names_taken, &thread);
	__u64 session;
	__u32 uid;

	/* To look takes no lock, as it does to remove. */
	if (!taken)
		return;
	session = taken->disk.record.session;
	uid = taken->disk.owner;
	if (!(int)bpf_map_delete_elem(&names_taken, &thread))
		share_give(session, uid, TABLE_NAMES);
}

/* The mount that a struct path is in, as the number that global functions take. */
static __always_inline __u64 mount_of(__u64 path)
{
	return (__u64)BPF_CORE_READ((struct path *)path, mnt);
}

/* The path of an entry of a folder, which may not be there yet, or not any more. */
__noinline int name_walked(__u32 index, __u64 text, __u64 mount, __u64 dentry)
{
	struct slot *slot = slot_at(index);
	struct disk *disk;

	if (!slot)
		return 0;
	disk = (struct disk *)slot->record;
	walk_from(index, mount, dentry, TRUST_OWN);
	disk_note(disk, text, slot->walk.notes & ~PATH_DELETED);
	disk_length(disk, text) = append_walked(slot);
	return 0;
}

/*
 * Notes what the kernel has looked up for an operation, from the arguments of the function that
 * allows it (security_path_unlink and the like).
 */
__noinline int names_note(__u64 operation, __u64 first, __u64 second, __u64 third, __u64 fourth)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct process *process = known_process();
	struct slot *slot;
	struct disk *disk;

	if (!process)
		return 0;
	/* Of a call before, whose end was not seen. */
	names_forget();
	slot = slot_claim(process->session);
	if (!slot)
		return 0;
	disk = (struct disk *)slot->record;
	__builtin_memset(disk, 0, sizeof(*disk));
	disk->record.session = process->session;
	/* Whose share it is of. */
	disk->owner = account_of(process->session);
	disk->operation = operation;
	slot->length = sizeof(*disk);
	slot->names = NAMES_OF_KERNEL;
	switch (operation) {
	case DISK_RENAME:
		name_walked(slot->index, DISK_PATH, mount_of(first), second);
		name_walked(slot->index, DISK_TARGET, mount_of(third), fourth);
		break;
	case DISK_LINK:
		/* Both are in the same mount. */
		name_walked(slot->index, DISK_PATH, mount_of(second), first);
		name_walked(slot->index, DISK_TARGET, mount_of(second), third);
		break;
	case DISK_SYMLINK:
		name_walked(slot->index, DISK_PATH, mount_of(first), second);
		disk_string(slot->index, DISK_TARGET, third);
		break;
	case DISK_MOUNT:
		/* What move_mount takes, its end tells: it is in its place then. */
		if (syscall_number() != MOVE_MOUNT && !(fourth & MOUNT_OF_PLACE))
			disk_string(slot->index, DISK_PATH, first);
		else if (syscall_number() != MOVE_MOUNT)
			disk_asked(slot->index, DISK_PATH, AT_FDCWD, first, PATH_FOLLOWED);
		disk_walked(slot->index, DISK_TARGET, second);
		if (syscall_number() != MOVE_MOUNT)
			disk_string(slot->index, DISK_NAME, third);
		break;
	case DISK_UMOUNT:
		name_walked(slot->index, DISK_PATH, first,
			    (__u64)BPF_CORE_READ((struct vfsmount *)first, mnt_root));
		break;
	case DISK_CHMOD:
	case DISK_CHOWN:
	case DISK_TRUNCATE:
		disk_walked(slot->index, DISK_PATH, first);
		break;
	default:
		name_walked(slot->index, DISK_PATH, mount_of(first), second);
	}
	if (slot->length <= NAMES_LENGTH &&
	    share_take(disk->record.session, disk->owner, TABLE_NAMES, NAMES_SIZE) &&
	    bpf_map_update_elem(&names_taken, &thread, slot->record, BPF_NOEXIST))
		share_give(disk->record.session, disk->owner, TABLE_NAMES);
	slot_release(slot);
	return 0;
}

/*
 * Appends a name that the kernel has taken in this call, and what was requested for it; tells
 * whether it is known.
 */
__noinline int name_append(__u32 index, __u64 text, __u64 requested)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct names_taken *taken = bpf_map_lookup_elem(&names_taken, &thread);
	struct slot *slot = slot_at(index);
	struct disk *disk;
	__u64 length, at;
	__u32 notes;
	void *from;
	long given;

	if (!slot || !taken)
		return 0;
	disk = (struct disk *)slot->record;
	from = taken->paths;
	length = disk_length(&taken->disk, text);
	if (text >= DISK_TARGET)
		from += taken->disk.lengths[DISK_PATH] & (NAMES_LENGTH - 1);
	if (text == DISK_NAME)
		from += taken->disk.lengths[DISK_TARGET] & (NAMES_LENGTH - 1);
	at = slot->length;
	if (taken->disk.operation != disk->operation || !length || length > NAMES_LENGTH ||
	    at > RECORD_MAX - NAMES_LENGTH)
		return 0;
	bpf_probe_read_kernel(&slot->record[at], length, from);
	slot->length = at + length;
	disk_length(disk, text) = length;
	if (text == DISK_NAME)
		return 1;
	notes = text == DISK_PATH ? taken->disk.path_notes : taken->disk.target_notes;
	disk_note(disk, text, notes);
	/* It ends in what was requested. */
	if (notes & PATH_REQUESTED) {
		disk_length(disk, text + 1) = disk_length(&taken->disk, text + 1);
		return 1;
	}
	given = requested ? append_name(slot, requested) : 0;
	if (given > 0)
		disk_length(disk, text + 1) = given;
	return 1;
}

#endif
