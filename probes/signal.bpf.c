/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.privilege of signals. */
#include "again.h"
#include "privilege_object.h"
#include "privilege_operation.h"

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
