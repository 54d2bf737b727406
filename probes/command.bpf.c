/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.command: each program that is run, and each attempt to. */
#include "path.h"
#include "privilege.h"
#include "session.h"
#include "settled.h"
#include "syscall.h"
#include "syscalls.h"
#include "unit.h"

/* The first part of the arguments (ARGV_FIRST) is sent with the command, the others before it. */
#define ARGV_PART 16384
/* The kernel takes at most a quarter of the stack's limit, and never more than 6 MiB. */
#define ARGV_PARTS 400
#define ARGV_SOME 20

/* How many arguments are read of an exec that failed. */
#define ARGV_COUNT 256
#define ARGV_AT_ONCE 16

/* How much of the environment is looked at: so many parts of WALK_MAX bytes, some words at once. */
#define ENVIRONMENT_PARTS 64
#define WORDS_AT_ONCE 16

/* The highest bit of each byte of a word. */
#define HIGH_BITS 0x8080808080808080ULL

/* The most of the environment that is read for what sshd says in it. */
#define ENVIRONMENT_LENGTH 8192

/*
 * The environment that sshd gave the session's first program: it names the identity and the login.
 * Tells whether this is that program.
 */
__noinline int environment_send(__u64 key)
{
	struct session *session = bpf_map_lookup_elem(&sessions, &key);
	struct task_struct *task = (void *)bpf_get_current_task();
	struct environment *environment;
	unsigned long start, length;
	struct slot *slot;

	if (!session || session->environment_sent)
		return 0;
	session->environment_sent = 1;
	slot = record_begin(key, FAMILY_SESSION, KIND_ENVIRONMENT, sizeof(*environment));
	if (!slot)
		return 1;
	environment = (struct environment *)slot->record;
	start = BPF_CORE_READ(task, mm, env_start);
	length = BPF_CORE_READ(task, mm, env_end) - start;
	if (length > ENVIRONMENT_LENGTH)
		length = ENVIRONMENT_LENGTH;
	if (bpf_probe_read_user(slot->record + sizeof(*environment), length, (void *)start))
		length = 0;
	environment->environment_length = length;
	slot->length = sizeof(*environment) + length;
	record_send(slot, &session_ring, FAMILY_SESSION, 1);
	return 1;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct variables);
} variables SEC(".maps");

/* Whether the variable that begins with these words is to be recorded. */
static __always_inline int is_wanted(const __u64 *begins)
{
	__u32 zero = 0;
	struct variables *all = bpf_map_lookup_elem(&variables, &zero);

	for (int i = 0; all && i < VARIABLE_COUNT; i++) {
		struct variable *wanted = &all->wanted[i];
		__u64 difference = (begins[0] & wanted->mask[0]) ^ wanted->name[0];

		if (!wanted->mask[0])
			break;
		if (difference)
			continue;
		for (int word = 1; word < VARIABLE_WORDS; word++)
			difference |= (begins[word] & wanted->mask[word]) ^ wanted->name[word];
		if (!difference)
			return 1;
	}
	return 0;
}

/* In which sshd puts what the client asked for, if it runs something else: SSH_ORIGINAL_COMMAND=.
 */
#define REQUESTED_NAME 21
#define REQUESTED_MAX 8192

static __always_inline int is_requested(const __u64 *begins)
{
	return begins[0] == 0x4749524f5f485353ULL && begins[1] == 0x4d4f435f4c414e49ULL &&
	       FIRST(begins[2], 5) == 0x3d444e414dULL;
}

/* Appends the variable at `from` if it is wanted; its beginning is at `at` in the slot's path. */
__noinline int variable_append(__u32 index, __u64 at, __u64 from)
{
	struct slot *slot = slot_at(index);
	struct command *command;
	long length;
	__u64 to;

	if (!slot || at > WALK_MAX)
		return 0;
	command = (struct command *)slot->record;
	if (command->marks & COMMAND_CHANNEL && is_requested((__u64 *)&slot->path[at]))
		slot->requested = from + REQUESTED_NAME;
	if (!is_wanted((__u64 *)&slot->path[at]))
		return 0;
	to = slot->length;
	/* The arguments must find room behind it. */
	if (to > RECORD_MAX - ARGV_FIRST - PATH_LENGTH) {
		command->marks |= COMMAND_ENVIRONMENT_PARTIAL;
		return 0;
	}
	length = bpf_probe_read_user_str(&slot->record[to], PATH_LENGTH, (void *)from);
	if (length > 0) {
		slot->length = to + length;
		command->lengths[TEXT_ENVIRONMENT] += length;
	}
	return 0;
}

/* Appends the wanted variables that begin behind one of the eight bytes at `at`, which are at
 * `from`. */
