/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* What somebody else has changed in the tables: found, told, and put right. */
#include "session.h"
#include "session_end.h"

/* How old a process is that has to be in the table: its birth is long over. Nanoseconds. */
#define GROWN 2000000000ULL

/* Puts a session's count of processes right, unless it has changed since that was found wrong. */
static __noinline int session_adjust(struct control *control)
{
	__u64 key = control->adjust, by = control->adjust_by;
	struct session *session = bpf_map_lookup_elem(&sessions, &key);

	control->adjust = 0;
	if (!session || session->changes != control->adjust_changes)
		return 0;
	if ((__s64)by > 0) {
		__sync_fetch_and_add(&session->processes, by);
	} else {
		__sync_fetch_and_add(&session->processes, by + 1);
		process_leave(key);
	}
	return 0;
}

/*
 * The session that a process has to be in, or 0: that of its parent. One whose parent is gone is
 * told by its login, but only where a process is known to be missing: PAM may have left it behind.
 */
static __noinline __u64 session_due(struct task_struct *task, struct task_struct *parent)
{
	__u32 pid = BPF_CORE_READ(parent, tgid);
	struct process *process = bpf_map_lookup_elem(&processes, &pid);
	struct control *control = shared();
	__u64 key = audit_session(task);

	if (process && process->session && process->role == ROLE_USER)
		return process->session;
	return control && control->missing == key && !login_server_at(address_of(task)) &&
		       !login_server(parent)
		   ? key
		   : 0;
}

/*
 * Puts in a process that is missing, if there is room: it was taken out, or found none when it was
 * born. That was counted then.
 */
static __noinline __u32 process_restore(struct task_struct *task, __u64 key)
{
	struct session *session = bpf_map_lookup_elem(&sessions, &key);
	/* What is taken down of others, its next act does. */
	struct process process = {.session = key, .role = ROLE_USER};
	__u32 pid = BPF_CORE_READ(task, tgid);

	if (!session || !share_take(key, session->uid, TABLE_PROCESSES, PROCESSES_SIZE))
		return FINDING_PRESENT;
	process.shares_memory = BPF_CORE_READ(task, mm, mm_users.counter) > 1;
	if (process_add(pid, &process)) {
		share_give(key, session->uid, TABLE_PROCESSES);
		return FINDING_PRESENT;
	}
	session_count(key, session);
	return FINDING_MISSING;
}

/* Looks at a process that is to be in a session, and puts right what is wrong; returns what that
 * was.
 */
static __noinline __u32 process_check(struct task_struct *task, __u64 key)
{
	__u32 pid = BPF_CORE_READ(task, tgid);
	struct process *process = bpf_map_lookup_elem(&processes, &pid);

	if (!process)
		return process_restore(task, key);
	/* Once it was the user's, it is nothing else any more. */
	if (!process->session && !process->login) {
		process->session = key;
		process->role = ROLE_USER;
		return FINDING_CHANGED;
	}
	if (process->session == key && process->role != ROLE_USER) {
		process->role = ROLE_USER;
		return FINDING_CHANGED;
	}
	return FINDING_PRESENT;
}

/* Whether a process has an entry that no probe looks for, by a count that has lost it. */
static __noinline int count_restore(__u32 pid)
{
	__u64 *count = process_count(pid);

	/* The entry is gone ahead of the count. */
	if (!count || *(volatile __u64 *)count || !bpf_map_lookup_elem(&processes, &pid))
		return 0;
	__sync_fetch_and_add(count, 1);
	return 1;
}

static __always_inline void tell(struct seq_file *seq, __u64 session, __u32 pid, __u32 kind)
{
	struct finding finding = {.session = session, .pid = pid, .kind = kind};

	bpf_seq_write(seq, &finding, sizeof(finding));
}

/* Each process that there is, now and then. */
SEC("iter/task")
int session_check(__u64 *context)
{
	struct bpf_iter_meta *meta = (void *)context[0];
	struct task_struct *task = (void *)context[1];
	struct control *control = shared();
	struct seq_file *seq = meta->seq;
	struct process *process;
	struct task_struct *parent;
	__u32 pid, kind;
	__u64 key;

	if (control && control->adjust)
		session_adjust(control);
	if (!task || BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid) ||
	    BPF_CORE_READ(task, signal, live.counter) <= 0)
		return 0;
	pid = BPF_CORE_READ(task, tgid);
	parent = BPF_CORE_READ(task, real_parent);
	if (bpf_ktime_get_boot_ns() - BPF_CORE_READ(task, start_boottime) > GROWN) {
		key = session_due(task, parent);
		kind = key ? process_check(task, key) : FINDING_PRESENT;
		if (kind != FINDING_PRESENT)
			tell(seq, key, pid, kind);
	}
	process = bpf_map_lookup_elem(&processes, &pid);
	if (!process)
		return 0;
	key = process->session;
	if (key)
		tell(seq, key, pid, FINDING_PRESENT);
	if (process->outer)
		tell(seq, process->outer, pid, FINDING_PRESENT);
	if (count_restore(pid))
		tell(seq, key, pid, FINDING_COUNTED);
	return 0;
}
