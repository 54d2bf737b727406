/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.privilege: what changes a process's own rights, or reaches into others and the kernel. */
#include "path.h"
#include "pid.h"
#include "privilege.h"
#include "settled.h"
#include "syscall.h"
#include "syscalls.h"

/* What each command of bpf(2) is; those that only ask are none. */
#define BPF_COMMANDS 64

static const __u8 bpf_operations[BPF_COMMANDS] = {
    [2] = PRIVILEGE_BPF_MAP_UPDATE_ELEM,
    [3] = PRIVILEGE_BPF_MAP_DELETE_ELEM,
    [5] = PRIVILEGE_BPF_PROG_LOAD,
    [6] = PRIVILEGE_BPF_OBJ_PIN,
    [7] = PRIVILEGE_BPF_OBJ_GET,
    [8] = PRIVILEGE_BPF_PROG_ATTACH,
    [9] = PRIVILEGE_BPF_PROG_DETACH,
    [10] = PRIVILEGE_BPF_PROG_TEST_RUN,
    [13] = PRIVILEGE_BPF_PROG_GET_FD_BY_ID,
    [14] = PRIVILEGE_BPF_MAP_GET_FD_BY_ID,
    [17] = PRIVILEGE_BPF_RAW_TRACEPOINT_OPEN,
    [19] = PRIVILEGE_BPF_BTF_GET_FD_BY_ID,
    [21] = PRIVILEGE_BPF_MAP_LOOKUP_AND_DELETE_ELEM,
    [22] = PRIVILEGE_BPF_MAP_FREEZE,
    [25] = PRIVILEGE_BPF_MAP_LOOKUP_AND_DELETE_BATCH,
    [26] = PRIVILEGE_BPF_MAP_UPDATE_BATCH,
    [27] = PRIVILEGE_BPF_MAP_DELETE_BATCH,
    [28] = PRIVILEGE_BPF_LINK_CREATE,
    [29] = PRIVILEGE_BPF_LINK_UPDATE,
    [30] = PRIVILEGE_BPF_LINK_GET_FD_BY_ID,
    [34] = PRIVILEGE_BPF_LINK_DETACH,
};

/* From linux/timex.h. */
#define ADJ_OFFSET_SS_READ 0xa001

/* Of syslog(2): reads and clears, clears, and what the console shows. */
#define SYSLOG_READ_CLEAR 4
#define SYSLOG_CONSOLE_LEVEL 8

/* Of setpriority(2). */
#define PRIO_PROCESS 0
/* Of ioprio_set(2). */
#define IOPRIO_WHO_PROCESS 1

/* CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID and NET. */
#define NAMESPACES 0x7e020000
/* To clone this bit is part of a signal's number. */
#define NAMESPACE_TIME 0x80

/* The numbers of both architectures, of which one means another call on the other. */
static __noinline __u32 x86_operation(__u64 number)
{
	switch (number) {
		X86_PRIVILEGE_ACT_CASES
	default:
		return PRIVILEGE_NONE;
	}
}

static __noinline __u32 arm64_operation(__u64 number)
{
	switch (number) {
		ARM64_PRIVILEGE_ACT_CASES
	default:
		return PRIVILEGE_NONE;
	}
}

static __always_inline int is_of_ids(__u32 operation)
{
	return operation >= PRIVILEGE_SETUID && operation <= PRIVILEGE_SETRESGID;
}

/* The namespaces that the call was asked to make. */
static __noinline __u32 namespaces_asked(__u32 operation, __u64 number)
{
	__u64 flags = syscall_argument(0);

	if (operation == PRIVILEGE_UNSHARE)
		return flags & (NAMESPACES | NAMESPACE_TIME);
	if (number != CLONE3)
		return flags & NAMESPACES;
	/* struct clone_args begins with the flags. */
	if (bpf_probe_read_user(&flags, sizeof(flags), (void *)flags))
		return 0;
	return flags & (NAMESPACES | NAMESPACE_TIME);
}

/*
 * A tracer answers the calls of this process instead of the kernel, also the one that it is in when
 * it is traced no more.
 */
static __noinline int emulated_note(__u32 number)
{
	struct task_struct *task = (void *)task_of(number);
	__u32 pid = task ? BPF_CORE_READ(task, tgid) : 0;
	struct process *process = bpf_map_lookup_elem(&processes, &pid);

	if (process)
		process->emulated = 1;
	return 0;
}

