/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.privilege: what changes a process's own rights, or reaches into others and the kernel. */
#include "privilege_object.h"
#include "privilege_operation.h"
#include "settled.h"
#include "syscall.h"
#include "syscalls.h"

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
			fill_requested_path(slot, syscall_argument(0));
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
		fill_host(slot);
		break;
	case PRIVILEGE_ACCT:
		fill_requested_path(slot, syscall_argument(0));
		break;
	case PRIVILEGE_BPF_OBJ_PIN:
	case PRIVILEGE_BPF_OBJ_GET:
		fill_requested_path(slot, pointer_at(syscall_argument(1), 0));
		settled_note(slot, syscall_argument(1), sizeof(__u64));
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
