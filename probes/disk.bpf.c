/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.disk: each file that is opened, and each attempt to. */
#include "disk.h"
#include "syscall.h"
#include "syscalls.h"

/* What was asked for; the path, if any, counts from `directory` unless it begins with a slash. */
struct asked {
	int directory;
	__u32 flags;
	unsigned long path;
	__u32 mode;
};

static __always_inline struct asked asked_by(__s32 number)
{
	struct pt_regs *registers = user_registers();
	struct asked asked = {.directory = AT_FDCWD};
	int is_compat = is_32_bit();
	unsigned long how;

	switch (number) {
	case X86_OPEN:
		asked.path = argument_at(registers, is_compat, 0);
		asked.flags = argument_at(registers, is_compat, 1);
		asked.mode = argument_at(registers, is_compat, 2);
		break;
	case X86_CREAT:
		asked.path = argument_at(registers, is_compat, 0);
		asked.mode = argument_at(registers, is_compat, 1);
		asked.flags = O_CREAT | O_WRONLY | O_TRUNC;
		break;
	case OPENAT2:
		asked.directory = argument_at(registers, is_compat, 0);
		asked.path = argument_at(registers, is_compat, 1);
		how = argument_at(registers, is_compat, 2);
		/* struct open_how begins with flags and mode, of eight bytes each. */
		bpf_probe_read_user(&asked.flags, sizeof(asked.flags), (void *)how);
		bpf_probe_read_user(&asked.mode, sizeof(asked.mode), (void *)how + sizeof(__u64));
		break;
	case X86_OPEN_BY_HANDLE_AT:
	case ARM64_OPEN_BY_HANDLE_AT:
		asked.flags = argument_at(registers, is_compat, 2);
		break;
	default:
		asked.directory = argument_at(registers, is_compat, 0);
		asked.path = argument_at(registers, is_compat, 1);
		asked.flags = argument_at(registers, is_compat, 2);
		asked.mode = argument_at(registers, is_compat, 3);
	}
	return asked;
}

/* Those that the kernel forgets when the file is open, and the one that it adds itself. */
#define FLAGS_OF_OPENING (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC)

/*
 * The flags of a call that has them in memory: as the open file has them, and of those that only
 * count while it is opened, as they stand there now.
 */
__noinline __u32 flags_taken(__u64 file, __u32 asked)
{
	__u32 apart = FLAGS_OF_OPENING | large_file();

	return (BPF_CORE_READ((struct file *)file, f_flags) & ~apart) | (asked & apart);
}

/* A global function, so that the verifier looks at it once, whatever was found out before. */
__noinline int open_send(__u64 session, __s32 number, long result, __u32 via)
{
	struct asked asked = asked_by(number);
	__u32 operation = DISK_OPEN, mode = 0;
	struct file *file = NULL;
	struct disk *disk;
	struct slot *slot;

	if (result >= 0)
		file = file_of(result);
	if (file)
		mode = BPF_CORE_READ(file, f_mode);
	if (mode & FMODE_WRITE)
		job_note(session, file);
	if (file && number == OPENAT2)
		asked.flags = flags_taken((__u64)file, asked.flags);
	if (mode & FMODE_CREATED || (file && asked.flags & O_TMPFILE_BIT))
		operation = DISK_CREATE;
	slot = disk_begin(session, operation, result, asked.flags);
	if (!slot)
		return 0;
	disk = (struct disk *)slot->record;
	disk->record.via |= via;
	if (number == OPENAT2)
		settled_note(slot, syscall_argument(2), 2 * sizeof(__u64));
	if (operation == DISK_CREATE)
		disk->mode = asked.mode;
	if (file) {
		disk_walked(slot->index, DISK_PATH, (__u64)&file->f_path);
		if (asked.path)
			disk_requested(slot->index, DISK_PATH, asked.path);
	} else if (asked.path) {
		disk_asked(slot->index, DISK_PATH, asked.directory, asked.path, PATH_FOLLOWED);
	} else {
		disk_note(disk, DISK_PATH, PATH_RELATIVE);
	}
	disk_send(slot);
	return 0;
}

SYSCALL_EXIT(disk_open, PROBE_DISK_OPEN)
{
	struct process *process = recorded_user(context->process);

	if (process)
		open_send(process->session, context->number, context->result, context->via);
	return 0;
}