__noinline int word_append(__u32 index, __u64 at, __u64 from, __u64 end)
{
	struct slot *slot = slot_at(index);

	if (!slot || at > WALK_MAX - sizeof(__u64))
		return 0;
	for (__u64 i = 0; i < sizeof(__u64); i++) {
		if (!slot->path[at + i] && from + i + 1 < end)
			variable_append(index, at + i + 1, from + i + 1);
	}
	return 0;
}

/* Appends the wanted variables of some words; a zero byte in one borrows from the highest bit, and
 * nothing else does.
 */
__noinline int words_append(__u32 index, __u64 at, __u64 from, __u64 end)
{
	struct slot *slot = slot_at(index);

	for (__u64 i = 0; slot && i < WORDS_AT_ONCE; i++) {
		__u64 word;

		if (at > WALK_MAX - sizeof(word) || from >= end)
			break;
		word = *(__u64 *)&slot->path[at];
		if ((word - HIGH_BITS / 128) & ~word & HIGH_BITS)
			word_append(index, at, from, end);
		at += sizeof(word);
		from += sizeof(word);
	}
	return 0;
}

/* Appends the wanted variables of a part of the environment at `from`, from the zero byte before
 * one on. */
__noinline int environment_part(__u32 index, __u64 from, __u64 end)
{
	struct slot *slot = slot_at(index);
	__u64 length = end - from;

	if (!slot)
		return 0;
	/* With the name that begins at its end. */
	if (length > sizeof(slot->path))
		length = sizeof(slot->path);
	if (bpf_probe_read_user(slot->path, length, (void *)from)) {
		((struct command *)slot->record)->marks |= COMMAND_ENVIRONMENT_PARTIAL;
		return 0;
	}
	for (__u64 at = 0; at < WALK_MAX; at += WORDS_AT_ONCE * sizeof(__u64)) {
		if (from + at >= end)
			break;
		words_append(index, at, from + at, end);
	}
	return 0;
}

/* Appends the wanted variables of the whole environment. */
static __always_inline void environment_append(struct slot *slot, __u64 from, __u64 end)
{
	/* What is before it are the arguments, which end with a zero byte. */
	from--;
	for (int i = 0; i < ENVIRONMENT_PARTS; i++) {
		if (from >= end)
			return;
		environment_part(slot->index, from, end);
		from += WALK_MAX;
	}
	((struct command *)slot->record)->marks |= COMMAND_ENVIRONMENT_PARTIAL;
}

/* Appends what the client asked for, if sshd runs something else for the channel. */
__noinline int requested_append(__u32 index)
{
	struct slot *slot = slot_at(index);
	struct command *command;
	long length;
	__u64 at;

	if (!slot || !slot->requested)
		return 0;
	command = (struct command *)slot->record;
	at = slot->length;
	/* The arguments must find room behind it. */
	length = at > RECORD_MAX - ARGV_FIRST - REQUESTED_MAX
		     ? 0
		     : bpf_probe_read_user_str(&slot->record[at], REQUESTED_MAX,
					       (void *)slot->requested);
	if (length <= 0 || length == REQUESTED_MAX)
		command->marks |= COMMAND_REQUESTED_CUT;
	if (length > 0) {
		slot->length = at + length;
		command->requested_length = length;
	}
	return 0;
}

/* Sends one later part of the arguments; returns how much it sent. */
__noinline __u64 arguments_part(__u64 session, __u64 exec, __u64 start, __u64 offset, __u64 total)
{
	struct arguments *arguments;
	__u64 length = total - offset;
	struct slot *slot;

	/* The command itself must find room behind its arguments. */
	if (bpf_ringbuf_query(&command_ring, BPF_RB_AVAIL_DATA) + ARGV_PART + RECORD_MAX >
	    bpf_ringbuf_query(&command_ring, BPF_RB_RING_SIZE))
		return 0;
	slot = record_claim(session, FAMILY_COMMAND, KIND_ARGUMENTS, sizeof(*arguments));
	if (!slot)
		return 0;
	if (length > ARGV_PART)
		length = ARGV_PART;
	arguments = (struct arguments *)slot->record;
	arguments->exec = exec;
	arguments->offset = offset;
	arguments->arguments_length = length;
	if (bpf_probe_read_user(slot->record + sizeof(*arguments), length,
				(void *)(start + offset))) {
		slot_release(slot);
		return 0;
	}
	slot->length = sizeof(*arguments) + length;
	return record_output(slot, &command_ring, FAMILY_COMMAND, 0) ? 0 : length;
}

/* Sends some parts of the arguments; returns how far it came. */
__noinline __u64 arguments_some(__u64 session, __u64 exec, __u64 start, __u64 offset, __u64 total)
{
#pragma nounroll
	for (int i = 0; i < ARGV_SOME && offset < total; i++) {
		__u64 sent = arguments_part(session, exec, start, offset, total);

		if (!sent)
			break;
		offset += sent;
	}
	return offset;
}

