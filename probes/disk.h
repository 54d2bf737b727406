/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * The record of a file operation, however a probe learns of it: disk_begin, its paths in the order
 * of enum disk_text, disk_send.
 */
#ifndef DISK_H
#define DISK_H

#include "hold.h"
#include "path.h"
#include "session.h"
#include "settled.h"

#define X86_O_LARGEFILE 0100000
#define ARM64_O_LARGEFILE 0400000

/* The flag that the kernel itself adds to those of an open. */
static __always_inline __u32 large_file(void)
{
	struct pt_regs___arm64 *arm64 = NULL;

	return bpf_core_field_exists(arm64->orig_x0) ? ARM64_O_LARGEFILE : X86_O_LARGEFILE;
}

/* Paths of more than this are sent twice where they are the same; the daemon sees that they are. */
#define SAME_MOST 512

static __always_inline int disk_excluded(__u64 session, __u32 operation)
{
	return family_excluded(session, FAMILY_DISK) ||
	       operation_excluded(session, FAMILY_DISK, operation);
}

/* Starts the record in a slot. */
static __always_inline void disk_start(struct slot *slot, __u64 session, __u32 operation,
				       long result, __u32 flags)
{
	struct disk *disk = (struct disk *)slot->record;

	record_start(slot, session, KIND_DISK, sizeof(*disk), 1);
	__builtin_memset((void *)disk + sizeof(disk->record), 0,
			 sizeof(*disk) - sizeof(disk->record));
	disk->return_code = result < 0 ? result : 0;
	disk->flags = flags;
	disk->operation = operation;
}

/* Starts a file operation in a slot of its own, for what has to be told, whatever is excluded. */
static __always_inline struct slot *disk_claim(__u64 session, __u32 operation, long result,
					       __u32 flags)
{
	struct slot *slot = slot_for(session, FAMILY_DISK);

	if (slot)
		disk_start(slot, session, operation, result, flags);
	return slot;
}

static __always_inline struct slot *disk_begin(__u64 session, __u32 operation, long result,
					       __u32 flags)
{
	if (disk_excluded(session, operation))
		return NULL;
	return disk_claim(session, operation, result, flags);
}

/* All records of file operations go this way. */
static __always_inline void disk_send(struct slot *slot)
{
	struct disk *disk = (struct disk *)slot->record;
	__u64 session = disk->record.session;

	if (operation_excluded(session, FAMILY_DISK, disk->operation) ||
	    path_excluded(session, slot->index)) {
		slot_release(slot);
		return;
	}
	act_send(slot, &disk_ring, FAMILY_DISK, 0);
}

/* `text` is that of a path: DISK_PATH or DISK_TARGET. */
static __always_inline void disk_note(struct disk *disk, __u64 text, __u16 notes)
{
	if (text == DISK_PATH)
		disk->path_notes |= notes;
	else
		disk->target_notes |= notes;
}

/* Appends a name as it was given; returns its length, or a negative error. */
static __always_inline long append_name(struct slot *slot, __u64 from)
{
	if (slot->names == NAMES_OF_KERNEL)
		return append_string(slot, PATH_LENGTH, (void *)from, bpf_probe_read_kernel_str);
	return append_string(slot, PATH_LENGTH, (void *)from, bpf_probe_read_user_str);
}

/*
 * The length of a string, to read or to write. The index is bounded right where it is used: older
 * kernels forget the bounds of what was put aside in between.
 */
#define disk_length(disk, text)                                                                    \
	(*({                                                                                       \
		__u64 text_ = (text);                                                              \
		barrier_var(text_);                                                                \
		&(disk)->lengths[text_ < DISK_TEXT_COUNT ? text_ : 0];                             \
	}))

/* The path of a file that there is, from its struct path. */
__noinline int disk_walked(__u32 index, __u64 text, __u64 from)
{
	struct slot *slot = slot_at(index);
	struct disk *disk;

	if (!slot)
		return 0;
	disk = (struct disk *)slot->record;
	walk_path(index, from);
	disk_note(disk, text, slot->walk.notes);
	disk_length(disk, text) = append_walked(slot);
	return 0;
}

/* Appends the path of an open file, or of the working directory. */
__noinline int disk_descriptor(__u32 index, __u64 text, int descriptor)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct slot *slot = slot_at(index);
	struct file *file;

	if (descriptor == AT_FDCWD)
		return disk_walked(index, text, (__u64)&BPF_CORE_READ(task, fs)->pwd);
	file = file_of(descriptor);
	if (file)
		return disk_walked(index, text, (__u64)&file->f_path);
	if (slot)
		disk_note((struct disk *)slot->record, text, PATH_RELATIVE);
	return 0;
}

