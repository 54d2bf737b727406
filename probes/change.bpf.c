/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.disk: what is done to files beside opening them, and each attempt to. */
#include "name.h"
#include "syscall.h"
#include "syscalls.h"

#define UMOUNT_NOFOLLOW 8
#define OPEN_TREE_CLONE 1
#define MOVE_MOUNT_F_SYMLINKS 1
#define MOVE_MOUNT_F_EMPTY_PATH 4
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#define FSPICK_SYMLINK_NOFOLLOW 2
#define FSPICK_EMPTY_PATH 8

/* What a system call does, and which of its arguments is what, counted from 1. */
struct change_call {
	__u8 operation;
	__u8 directory; /* that the path counts from; without a path, the file itself */
	__u8 path;
	__u8 target_directory;
	__u8 target;
	__u8 content; /* of a symbolic link */
	__u8 flags;
	__u8 mode;
	__u8 value; /* of struct disk */
	__u8 owner; /* the group is the next one */
	__u8 name;
	__u8 follows;	    /* whether a link at the end of the path is followed, */
	__u16 other;	    /* unless this flag is given */
	__u16 may_be_empty; /* with this flag, an empty path is the directory itself */
	__u16 target_may_be_empty;
};

/* By number. Those of x86 and of arm64 are different ones, and from 424 on the same. */
static const struct change_call calls[512] = {DISK_CHANGE_CALLS};

/* Beside PATH_FOLLOWED: of an empty path, the descriptor is meant. */
#define MAY_BE_EMPTY 0x10000

static __always_inline __u64 argument(__u8 place)
{
	return place ? syscall_argument(place - 1) : 0;
}

/*
 * A path of the call: as the kernel has taken it, if that is known; of a descriptor where nothing
 * was requested and that may be; else as asked for.
 */
__noinline int path_append(__u32 index, __u64 text, __u8 directory, __u8 path, __u32 notes)
{
	int from = directory ? (int)argument(directory) : AT_FDCWD;
	__u64 requested = argument(path);
	char first = 0;

	if (name_append(index, text, requested))
		return 0;
	bpf_probe_read_user(&first, sizeof(first), (void *)requested);
	if (!path || (!first && notes & MAY_BE_EMPTY))
		return disk_descriptor(index, text, from);
	return disk_asked(index, text, from, requested, notes & PATH_FOLLOWED);
}

static __always_inline __u32 operation_of(const struct change_call *call)
{
	if (call->operation == DISK_UNLINK && argument(call->flags) & AT_REMOVEDIR)
		return DISK_RMDIR;
	return call->operation;
}

/* What a mount that was made is of: its source, where that is a path, and its type. */
__noinline int mount_append(__u32 index, int descriptor)
{
	struct slot *slot = slot_at(index);
	struct file *file = file_of(descriptor);
	struct vfsmount *mount;
	struct mount *made;

	if (!slot || !file)
		return 0;
	mount = BPF_CORE_READ(file, f_path.mnt);
	made = (void *)mount - bpf_core_field_offset(struct mount, mnt);
	slot->names = NAMES_OF_KERNEL;
	disk_string(index, DISK_PATH, (__u64)BPF_CORE_READ(made, mnt_devname));
	disk_string(index, DISK_NAME, (__u64)BPF_CORE_READ(mount, mnt_sb, s_type, name));
	return 0;
}

/* A global function, so that the verifier looks at it once. */
__noinline int change_send(__u64 session, __u64 number, long result, __u32 via)
{
	const struct change_call *call;
	struct disk *disk;
	struct slot *slot;
	__u32 operation;
	__u32 followed;
	__u64 flags;
	__u32 notes;

	if (number >= sizeof(calls) / sizeof(*calls))
		return 0;
	call = &calls[number];
	operation = operation_of(call);
	flags = argument(call->flags);
	slot = disk_begin(session, operation, result, flags);
	if (!slot)
		return 0;
	disk = (struct disk *)slot->record;
	disk->record.via |= via;
	disk->mode = argument(call->mode);
	disk->value = argument(call->value);
	/* A device has 32 bits, and a length all. */
	if (operation == DISK_MKNOD)
		disk->value = (__u32)disk->value;
	if (call->owner) {
		disk->owner = argument(call->owner);
		disk->group = argument(call->owner + 1);
	}
	/* What mount(2) mounts is a path for sure only if it is a place. */
	if (operation == DISK_MOUNT && number != MOVE_MOUNT && !(flags & MOUNT_OF_PLACE)) {
		if (!name_append(slot->index, DISK_PATH, 0))
			disk_string(slot->index, DISK_PATH, argument(call->path));
	} else if (operation == DISK_FSMOUNT) {
		mount_append(slot->index, result);
	} else if (operation == DISK_OPEN_TREE && result >= 0 && !(flags & OPEN_TREE_CLONE)) {
		disk_descriptor(slot->index, DISK_PATH, result);
		disk_requested(slot->index, DISK_PATH, argument(call->path));
	} else {
		followed = call->follows;
		if (flags & call->other)
			followed = !followed;
		notes = followed ? PATH_FOLLOWED : 0;
		if (flags & call->may_be_empty)
			notes |= MAY_BE_EMPTY;
		path_append(slot->index, DISK_PATH, call->directory, call->path, notes);
	}
	if (call->target) {
		notes = operation == DISK_MOUNT ? PATH_FOLLOWED : 0;
		if (flags & call->target_may_be_empty)
			notes |= MAY_BE_EMPTY;
		path_append(slot->index, DISK_TARGET, call->target_directory, call->target, notes);
	} else if (call->content && !name_append(slot->index, DISK_TARGET, 0)) {
		disk_string(slot->index, DISK_TARGET, argument(call->content));
	}
	if (call->name && !name_append(slot->index, DISK_NAME, 0))
		disk_string(slot->index, DISK_NAME, argument(call->name));
	disk_send(slot);
	return 0;
}

SYSCALL_EXIT(disk_change, PROBE_DISK_CHANGE)
{
	struct process *process = recorded_user(context->process);

	if (!process)
		return 0;
	change_send(process->session, context->number, context->result, context->via);
	names_forget();
	return 0;
}

/*
 * At the functions that ask the security modules: in them, the kernel has looked up the names. Of
 * a call of 32 bits the end may not be seen, which would leave what is noted behind.
 */
static __always_inline int name_look(__u64 *context)
{
	struct process *process = known_process();
	__u64 arguments[4];
	__u64 number;

	if (!process || !process->session || process->role != ROLE_USER || is_32_bit())
		return 0;
	number = syscall_number();
	/* A file that is opened or a socket that is bound may be made here as well. */
	if (number >= sizeof(calls) / sizeof(*calls) || !calls[number].operation)
		return 0;
	/* By reading: as members of the context there are only those that the function has. */
	bpf_probe_read_kernel(arguments, sizeof(arguments), context);
	names_note(operation_of(&calls[number]), arguments[0], arguments[1], arguments[2],
		   arguments[3]);
	return 0;
}

SEC("fexit/security_path")
int disk_name(__u64 *context)
{
	return RUN(name_look(context));
}
