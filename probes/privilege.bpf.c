/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.privilege: what changes a process's own rights, or reaches into others and the kernel. */
#include "path.h"
#include "pid.h"
#include "privilege.h"
#include "settled.h"
#include "syscall.h"

#define BPF_PROG_LOAD_COMMAND 5

/* CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID and NET. */
#define NAMESPACES 0x7e020000
/* To clone this bit is part of a signal's number. */
#define NAMESPACE_TIME 0x80

#define CLONE3 435

/* The numbers of both architectures, of which one means another call on the other. */
static __noinline __u32 x86_operation(__u64 number)
{
	switch (number) {
	case 56:
	case CLONE3:
		return PRIVILEGE_CLONE;
	case 101:
		return PRIVILEGE_PTRACE_ATTACH;
	case 105:
		return PRIVILEGE_SETUID;
	case 106:
		return PRIVILEGE_SETGID;
	case 113:
		return PRIVILEGE_SETREUID;
	case 114:
		return PRIVILEGE_SETREGID;
	case 117:
		return PRIVILEGE_SETRESUID;
	case 119:
		return PRIVILEGE_SETRESGID;
	case 126:
		return PRIVILEGE_CAPSET;
	case 155:
		return PRIVILEGE_PIVOT_ROOT;
	case 161:
		return PRIVILEGE_CHROOT;
	case 175:
		return PRIVILEGE_INIT_MODULE;
	case 176:
		return PRIVILEGE_DELETE_MODULE;
	case 246:
		return PRIVILEGE_KEXEC_LOAD;
	case 272:
		return PRIVILEGE_UNSHARE;
	case 308:
		return PRIVILEGE_SETNS;
	case 311:
		return PRIVILEGE_PROCESS_VM_WRITEV;
	case 313:
		return PRIVILEGE_FINIT_MODULE;
	case 320:
		return PRIVILEGE_KEXEC_FILE_LOAD;
	case 321:
		return PRIVILEGE_BPF_PROG_LOAD;
	default:
		return PRIVILEGE_NONE;
	}
}

static __noinline __u32 arm64_operation(__u64 number)
{
	switch (number) {
	case 41:
		return PRIVILEGE_PIVOT_ROOT;
	case 51:
		return PRIVILEGE_CHROOT;
	case 91:
		return PRIVILEGE_CAPSET;
	case 97:
		return PRIVILEGE_UNSHARE;
	case 104:
		return PRIVILEGE_KEXEC_LOAD;
	case 105:
		return PRIVILEGE_INIT_MODULE;
	case 106:
		return PRIVILEGE_DELETE_MODULE;
	case 117:
		return PRIVILEGE_PTRACE_ATTACH;
	case 143:
		return PRIVILEGE_SETREGID;
	case 144:
		return PRIVILEGE_SETGID;
	case 145:
		return PRIVILEGE_SETREUID;
	case 146:
		return PRIVILEGE_SETUID;
	case 147:
		return PRIVILEGE_SETRESUID;
	case 149:
		return PRIVILEGE_SETRESGID;
	case 220:
	case CLONE3:
		return PRIVILEGE_CLONE;
	case 268:
		return PRIVILEGE_SETNS;
	case 271:
		return PRIVILEGE_PROCESS_VM_WRITEV;
	case 273:
		return PRIVILEGE_FINIT_MODULE;
	case 280:
		return PRIVILEGE_BPF_PROG_LOAD;
	case 294:
		return PRIVILEGE_KEXEC_FILE_LOAD;
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
	case PRIVILEGE_BPF_PROG_LOAD:
		return (int)syscall_argument(0) == BPF_PROG_LOAD_COMMAND ? operation
									 : PRIVILEGE_NONE;
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

/* The other process. */
static __noinline int fill_target(struct slot *slot, __u32 pid)
{
	struct privilege *privilege = (struct privilege *)slot->record;
	struct task_struct *task = (void *)task_of(pid);
	struct file *exe_file;

	privilege->target_pid = pid;
	if (!task)
		return 0;
	privilege->target_pid = BPF_CORE_READ(task, tgid);
	bpf_probe_read_kernel(privilege->name, PROGRAM_LENGTH, &task->comm);
	exe_file = BPF_CORE_READ(task, mm, exe_file);
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

SYSCALL_EXIT(privilege_act, PROBE_PRIVILEGE_ACT)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct process *process = context->process;
	long result = context->result;
	struct privilege *privilege;
	struct session *session;
	struct slot *slot;
	__u32 operation;

	if (process->role != ROLE_USER)
		return 0;
	operation = operation_told(process, context->number, result);
	if (operation == PRIVILEGE_NONE)
		return 0;
	/* What happens before the user's first program, such as becoming the user, is sshd's doing.
	 */
	session = bpf_map_lookup_elem(&sessions, &process->session);
	if (!session || !session->environment_sent)
		return 0;
	if (operation_left_out(process->session, FAMILY_PRIVILEGE, operation)) {
		process_note(process);
		return 0;
	}
	slot = privilege_begin(process, operation, result < 0 ? result : 0);
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
		fill_target(slot, syscall_argument(0));
		break;
	case PRIVILEGE_PTRACE_ATTACH:
	case PRIVILEGE_PTRACE_SEIZE:
		fill_target(slot, syscall_argument(1));
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
	case PRIVILEGE_BPF_PROG_LOAD:
		fill_program(slot, result);
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
