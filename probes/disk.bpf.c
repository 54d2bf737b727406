/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.disk: each file that is opened, and each attempt to. */
#include "path.h"
#include "session.h"
#include "syscall.h"

/* The numbers of the calls are different ones on all architectures, so that each tells its call. */
#define X86_OPEN 2
#define X86_CREAT 85
#define OPENAT2 437

/* What was asked for; the path counts from `directory` unless it begins with a slash. */
struct asked {
	int directory;
	__u32 flags;
	unsigned long path;
};

static __always_inline struct asked asked_by(__s64 number)
{
	struct asked asked = {.directory = AT_FDCWD};

	switch (number) {
	case X86_OPEN:
		asked.path = syscall_argument(0);
		asked.flags = syscall_argument(1);
		break;
	case X86_CREAT:
		asked.path = syscall_argument(0);
		asked.flags = O_CREAT | O_WRONLY | O_TRUNC;
		break;
	case OPENAT2:
		asked.directory = syscall_argument(0);
		asked.path = syscall_argument(1);
		/* struct open_how begins with the flags. */
		bpf_probe_read_user(&asked.flags, sizeof(asked.flags), (void *)syscall_argument(2));
		break;
	default:
		asked.directory = syscall_argument(0);
		asked.path = syscall_argument(1);
		asked.flags = syscall_argument(2);
	}
	return asked;
}

/*
 * Whether sshd is about to write there who logged in (`ExposeAuthInfo yes`). The login is complete
 * then, and no program of the user runs yet that could write something else there.
 */
int is_identity(__u64 path)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	char beginning[13];

	if (!is_sshd(task) || bpf_probe_read_user(beginning, sizeof(beginning), (void *)path))
		return 0;
#pragma unroll
	for (__u32 i = 0; i < sizeof(beginning); i++) {
		if (beginning[i] != "/tmp/sshauth."[i])
			return 0;
	}
	return 1;
}

/* From where to walk: the opened file, or else the directory that the typed path counts from. */
static __always_inline struct path *walk_from(long result, struct asked *asked)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct file *file;
	char first = 0;

	if (result < 0) {
		bpf_probe_read_user(&first, sizeof(first), (void *)asked->path);
		if (first == '/')
			return NULL;
		if (asked->directory == AT_FDCWD)
			return &BPF_CORE_READ(task, fs)->pwd;
		result = asked->directory;
	}
	file = file_of(result);
	return file ? &file->f_path : NULL;
}

SEC("tracepoint/syscalls/sys_exit_openat")
int disk_open(struct syscall_exit *context)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct process *process = recorded_process();
	long result = context->result;
	struct asked asked;
	struct path *from;
	struct disk *disk;
	struct slot *slot;
	int identity;
	__u64 at;

	if (!process && (audit_session(task) == AUDIT_UNSET || !is_sshd(task)))
		return 0;
	asked = asked_by(context->number);
	identity = is_identity(asked.path);
	if (!process && identity)
		process = broker_process();
	if (!process || (process->role != ROLE_USER && !identity))
		return 0;
	slot = record_begin(process->session, FAMILY_DISK, KIND_DISK, sizeof(*disk));
	if (!slot)
		return 0;
	disk = (struct disk *)slot->record;
	disk->return_code = result < 0 ? result : 0;
	disk->flags = asked.flags;
	disk->path_notes = 0;
	from = walk_from(result, &asked);
	if (from) {
		walk_path(slot->index, (__u64)from);
		disk->path_notes = slot->walk.notes;
		append_walked(slot);
	}
	if (result < 0 || !from) {
		at = slot->length;
		/* The root directory ends in a slash already. */
		if (from && slot->walk.position != WALK_MAX - 1 && at < RECORD_MAX) {
			slot->record[at] = '/';
			slot->length = at + 1;
		}
		if (append_string(slot, PATH_LENGTH, (void *)asked.path, bpf_probe_read_user_str) <
		    0)
			disk->path_notes |= PATH_CUT;
	}
	disk->path_length = slot->length - sizeof(*disk);
	record_send(slot, &disk_ring, FAMILY_DISK, identity);
	return 0;
}