/* A string as it was given. */
__noinline int disk_string(__u32 index, __u64 text, __u64 from)
{
	struct slot *slot = slot_at(index);
	struct disk *disk;
	long length;

	if (!slot)
		return 0;
	disk = (struct disk *)slot->record;
	length = append_name(slot, from);
	if (length <= 0)
		return 0;
	disk_length(disk, text) = length;
	if (slot->names != NAMES_OF_PROGRAM || !is_racy(from, length))
		return 0;
	if (text == DISK_NAME)
		disk->record.via |= VIA_RACY;
	else
		disk_note(disk, text, PATH_RACY);
	return 0;
}

/* Whether eight bytes of the record are the same in two places. */
__noinline int same_word(__u32 index, __u64 one, __u64 other)
{
	struct slot *slot = slot_at(index);
	__u64 *first, *second;

	if (!slot || one > RECORD_MAX - sizeof(__u64) || other > RECORD_MAX - sizeof(__u64))
		return 0;
	first = (void *)&slot->record[one];
	second = (void *)&slot->record[other];
	return *first == *second;
}

/* Whether two strings of `length` bytes, from eight to SAME_MOST, are the same in the record. */
static __always_inline int same_bytes(__u32 index, __u64 one, __u64 other, __u64 length)
{
	/* Unrolled in part: the verifier goes through each round. */
#pragma unroll 8
	for (__u64 at = 0; at < SAME_MOST; at += sizeof(__u64)) {
		if (at + sizeof(__u64) >= length)
			break;
		if (!same_word(index, one + at, other + at))
			return 0;
	}
	length -= sizeof(__u64);
	return same_word(index, one + length, other + length);
}

/* What was requested for the path `text`, which was walked just before, where that is not the same.
 */
__noinline int disk_requested(__u32 index, __u64 text, __u64 requested)
{
	struct slot *slot = slot_at(index);
	struct disk *disk;
	long length;
	__u64 at;

	if (!slot)
		return 0;
	disk = (struct disk *)slot->record;
	at = slot->length;
	length = append_name(slot, requested);
	if (length <= 0)
		return 0;
	if (length == disk_length(disk, text) && length >= (long)sizeof(__u64) &&
	    length <= SAME_MOST && same_bytes(index, at - length, at, length))
		slot->length = at;
	else
		disk_length(disk, text + 1) = length;
	return 0;
}

/*
 * A path as it was asked for: what was requested, after the directory it counts from. `notes` is 0,
 * or PATH_FOLLOWED.
 */
__noinline int disk_asked(__u32 index, __u64 text, int directory, __u64 requested, __u32 notes)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct slot *slot = slot_at(index);
	__u64 from = (__u64)&fs->root;
	struct disk *disk;
	struct file *file;
	long length;
	char first = 0;
	__u64 begin, at;

	if (!slot)
		return 0;
	disk = (struct disk *)slot->record;
	begin = slot->length;
	notes |= PATH_REQUESTED;
	if (slot->names == NAMES_OF_KERNEL)
		bpf_probe_read_kernel(&first, sizeof(first), (void *)requested);
	else
		bpf_probe_read_user(&first, sizeof(first), (void *)requested);
	walk_path(index, from);
	if (!is_at_root(slot))
		notes |= PATH_CHROOT;
	if (first != '/') {
		from = (__u64)&fs->pwd;
		if (directory != AT_FDCWD) {
			file = file_of(directory);
			from = file ? (__u64)&file->f_path : 0;
		}
		if (from)
			walk_path(index, from);
		else
			notes |= PATH_RELATIVE;
	}
	if (from) {
		notes |= slot->walk.notes;
		/* The root directory is the slash that the rest begins with. */
		if (!is_at_root(slot))
			append_walked(slot);
		at = slot->length;
		/* Nor is there a slash where nothing is known of what is in front. */
		if (first != '/' && at < RECORD_MAX && slot->walk.position != WALK_MAX) {
			slot->record[at] = '/';
			slot->length = at + 1;
		}
	}
	length = append_name(slot, requested);
	if (length < 0)
		notes |= PATH_CUT;
	else
		disk_length(disk, text + 1) = length;
	if (length > 0 && slot->names == NAMES_OF_PROGRAM && is_racy(requested, length))
		notes |= PATH_RACY;
	disk_note(disk, text, notes);
	disk_length(disk, text) = slot->length - begin;
	return 0;
}

#endif
