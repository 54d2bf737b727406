/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* The life of a session: its processes are born, and the last one exits. */
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
	if (process)
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
	__u64 key;

	if (!process || BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	key = process->session;
	/* Two threads that leave at once may both be here; one of them finds the entry. */
	if (bpf_map_delete_elem(&processes, &pid))
		return 0;
	session = bpf_map_lookup_elem(&sessions, &key);
	if (!session)
		return 0;
	__sync_fetch_and_add(&session->processes, -1);
	if (*(volatile __u64 *)&session->processes)
		return 0;
	slot = record_begin(key, FAMILY_SESSION, KIND_SESSION_END, sizeof(*end));
	if (slot) {
		end = (struct session_end *)slot->record;
		__builtin_memcpy(end->lost, session->lost, sizeof(end->lost));
		record_send(slot, &session_ring, FAMILY_SESSION);
	}
	bpf_map_delete_elem(&sessions, &key);
	return 0;
}
