/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* Which operation a call of session.privilege is, if it is to be told. */
#ifndef PRIVILEGE_OPERATION_H
#define PRIVILEGE_OPERATION_H

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

/* Where clock_adjtime or adjtimex has its struct timex. */
static __always_inline __u64 time_asked(__u64 number)
{
	return syscall_argument(number == X86_ADJTIMEX || number == ARM64_ADJTIMEX ? 0 : 1);
}

/* The operation of a call that changes the host, if it is told; 0 if not. */
static __noinline __u32 host_operation_told(__u64 number, long result)
{
	struct pt_regs___arm64 *registers = NULL;
	__u32 operation;
	__u64 command, asked;

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
		asked = time_asked(number);
		command = word_at(asked);
		return (command && command != ADJ_OFFSET_SS_READ) || is_racy(asked, sizeof(command))
			   ? operation
			   : PRIVILEGE_NONE;
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
	if (operation_excluded(process->session, FAMILY_PRIVILEGE, operation)) {
		process_note(process);
		return NULL;
	}
	return privilege_begin(process, operation, return_code);
}

#endif