/* Sends all arguments but the first part, before the command itself; returns how far it came. */
__noinline __u64 arguments_send(__u64 session, __u64 exec, __u64 start, __u64 total)
{
	__u64 offset = ARGV_FIRST;

#pragma nounroll
	for (int i = 0; i < ARGV_PARTS && offset < total; i += ARGV_SOME) {
		__u64 before = offset;

		offset = arguments_some(session, exec, start, offset, total);
		if (offset == before)
			break;
	}
	return offset;
}

/* What is known of the current task. */
static __always_inline void command_describe(struct command *command, int plain)
{
	struct task_struct *task = current_task();
	struct task_struct *parent = member_if(plain, task, real_parent);
	struct signal_struct *signal = member_if(plain, task, signal);
	struct tty_struct *tty = signal ? member_if(plain, signal, tty) : NULL;
	struct tty_driver *driver = tty ? member_if(plain, tty, driver) : NULL;

	command->parent_pid = parent ? member_if(plain, parent, tgid) : 0;
	command->terminal = 0;
	command->rows = 0;
	command->columns = 0;
	if (driver) {
		command->terminal =
		    member_if(plain, driver, major) << 20 |
		    (member_if(plain, driver, minor_start) + member_if(plain, tty, index));
		command->rows = member_if(plain, tty, winsize.ws_row);
		command->columns = member_if(plain, tty, winsize.ws_col);
	}
}

/* Fills what all commands have in the command of a slot. */
__noinline int command_fill(__u32 index, __s32 return_code)
{
	struct slot *slot = slot_at(index);
	struct command *command;

	if (!slot)
		return 0;
	command = (struct command *)slot->record;
	command->return_code = return_code;
	command->inode = 0;
	command->device = 0;
	command->marks = 0;
	command->argv_missing = 0;
	command->argv_ahead = 0;
	command->exec = 0;
	command->requested_length = 0;
	__builtin_memset(command->lengths, 0, sizeof(command->lengths));
	ids_read(&command->ids);
	if (IS_PLAIN)
		command_describe(command, 1);
	else
		command_describe(command, 0);
	return 0;
}

/* Appends the path at `from`; returns its length. `deleted` is the mark if there is no such file.
 */
__noinline int command_walk(__u32 index, __u32 deleted, __u64 from)
{
	struct slot *slot = slot_at(index);
	struct command *command;

	if (!slot)
		return 0;
	walk_path(index, from);
	command = (struct command *)slot->record;
	if (slot->walk.notes & (PATH_CUT | PATH_RELATIVE))
		command->marks |= COMMAND_PATH_INCOMPLETE;
	if (slot->walk.notes & PATH_DELETED)
		command->marks |= deleted;
	return append_walked(slot);
}

/* Whether the file that runs is of 32 bits, by its ELF header. */
static __noinline int is_compat(struct linux_binprm *binprm)
{
	char *header = binprm->buf;

	return header[0] == 0x7f && header[1] == 'E' && header[4] == 1 /* ELFCLASS32 */;
}

