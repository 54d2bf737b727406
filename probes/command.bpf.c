/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.command: each program that is run, and each attempt to. */
#include "path.h"
#include "session.h"
#include "syscall.h"

#define ARGV_LENGTH 8192
#define ARGV_COUNT 256

/* The environment that sshd gave the session's first program: it names the identity and the login.
 */
static __noinline int environment_send(struct process *process)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct session *session = bpf_map_lookup_elem(&sessions, &process->session);
	struct environment *environment;
	unsigned long start, length;
	struct slot *slot;

	if (!session || session->environment_sent)
		return 0;
	session->environment_sent = 1;
	slot =
	    record_begin(process->session, FAMILY_SESSION, KIND_ENVIRONMENT, sizeof(*environment));
	if (!slot)
		return 0;
	environment = (struct environment *)slot->record;
	start = BPF_CORE_READ(task, mm, env_start);
	length = BPF_CORE_READ(task, mm, env_end) - start;
	if (length > ARGV_LENGTH)
		length = ARGV_LENGTH;
	if (bpf_probe_read_user(slot->record + sizeof(*environment), length, (void *)start))
		length = 0;
	environment->environment_length = length;
	slot->length = sizeof(*environment) + length;
	record_send(slot, &session_ring, FAMILY_SESSION);
	return 0;
}

static __always_inline void command_fill(struct command *command, struct task_struct *task)
{
	struct tty_struct *tty = BPF_CORE_READ(task, signal, tty);

	command->parent_pid = BPF_CORE_READ(task, real_parent, tgid);
	command->path_length = 0;
	command->argv_length = 0;
	command->argv_missing = 0;
	command->has_terminal = !!tty;
	command->rows = tty ? BPF_CORE_READ(tty, winsize.ws_row) : 0;
	command->columns = tty ? BPF_CORE_READ(tty, winsize.ws_col) : 0;
}

SEC("tp_btf/sched_process_exec")
int command_exec(__u64 *context)
{
	struct task_struct *task = (void *)context[0];
	struct linux_binprm *binprm = (void *)context[2];
	struct process *process = recorded_user();
	unsigned long start, length;
	struct command *command;
	struct slot *slot;
	long path_length;
	__u64 at;

	if (!process)
		return 0;
	environment_send(process);
	slot = record_begin(process->session, FAMILY_COMMAND, KIND_COMMAND, sizeof(*command));
	if (!slot)
		return 0;
	command = (struct command *)slot->record;
	command_fill(command, task);
	command->return_code = 0;
	path_length = append_string(slot, PATH_LENGTH, BPF_CORE_READ(binprm, filename),
				    bpf_probe_read_kernel_str);
	if (path_length > 0)
		command->path_length = path_length;
	/* The arguments on the new stack: complete, and not yet the program's to change. */
	start = BPF_CORE_READ(task, mm, arg_start);
	length = BPF_CORE_READ(task, mm, arg_end) - start;
	at = slot->length;
	if (at <= RECORD_MAX - ARGV_LENGTH) {
		unsigned long here = length > ARGV_LENGTH ? ARGV_LENGTH : length;

		if (bpf_probe_read_user(&slot->record[at], here, (void *)start)) {
			lose(process->session, FAMILY_COMMAND, LOSS_READ_FAULT);
			here = 0;
		}
		command->argv_length = here;
		command->argv_missing = length - here;
		slot->length = at + here;
	}
	record_send(slot, &command_ring, FAMILY_COMMAND);
	return 0;
}

/* One argument of an exec that failed; 0 where there is none. */
int argument_append(__u32 index, __u64 argv, __u32 number)
{
	struct slot *slot = slot_at(index);
	struct command *command;
	__u64 from = 0;
	long length;
	__u64 at;

	if (!slot ||
	    bpf_probe_read_user(&from, sizeof(from), (void *)(argv + number * sizeof(from))) ||
	    !from)
		return 0;
	command = (struct command *)slot->record;
	at = slot->length;
	if (at > RECORD_MAX - PATH_LENGTH) {
		command->argv_missing = 1;
		return 0;
	}
	length = bpf_probe_read_user_str(&slot->record[at], PATH_LENGTH, (void *)from);
	if (length <= 0) {
		command->argv_missing = 1;
		return 0;
	}
	slot->length = at + length;
	command->argv_length += length;
	return 1;
}

/* The number of execveat, whose path is its second argument, on each architecture. */
#define X86_EXECVEAT 322
#define ARM64_EXECVEAT 281

SEC("tracepoint/syscalls/sys_exit_execve")
int command_failed(struct syscall_exit *context)
{
	int path = context->number == X86_EXECVEAT || context->number == ARM64_EXECVEAT;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct process *process;
	struct command *command;
	unsigned long argv;
	struct slot *slot;
	long path_length;

	if (context->result >= 0)
		return 0;
	process = recorded_user();
	if (!process)
		return 0;
	slot = record_begin(process->session, FAMILY_COMMAND, KIND_COMMAND, sizeof(*command));
	if (!slot)
		return 0;
	command = (struct command *)slot->record;
	command_fill(command, task);
	command->return_code = context->result;
	path_length = append_string(slot, PATH_LENGTH, (void *)syscall_argument(path),
				    bpf_probe_read_user_str);
	if (path_length > 0)
		command->path_length = path_length;
	argv = syscall_argument(path + 1);
	for (int i = 0; i < ARGV_COUNT; i++) {
		if (!argument_append(slot->index, argv, i))
			break;
	}
	record_send(slot, &command_ring, FAMILY_COMMAND);
	return 0;
}