/* Whether the task is one of the recorder's own processes. */
static __noinline int is_recorder(__u64 of)
{
	struct control *control = shared();
	__u32 pid;

	if (!of || !control)
		return 0;
	pid = BPF_CORE_READ((struct task_struct *)of, tgid);
	return pid && (pid == control->recorder[0] || pid == control->recorder[1]);
}

/* The other process that is reached into as a task, or 0 if it is none that matters. */
__noinline __u64 target_of(__u32 operation)
{
	__u64 first = syscall_argument(0);
	__u32 which = operation == PRIVILEGE_IOPRIO_SET ? IOPRIO_WHO_PROCESS : PRIO_PROCESS;
	struct file *file;

	switch (operation) {
	case PRIVILEGE_PROCESS_MADVISE:
	case PRIVILEGE_PIDFD_GETFD:
		file = file_of(first);
		return file ? task_behind(file) : 0;
	case PRIVILEGE_SETPRIORITY:
	case PRIVILEGE_IOPRIO_SET:
		if ((__u32)first == which)
			return task_of(syscall_argument(1));
		return 0;
	default:
		return task_of(first);
	}
}

/*
 * Whether a call that changes how a process runs is told: where that is the recorder; or may be, as
 * one of those that root has named together.
 */
static __noinline int is_about_recorder(__u32 operation)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 which = syscall_argument(0);
	__u64 target = target_of(operation);

	if (operation == PRIVILEGE_PRLIMIT && !syscall_argument(2))
		return 0;
	if (is_recorder(target))
		return 1;
	if (operation == PRIVILEGE_SETPRIORITY)
		return which > PRIO_PROCESS && !BPF_CORE_READ(task, cred, euid.val);
	if (operation == PRIVILEGE_IOPRIO_SET)
		return which > IOPRIO_WHO_PROCESS && !BPF_CORE_READ(task, cred, euid.val);
	return 0;
}

/* The numbers of calls that concern the kernel, the host or the recorder, as above. */
static __noinline __u32 x86_host_operation(__u64 number)
{
	switch (number) {
		X86_PRIVILEGE_HOST_CASES
	default:
		return PRIVILEGE_NONE;
	}
}

static __noinline __u32 arm64_host_operation(__u64 number)
{
	switch (number) {
		ARM64_PRIVILEGE_HOST_CASES
	default:
		return PRIVILEGE_NONE;
	}
}

/* The same of these calls. */
static __noinline __u32 host_operation_told(__u64 number, long result)
{
	struct pt_regs___arm64 *registers = NULL;
	__u32 operation;
	__u64 command;

	if (is_restarted(result))
		return PRIVILEGE_NONE;
	operation = bpf_core_field_exists(registers->orig_x0) ? arm64_host_operation(number)
							      : x86_host_operation(number);
	switch (operation) {
	case PRIVILEGE_BPF_PROG_LOAD:
		command = (__u32)syscall_argument(0);
		barrier_var(command);
		return command < BPF_COMMANDS ? bpf_operations[command] : PRIVILEGE_NONE;
	case PRIVILEGE_PRLIMIT:
	case PRIVILEGE_SETPRIORITY:
	case PRIVILEGE_SCHED_SETSCHEDULER:
	case PRIVILEGE_SCHED_SETAFFINITY:
	case PRIVILEGE_IOPRIO_SET:
	case PRIVILEGE_PROCESS_MADVISE:
		return is_about_recorder(operation) ? operation : PRIVILEGE_NONE;
	case PRIVILEGE_CLOCK_ADJTIME:
		/* struct timex begins with what is to be changed. */
		command = word_at(
		    syscall_argument(number == X86_ADJTIMEX || number == ARM64_ADJTIMEX ? 0 : 1));
		return command && command != ADJ_OFFSET_SS_READ ? operation : PRIVILEGE_NONE;
	case PRIVILEGE_SYSLOG:
		command = (__u32)syscall_argument(0);
		return command >= SYSLOG_READ_CLEAR && command <= SYSLOG_CONSOLE_LEVEL
			   ? operation
			   : PRIVILEGE_NONE;
	}
	return operation;
}