TRACEPOINT("sched_process_exec", command_exec, PROBE_COMMAND_EXEC)
{
	struct task_struct *task = (void *)context[0];
	struct linux_binprm *binprm = (void *)context[2];
	struct process *process = recorded_user(known_process());
	__u32 is_channel, excluded;
	__u64 start, total, offset;
	struct mm_struct *mm = task->mm;
	struct command *command;
	struct file *exe_file;
	struct slot *slot;
	long length;
	int first;
	__u64 at;

	if (!process)
		process = unit_process();
	if (!process) {
		login_server_begin();
		return 0;
	}
	if (!mm)
		return 0;
	first = environment_send(process->session);
	/* What an exec does to the ids, session.command tells. */
	loginuid_compare(process);
	process_note(process);
	process->command_time = bpf_ktime_get_boot_ns();
	process->code_told = 0;
	process->shares_memory = 0;
	is_channel = process->is_channel;
	process->is_channel = 0;
	/* What session.start tells is taken from the first. */
	excluded = !first && family_excluded(process->session, FAMILY_COMMAND);
	if (excluded && !is_channel)
		return 0;
	/* The arguments on the new stack: complete, and not yet the program's to change. */
	start = mm->arg_start;
	total = mm->arg_end - start;
	offset = total;
	if (total > ARGV_FIRST)
		offset = arguments_send(process->session, process->command_time, start, total);
	slot = record_claim(process->session, FAMILY_COMMAND, KIND_COMMAND, sizeof(*command));
	if (!slot)
		return 0;
	command = (struct command *)slot->record;
	command_fill(slot->index, 0);
	command->exec = process->command_time;
	if (total > ARGV_FIRST)
		command->argv_ahead = offset - ARGV_FIRST;
	if (BPF_CORE_READ_BITFIELD_PROBED(binprm, secureexec))
		command->marks |= COMMAND_PRIVILEGED;
	if (is_compat(binprm))
		command->marks |= COMMAND_COMPAT;
	if (is_channel)
		command->marks |= COMMAND_CHANNEL;
	if (excluded)
		command->marks |= COMMAND_EXCLUDED;
	length = append_string(slot, PATH_LENGTH, binprm->filename, bpf_probe_read_kernel_str);
	if (length > 0)
		command->lengths[TEXT_PATH] = length;
	exe_file = mm->exe_file;
	if (exe_file) {
		command->inode = exe_file->f_inode->i_ino;
		command->device = exe_file->f_inode->i_sb->s_dev;
		command->lengths[TEXT_EXE] =
		    command_walk(slot->index, COMMAND_EXE_DELETED, address_of(&exe_file->f_path));
	}
	command->lengths[TEXT_CWD] =
	    command_walk(slot->index, 0, (__u64)&BPF_CORE_READ(task, fs)->pwd);
	if (binprm->interp != binprm->filename) {
		length =
		    append_string(slot, PATH_LENGTH, binprm->interp, bpf_probe_read_kernel_str);
		if (length > 0)
			command->lengths[TEXT_INTERPRETER] = length;
	}
	slot->requested = 0;
	environment_append(slot, mm->env_start, mm->env_end);
	requested_append(slot->index);
	at = slot->length;
	if (at <= RECORD_MAX - ARGV_FIRST) {
		__u64 here = total;

		/* Else the compiler leaves out what the verifier wants to see. */
		barrier_var(here);
		if (here > ARGV_FIRST)
			here = ARGV_FIRST;
		command->argv_missing = total > offset ? total - offset : 0;
		if (bpf_probe_read_user(&slot->record[at], here, (void *)start)) {
			command->argv_missing = total;
			here = 0;
		}
		command->lengths[TEXT_ARGV] = here;
		slot->length = at + here;
	} else {
		command->argv_missing = total;
	}
	act_send(slot, &command_ring, FAMILY_COMMAND, 0);
	return 0;
}

/* One argument of an exec that failed; 0 where there is none, of which the kernel may have seen
 * one. */
__noinline int argument_append(__u32 index, __u64 argv, __u32 number)
{
	__u32 size = is_32_bit() ? sizeof(__u32) : sizeof(__u64);
	struct slot *slot = slot_at(index);
	struct command *command;
	long length;
	__u64 from;
	__u64 at;

	if (!slot || !argv)
		return 0;
	settled_note(slot, argv + number * size, size);
	from = pointer_at(argv, number);
	if (!from)
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
	settled_note(slot, from, length);
	slot->length = at + length;
	command->lengths[TEXT_ARGV] += length;
	return 1;
}

/* Some of them, from `number` on; tells whether there may be more. */
__noinline int arguments_append(__u32 index, __u64 argv, __u32 number)
{
	for (int i = 0; i < ARGV_AT_ONCE; i++) {
		if (!argument_append(index, argv, number + i))
			return 0;
	}
	return 1;
}

SYSCALL_EXIT(command_failed, PROBE_COMMAND_FAILED)
{
	/* The path is the first argument of execve, and the second of execveat. */
	int path = context->number == X86_EXECVEAT || context->number == ARM64_EXECVEAT;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct process *process;
	struct command *command;
	unsigned long argv;
	struct slot *slot;
	long path_length;

	if (context->result >= 0)
		return 0;
	process = recorded_user(context->process);
	if (!process)
		return 0;
	slot = record_begin(process->session, FAMILY_COMMAND, KIND_COMMAND, sizeof(*command));
	if (!slot)
		return 0;
	command = (struct command *)slot->record;
	command_fill(slot->index, context->result);
	path_length = append_string(slot, PATH_LENGTH, (void *)syscall_argument(path),
				    bpf_probe_read_user_str);
	if (path_length > 0) {
		command->lengths[TEXT_PATH] = path_length;
		settled_note(slot, syscall_argument(path), path_length);
	}
	command->lengths[TEXT_CWD] =
	    command_walk(slot->index, 0, (__u64)&BPF_CORE_READ(task, fs)->pwd);
	argv = syscall_argument(path + 1);
	for (int i = 0; i < ARGV_COUNT; i += ARGV_AT_ONCE) {
		if (!arguments_append(slot->index, argv, i))
			break;
	}
	act_send(slot, &command_ring, FAMILY_COMMAND, 0);
	return 0;
}
