/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* The life of a session: its processes are born, and the last one exits. */
#include "privilege.h"
#include "session.h"

SEC("tp_btf/sched_process_fork")
int session_fork(__u64 *context)
{
	struct task_struct *parent = (void *)context[0];
	struct task_struct *child = (void *)context[1];
	__u32 pid = BPF_CORE_READ(child, tgid);
	struct process *process;

	if (pid == (__u32)BPF_CORE_READ(parent, tgid))
		return 0;
	process = recorded_user();
	if (!process)
		return 0;
	loginuid_compare(process);
	process_join(process->session, pid, ROLE_USER);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int session_exit(__u64 *context)
{
	struct task_struct *task = (void *)context[0];
	__u32 pid = BPF_CORE_READ(task, tgid);
	struct process *process = bpf_map_lookup_elem(&processes, &pid);
	struct session_end *end;
	struct session *session;
	struct slot *slot;
	struct process_exit *exit;
	__u64 command_time;
	__u64 key;

	if (!process)
		return 0;
	if (process->role == ROLE_USER)
		loginuid_compare(process);
	if (BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	key = process->session;
	command_time = process->command_time;
	/* Two threads that leave at once may both be here; one of them finds the entry. */
	if (bpf_map_delete_elem(&processes, &pid) == -2 /* ENOENT */)
		return 0;
	if (command_time) {
		slot = record_begin(key, FAMILY_PROCESS_EXIT, KIND_PROCESS_EXIT, sizeof(*exit));
		if (slot) {
			struct signal_struct *signal = BPF_CORE_READ(task, signal);

			exit = (struct process_exit *)slot->record;
			exit->duration = exit->record.time - command_time;
			exit->cpu_time = BPF_CORE_READ(task, se.sum_exec_runtime) +
					 BPF_CORE_READ(signal, sum_sched_runtime);
			exit->max_memory = BPF_CORE_READ(signal, maxrss);
			/* Of a group that was ended as a whole, this thread's code tells nothing.
			 */
			exit->exit_code = BPF_CORE_READ(signal, group_exit_code);
			if (!exit->exit_code)
				exit->exit_code = BPF_CORE_READ(task, exit_code);
			record_send(slot, &command_ring, FAMILY_PROCESS_EXIT, 0);
		}
	}
	session = bpf_map_lookup_elem(&sessions, &key);
	if (!session)
		return 0;
	__sync_fetch_and_add(&session->processes, -1);
	if (*(volatile __u64 *)&session->processes)
		return 0;
	slot = record_begin(key, FAMILY_SESSION, KIND_SESSION_END, sizeof(*end));
	/* The daemon removes the entry: it is how it learns of an end whose record is lost. */
	session->ended = 1;
	if (slot) {
		end = (struct session_end *)slot->record;
		__builtin_memcpy(end->lost, session->lost, sizeof(end->lost));
		__builtin_memcpy(end->left_out, session->left_out, sizeof(end->left_out));
		record_send(slot, &session_ring, FAMILY_SESSION, 1);
	}
	return 0;
}