/* What was really done, or nothing if it is not to be told. */
static __noinline __u32 operation_told(struct process *process, __u64 number, long result)
{
	struct pt_regs___arm64 *registers = NULL;
	struct ids now = {};
	__u32 operation;

	/* The kernel makes the call once more, by itself. */
	if (is_restarted(result))
		return PRIVILEGE_NONE;
	operation = bpf_core_field_exists(registers->orig_x0) ? arm64_operation(number)
							      : x86_operation(number);
	if (is_of_ids(operation) && !result && process->audit_session_id) {
		ids_read(&now);
		if (now.uid == process->ids.uid && now.gid == process->ids.gid &&
		    now.euid == process->ids.euid && now.egid == process->ids.egid)
			return PRIVILEGE_NONE;
	}
	switch (operation) {
	case PRIVILEGE_PTRACE_ATTACH:
		switch (syscall_argument(0)) {
		case PTRACE_SYSEMU:
		case PTRACE_SYSEMU_SINGLESTEP:
			if (!result)
				emulated_note(syscall_argument(1));
			return PRIVILEGE_NONE;
		case PTRACE_ATTACH:
			return operation;
		case PTRACE_SEIZE:
			return PRIVILEGE_PTRACE_SEIZE;
		default:
			return PRIVILEGE_NONE;
		}
	case PRIVILEGE_CLONE:
		/* The child returns from it as well. */
		if (!result)
			return PRIVILEGE_NONE;
		/* fallthrough */
	case PRIVILEGE_UNSHARE:
		return namespaces_asked(operation, number) ? operation : PRIVILEGE_NONE;
	}
	return operation;
}

static __noinline int fill_path(struct slot *slot, struct path *from, __u32 trust)
{
	struct privilege *privilege = (struct privilege *)slot->record;

	if (!from)
		return 0;
	walk_trusting(slot->index, (__u64)from, trust);
	privilege->path_notes = slot->walk.notes;
	privilege->path_length = append_walked(slot);
	return 0;
}

static __noinline int fill_typed_path(struct slot *slot, unsigned long typed)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	long length = append_string(slot, PATH_LENGTH, (void *)typed, bpf_probe_read_user_str);

	if (length > 0) {
		privilege->path_length = length;
		settled_note(slot, typed, length);
	}
	return 0;
}

/* A file that was taken over. */
static __noinline int fill_file(struct slot *slot, struct file *file)
{
	struct privilege *privilege = (struct privilege *)slot->record;

	if (!file)
		return 0;
	privilege->flags = BPF_CORE_READ(file, f_flags);
	return fill_path(slot, &file->f_path, TRUST_ANY);
}

static __always_inline struct path *path_of(int descriptor)
{
	struct file *file = file_of(descriptor);

	return file ? &file->f_path : NULL;
}

static __noinline int fill_ids(struct slot *slot, struct process *process)
{
	struct privilege *privilege = (struct privilege *)slot->record;

	if (privilege->return_code) {
		for (int i = 0; i < 3; i++)
			privilege->requested[i] = syscall_argument(i);
		return 0;
	}
	if (process->audit_session_id)
		privilege->old_ids = process->ids;
	process_note(process);
	return 0;
}

static __noinline int fill_capabilities(struct slot *slot)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct privilege *privilege = (struct privilege *)slot->record;
	const struct cred *cred = BPF_CORE_READ(task, cred);

	bpf_probe_read_kernel(&privilege->effective, 8, &cred->cap_effective);
	bpf_probe_read_kernel(&privilege->permitted, 8, &cred->cap_permitted);
	bpf_probe_read_kernel(&privilege->inheritable, 8, &cred->cap_inheritable);
	return 0;
}

/* The other process, without the file that it runs. */
static __noinline int fill_target(struct slot *slot, __u64 of)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	struct task_struct *task = (void *)of;
	__u64 session = privilege->record.session;
	struct process *process;
	__u32 pid;

	if (!task)
		return 0;
	pid = BPF_CORE_READ(task, tgid);
	privilege->target_pid = pid;
	bpf_probe_read_kernel(privilege->name, PROGRAM_LENGTH, &task->comm);
	process = bpf_map_lookup_elem(&processes, &pid);
	if (!process || !process->session)
		privilege->target = TARGET_NONE;
	else
		privilege->target = process->session == session ? TARGET_SAME : TARGET_OTHER;
	return 0;
}

/* The file that it runs. */
static __noinline int fill_target_exe(struct slot *slot, __u64 of)
{
	struct task_struct *task = (void *)of;
	struct file *exe_file = task ? BPF_CORE_READ(task, mm, exe_file) : NULL;

	return exe_file ? fill_path(slot, &exe_file->f_path, TRUST_ANY) : 0;
}

