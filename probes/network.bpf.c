/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.network: each TCP connection that is begun. */
#include "session.h"

/*
 * The sshd process of a root login makes the connections of port forwarding itself. It is told
 * from the work of PAM by its socket, which does not block.
 */
static __noinline int broker_join(struct sock *sk)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	__u32 audit = audit_session(task);

	if (audit == AUDIT_UNSET || audit_session(parent) == audit || !is_sshd(task) ||
	    BPF_CORE_READ(task, loginuid.val) != 0 || BPF_CORE_READ(task, cred, uid.val) != 0 ||
	    !(BPF_CORE_READ(sk, sk_socket, file, f_flags) & O_NONBLOCK) ||
	    !session_open(audit, task, 0))
		return 0;
	return process_join(audit, BPF_CORE_READ(task, tgid), ROLE_BROKER);
}

SEC("tp_btf/inet_sock_set_state")
int network_connect(__u64 *context)
{
	struct sock *sk = (void *)context[0];
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct network *network;
	struct process *process;
	struct slot *slot;

	if ((int)context[2] != TCP_SYN_SENT || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	process = recorded_process();
	if (!process && broker_join(sk))
		process = bpf_map_lookup_elem(&processes, &pid);
	if (!process)
		return 0;
	slot = record_begin(process->session, FAMILY_NETWORK, KIND_NETWORK, sizeof(*network));
	if (!slot)
		return 0;
	network = (struct network *)slot->record;
	endpoints(sk, &network->source, &network->destination);
	record_send(slot, &network_ring, FAMILY_NETWORK);
	return 0;
}