/* The program, from the kernel where it was taken, else from the caller. */
static __noinline int fill_program(struct slot *slot, long result)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	struct file *file = file_of(result);
	struct bpf_prog *program;
	union bpf_attr *asked;

	if (file) {
		program = BPF_CORE_READ(file, private_data);
		privilege->program_type = BPF_CORE_READ(program, type);
		bpf_probe_read_kernel(privilege->name, BPF_PROGRAM_NAME,
				      BPF_CORE_READ(program, aux, name));
		return 0;
	}
	asked = (void *)syscall_argument(1);
	bpf_probe_read_user(&privilege->program_type, sizeof(asked->prog_type), &asked->prog_type);
	bpf_probe_read_user(privilege->name, sizeof(asked->prog_name), asked->prog_name);
	settled_note(slot, (__u64)asked, sizeof(*asked));
	return 0;
}

/* Which kind of object a command of bpf(2) is about. */
enum object {
	OBJECT_MAP,
	OBJECT_PROGRAM,
	OBJECT_LINK,
	OBJECT_OTHER,
};

static __always_inline enum object object_kind(__u32 operation)
{
	if (operation <= PRIVILEGE_BPF_MAP_GET_FD_BY_ID)
		return OBJECT_MAP;
	if (operation <= PRIVILEGE_BPF_LINK_CREATE)
		return OBJECT_PROGRAM;
	return operation <= PRIVILEGE_BPF_LINK_DETACH ? OBJECT_LINK : OBJECT_OTHER;
}

/* The descriptor of the object, which the command takes, or has made. */
static __noinline int object_descriptor(__u32 operation, int result)
{
	__u64 asked = syscall_argument(1);

	switch (operation) {
	case PRIVILEGE_BPF_MAP_GET_FD_BY_ID:
	case PRIVILEGE_BPF_PROG_GET_FD_BY_ID:
	case PRIVILEGE_BPF_LINK_GET_FD_BY_ID:
		return result;
	/* Behind two pairs of pointers and a number. */
	case PRIVILEGE_BPF_MAP_UPDATE_BATCH:
	case PRIVILEGE_BPF_MAP_DELETE_BATCH:
	case PRIVILEGE_BPF_MAP_LOOKUP_AND_DELETE_BATCH:
		return word_at(asked + 36);
	case PRIVILEGE_BPF_PROG_ATTACH:
	case PRIVILEGE_BPF_PROG_DETACH:
		return word_at(asked + 4);
	case PRIVILEGE_BPF_RAW_TRACEPOINT_OPEN:
		return word_at(asked + 8);
	default:
		return word_at(asked);
	}
}

/* The object, as far as the kernel has taken it. */
static __noinline int fill_object(struct slot *slot, long result)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	__u32 operation = privilege->operation;
	struct bpf_prog *program = NULL;
	struct bpf_link *link;
	struct bpf_map *map;
	struct file *file;

	switch (operation) {
	case PRIVILEGE_BPF_MAP_GET_FD_BY_ID:
	case PRIVILEGE_BPF_PROG_GET_FD_BY_ID:
	case PRIVILEGE_BPF_LINK_GET_FD_BY_ID:
	case PRIVILEGE_BPF_BTF_GET_FD_BY_ID:
		privilege->object_id = word_at(syscall_argument(1));
		settled_note(slot, syscall_argument(1), sizeof(__u32));
	}
	file = result < 0 ? NULL : file_of(object_descriptor(operation, result));
	if (!file)
		return 0;
	switch (object_kind(operation)) {
	case OBJECT_MAP:
		map = BPF_CORE_READ(file, private_data);
		privilege->object_id = BPF_CORE_READ(map, id);
		bpf_probe_read_kernel(privilege->name, BPF_PROGRAM_NAME, &map->name);
		return 0;
	case OBJECT_PROGRAM:
		program = BPF_CORE_READ(file, private_data);
		privilege->object_id = BPF_CORE_READ(program, aux, id);
		break;
	case OBJECT_LINK:
		link = BPF_CORE_READ(file, private_data);
		privilege->object_id = BPF_CORE_READ(link, id);
		program = BPF_CORE_READ(link, prog);
		break;
	case OBJECT_OTHER:
		return 0;
	}
	if (program)
		bpf_probe_read_kernel(privilege->name, BPF_PROGRAM_NAME,
				      BPF_CORE_READ(program, aux, name));
	return 0;
}

/* The clock, and what it was set to: seconds, and behind them a part of one. */
static __noinline int fill_clock(struct slot *slot, __u64 number)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	__u64 from = syscall_argument(privilege->operation == PRIVILEGE_CLOCK_SETTIME ? 1 : 0);
	__s64 set[2] = {};

	if (privilege->operation != PRIVILEGE_SETTIMEOFDAY && number != X86_ADJTIMEX &&
	    number != ARM64_ADJTIMEX)
		privilege->value = (__u32)syscall_argument(0);
	if (privilege->operation == PRIVILEGE_CLOCK_ADJTIME || is_32_bit() ||
	    bpf_probe_read_user(set, sizeof(set), (void *)from))
		return 0;
	settled_note(slot, from, sizeof(set));
	if (privilege->operation == PRIVILEGE_SETTIMEOFDAY)
		set[1] *= 1000;
	privilege->time = set[0] * 1000000000 + set[1];
	return 0;
}

/* Of a file in /proc/PID/ns the namespace is known, of a pidfd the caller says which. */
static __noinline int fill_namespace(struct slot *slot)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	struct file *file = file_of(syscall_argument(0));
	struct ns_common___before_6_18 *before;
	struct ns_common *namespace;

	privilege->namespaces = syscall_argument(1);
	if (!file || BPF_CORE_READ(file, f_inode, i_sb, s_magic) != NSFS_MAGIC)
		return 0;
	namespace = BPF_CORE_READ(file, f_inode, i_private);
	before = (void *)namespace;
	if (bpf_core_field_exists(namespace->ns_type))
		privilege->namespaces = BPF_CORE_READ(namespace, ns_type);
	else
		privilege->namespaces = BPF_CORE_READ(before, ops, type);
	return 0;
}

/* Starts the record of what a process of a user's does, if that is told. */
static __noinline struct slot *privilege_of_user(struct process *process, __u32 operation,
						 int return_code)
{
	struct session *session;

	if (process->role != ROLE_USER)
		return NULL;
	/* What happens before the user's first program, such as becoming the user, is sshd's doing.
	 */
	session = bpf_map_lookup_elem(&sessions, &process->session);
	if (!session || !session->environment_sent)
		return NULL;
	if (operation_left_out(process->session, FAMILY_PRIVILEGE, operation)) {
		process_note(process);
		return NULL;
	}
	return privilege_begin(process, operation, return_code);
}

SYSCALL_EXIT(privilege_act, PROBE_PRIVILEGE_ACT)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct process *process = context->process;
	long result = context->result;
	struct privilege *privilege;
	struct slot *slot;
	__u32 operation;
	__u64 target;

	if (process->role != ROLE_USER)
		return 0;
	operation = operation_told(process, context->number, result);
	if (operation == PRIVILEGE_NONE)
		return 0;
	slot = privilege_of_user(process, operation, result < 0 ? result : 0);
	if (!slot)
		return 0;
	privilege = (struct privilege *)slot->record;
	privilege->record.via |= context->via;
	if (is_of_ids(operation))
		fill_ids(slot, process);
	switch (operation) {
	case PRIVILEGE_CAPSET:
		fill_capabilities(slot);
		break;
	case PRIVILEGE_PROCESS_VM_WRITEV:
		privilege->bytes = result > 0 ? result : 0;
		privilege->target_pid = syscall_argument(0);
		target = task_of(syscall_argument(0));
		fill_target(slot, target);
		fill_target_exe(slot, target);
		break;
	case PRIVILEGE_PTRACE_ATTACH:
	case PRIVILEGE_PTRACE_SEIZE:
		privilege->target_pid = syscall_argument(1);
		target = task_of(syscall_argument(1));
		fill_target(slot, target);
		fill_target_exe(slot, target);
		break;
	case PRIVILEGE_FINIT_MODULE:
	case PRIVILEGE_KEXEC_FILE_LOAD:
		fill_path(slot, path_of(syscall_argument(0)), TRUST_OWN);
		break;
	case PRIVILEGE_DELETE_MODULE:
		bpf_probe_read_user_str(privilege->name, OBJECT_NAME_LENGTH,
					(void *)syscall_argument(0));
		settled_note(slot, syscall_argument(0), OBJECT_NAME_LENGTH);
		break;
	case PRIVILEGE_UNSHARE:
	case PRIVILEGE_CLONE:
		privilege->namespaces = namespaces_asked(operation, context->number);
		if (context->number == CLONE3)
			settled_note(slot, syscall_argument(0), sizeof(__u64));
		break;
	case PRIVILEGE_SETNS:
		fill_namespace(slot);
		break;
	case PRIVILEGE_CHROOT:
	case PRIVILEGE_PIVOT_ROOT:
		/* After pivot_root its new root is everybody's, and called `/`. */
		if (result < 0 || operation == PRIVILEGE_PIVOT_ROOT)
			fill_typed_path(slot, syscall_argument(0));
		else
			fill_path(slot, &BPF_CORE_READ(task, fs)->root, TRUST_OWN);
		break;
	}
	act_send(slot, &command_ring, FAMILY_PRIVILEGE, 0);
	return 0;
}

/* What is done to the kernel, the host or the recorder. */
SYSCALL_EXIT(privilege_host, PROBE_PRIVILEGE_HOST)
{
	struct process *process = context->process;
	long result = context->result;
	struct privilege *privilege;
	struct slot *slot;
	__u32 operation;
	__u64 target;

	if (process->role != ROLE_USER)
		return 0;
	operation = host_operation_told(context->number, result);
	if (operation == PRIVILEGE_NONE)
		return 0;
	slot = privilege_of_user(process, operation, result < 0 ? result : 0);
	if (!slot)
		return 0;
	privilege = (struct privilege *)slot->record;
	privilege->record.via |= context->via;
	switch (operation) {
	case PRIVILEGE_BPF_PROG_LOAD:
		fill_program(slot, result);
		break;
	case PRIVILEGE_PRLIMIT:
		privilege->value = (__u32)syscall_argument(1);
		/* fallthrough */
	case PRIVILEGE_SETPRIORITY:
	case PRIVILEGE_SCHED_SETSCHEDULER:
	case PRIVILEGE_SCHED_SETAFFINITY:
	case PRIVILEGE_IOPRIO_SET:
	case PRIVILEGE_PROCESS_MADVISE:
		target = target_of(operation);
		fill_target(slot, target);
		fill_target_exe(slot, target);
		break;
	case PRIVILEGE_PIDFD_GETFD:
		fill_target(slot, target_of(operation));
		fill_file(slot, file_of(result));
		break;
	case PRIVILEGE_CLOCK_SETTIME:
	case PRIVILEGE_SETTIMEOFDAY:
	case PRIVILEGE_CLOCK_ADJTIME:
		fill_clock(slot, context->number);
		break;
	case PRIVILEGE_REBOOT:
		privilege->value = (__u32)syscall_argument(2);
		break;
	case PRIVILEGE_SYSLOG:
		privilege->value = (__u32)syscall_argument(0);
		break;
	case PRIVILEGE_SETHOSTNAME:
		bpf_probe_read_user_str(privilege->name, OBJECT_NAME_LENGTH,
					(void *)syscall_argument(0));
		settled_note(slot, syscall_argument(0), OBJECT_NAME_LENGTH);
		break;
	case PRIVILEGE_ACCT:
		fill_typed_path(slot, syscall_argument(0));
		break;
	case PRIVILEGE_BPF_OBJ_PIN:
	case PRIVILEGE_BPF_OBJ_GET:
		fill_typed_path(slot, pointer_at(syscall_argument(1), 0));
		break;
	default:
		if (operation >= PRIVILEGE_BPF_MAP_UPDATE_ELEM &&
		    operation <= PRIVILEGE_BPF_BTF_GET_FD_BY_ID)
			fill_object(slot, result);
		break;
	}
	act_send(slot, &command_ring, FAMILY_PRIVILEGE, 0);
	return 0;
}

/* In struct msghdr: where control messages are, and how many bytes of them. */
#define MESSAGE_CONTROL 32
#define MESSAGE_CONTROL_LENGTH 40
/* struct mmsghdr, which begins with one. */
#define MESSAGES_STEP 64
/* A control message: its length, its level and type, and what it is. */
#define CONTROL_HEADER 16
#define SOL_SOCKET 1
#define SCM_RIGHTS 1
/* Messages of one call, and control messages of one of them, that are looked at. */
#define MESSAGES_MOST 4
#define CONTROLS_MOST 4

static __always_inline __u64 long_at(__u64 from)
{
	__u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)from);
	return value;
}

/* Where the descriptors are that a message has brought, behind a length in bytes; or 0. */
__noinline __u64 descriptors_at(__u64 message)
{
	__u64 at = long_at(message + MESSAGE_CONTROL);
	__u64 left = long_at(message + MESSAGE_CONTROL_LENGTH);

	for (int i = 0; at && i < CONTROLS_MOST; i++) {
		__u64 length = long_at(at);

		if (left < CONTROL_HEADER + sizeof(__u32) || length < CONTROL_HEADER ||
		    length > left)
			return 0;
		/* Side by side. */
		if (long_at(at + 8) == ((__u64)SCM_RIGHTS << 32 | SOL_SOCKET))
			return at;
		length = (length + 7) & ~7ULL;
		at += length;
		left = left > length ? left - length : 0;
	}
	return 0;
}

/* Tells of the descriptors in a message, unless a process of the same session has sent them. */
__noinline int descriptors_send(__u64 message)
{
	struct process *process = known_process();
	__u64 at = descriptors_at(message), of = 0;
	struct privilege *privilege;
	struct socket *socket;
	struct file *file;
	struct slot *slot;
	struct pid *pid;

	if (!at || !process)
		return 0;
	file = file_of(syscall_argument(0));
	if (!file)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	/* Who has connected it, has made the listener that it comes from, or the pair. */
	pid = BPF_CORE_READ(socket, sk, sk_peer_pid);
	if (pid)
		of = task_with(pid);
	slot = privilege_of_user(process, PRIVILEGE_RECVMSG, 0);
	if (!slot)
		return 0;
	privilege = (struct privilege *)slot->record;
	fill_target(slot, of);
	if (privilege->target == TARGET_SAME) {
		slot_release(slot);
		return 0;
	}
	privilege->value = (long_at(at) - CONTROL_HEADER) / sizeof(__u32);
	fill_file(slot, file_of((int)word_at(at + CONTROL_HEADER)));
	act_send(slot, &command_ring, FAMILY_PRIVILEGE, 0);
	return 0;
}

/* Descriptors that come with a message of a local socket. */
SYSCALL_EXIT(privilege_file, PROBE_PRIVILEGE_FILE)
{
	__u64 message = exit_argument(context, 1);
	__u64 count = 1;

	if (context->result < 0 || context->is_compat || context->process->role != ROLE_USER ||
	    !context->process->session)
		return 0;
	if (context->number != X86_RECVMMSG && context->number != ARM64_RECVMMSG) {
		descriptors_send(message);
		return 0;
	}
	count = context->result;
	for (__u64 i = 0; i < MESSAGES_MOST; i++) {
		if (i < count)
			descriptors_send(message + i * MESSAGES_STEP);
	}
	return 0;
}

/* Of the sender of a signal: negative, and this where it is a timer. */
#define SI_TIMER -2
/* Where the kernel itself has sent it (SEND_SIG_PRIV). */
#define OF_KERNEL 1

/*
 * A signal to the recorder, by whatever call. The kernel's own lock keeps it from the recorder
 * until this is over.
 */
TRACEPOINT("signal_generate", privilege_signal, PROBE_PRIVILEGE_SIGNAL)
{
	struct task_struct *task = (void *)context[2];
	__u64 information = context[1];
	struct control *control = shared();
	struct process *process;
	struct privilege *privilege;
	struct slot *slot;
	__s32 code = 0;
	__u32 pid = task->tgid;

	if (!control || (pid != control->recorder[0] && pid != control->recorder[1]))
		return 0;
	if (information == OF_KERNEL)
		return 0;
	/* Behind the signal and an error. */
	if (information)
		bpf_probe_read_kernel(&code, sizeof(code), (void *)(information + 8));
	if (code > 0 || code == SI_TIMER)
		return 0;
	process = recorded_process(known_process());
	if (!process)
		return 0;
	slot = privilege_of_user(process, PRIVILEGE_SIGNAL, 0);
	if (!slot)
		return 0;
	privilege = (struct privilege *)slot->record;
	privilege->value = (__u32)context[0];
	fill_target(slot, (__u64)task);
	fill_target_exe(slot, (__u64)task);
	record_send(slot, &command_ring, FAMILY_PRIVILEGE, 1);
	return 0;
}
