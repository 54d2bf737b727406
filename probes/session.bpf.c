/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* The life of a session: its processes are born, and the last one exits. */
#include "hold.h"
#include "name.h"
#include "privilege.h"
#include "session.h"
#include "session_end.h"
#include "syscall.h"
#include "syscalls.h"

/*
 * Whether the call that makes the current process another one says that it waits for that. What the
 * kernel has read in memory counts only if nobody can have changed it.
 */
static __always_inline int is_vfork(void)
{
	long number = syscall_number();
	__u64 from = syscall_argument(0), flags = from;

	if (number == X86_VFORK)
		return 1;
	/* struct clone_args begins with them. */
	if (number == CLONE3 && (bpf_probe_read_user(&flags, sizeof(flags), (void *)from) ||
				 is_racy(from, sizeof(flags))))
		return 0;
	return (flags & CLONE_VFORK) != 0;
}

/*
 * Whether only one of both ever acts in the memory that they have in common: the parent waits for
 * as long as the child has it, and was alone in it. It was not if its own parent waits for it,
 * which goes on when it is killed.
 */
static __always_inline int takes_turns(struct task_struct *child, struct task_struct *parent)
{
	return !has_company(known_process()) && BPF_CORE_READ(child, real_parent) == parent &&
	       BPF_CORE_READ(parent, real_parent, mm) != BPF_CORE_READ(parent, mm) && is_vfork();
}

static __always_inline void share_note(__u32 pid)
{
	struct process *process = bpf_map_lookup_elem(&processes, &pid);

	if (process)
		process->shares_memory = 1;
}

/*
 * Notes of a thread or a process that it has its memory in common with its parent, on both sides.
 * All others that have it are noted already, but for one that waits for the parent.
 */
static __noinline int memory_share(struct task_struct *child, struct task_struct *parent)
{
	struct mm_struct *mm = child->mm;
	struct task_struct *above;

	if (!mm || mm != parent->mm || takes_turns(child, parent))
		return 0;
	share_note(child->tgid);
	share_note(parent->tgid);
	above = BPF_CORE_READ(parent, real_parent);
	if (BPF_CORE_READ(above, mm) == mm)
		share_note(BPF_CORE_READ(above, tgid));
	return 0;
}

/*
 * Whether what this process of a session forks is for a channel. It is sshd on the user's side of
 * an unprivileged login; login_join() tells it of others.
 */
static __noinline int is_server_of(struct process *process, struct task_struct *parent)
{
	struct session *session = bpf_map_lookup_elem(&sessions, &process->session);

	return session && session->connection_pid == (__u32)parent->tgid &&
	       session->login == LOGIN_SSH && !process->command_time && is_sshd(parent) &&
	       serves_channels(bpf_get_current_task());
}

TRACEPOINT("sched_process_fork", session_fork, PROBE_SESSION_FORK)
{
	struct task_struct *parent = (void *)context[0];
	struct task_struct *child = (void *)context[1];
	__u32 pid = child->tgid;
	struct process *process;
	__u32 login;

	if (pid == (__u32)parent->tgid) {
		if (known_process())
			memory_share(child, parent);
		return 0;
	}
	process = recorded_user(known_process());
	if (process)
		loginuid_compare(process);
	login = login_server_at(address_of(parent));
	/* What else runs in a session is that session's doing. */
	if (login == LOGIN_SSH || (login && !process))
		process_serve(process ? process->session : 0, pid);
	else if (process)
		process_join(process->session, pid, ROLE_USER);
	if (process && is_server_of(process, parent))
		channel_begin(pid);
	if (known_process())
		memory_share(child, parent);
	if (process) {
		/* What its children do is not told of it. */
		hold(process->session, FAMILY_COMMAND);
		hold(process->session, FAMILY_DISK);
	}
	return 0;
}

TRACEPOINT("sched_process_exit", session_exit, PROBE_SESSION_EXIT)
{
	struct task_struct *task = (void *)context[0];
	struct signal_struct *signal = task->signal;
	__u32 pid = task->tgid;
	struct process *process = process_of(pid);
	struct slot *slot;
	struct process_exit *exit;
	__u64 command_time;
	__u64 key, outer;

	if (!process)
		return 0;
	/* Of a call whose end was not seen. */
	names_forget();
	if (process->role == ROLE_USER)
		loginuid_compare(process);
	if (!signal || signal->live.counter > 0)
		return 0;
	key = process->session;
	outer = process->outer;
	command_time = process->command_time;
	/* Two threads that leave at once may both be here; one of them finds the entry. */
	if (process_remove(pid) == -ENOENT)
		return 0;
	if (command_time) {
		slot = record_begin(key, FAMILY_PROCESS_EXIT, KIND_PROCESS_EXIT, sizeof(*exit));
		if (slot) {
			exit = (struct process_exit *)slot->record;
			exit->duration = exit->record.time - command_time;
			exit->cpu_time = task->se.sum_exec_runtime + signal->sum_sched_runtime;
			exit->max_memory = signal->maxrss;
			/* The last thread may be a worker of io_uring, with a name of its own. */
			exit->record.via = 0;
			bpf_probe_read_kernel(exit->record.program, PROGRAM_LENGTH,
					      &BPF_CORE_READ(task, group_leader)->comm);
			/* As the parent is told. */
			exit->exit_code = signal->flags & SIGNAL_GROUP_EXIT
					      ? signal->group_exit_code
					      : BPF_CORE_READ(task, group_leader, exit_code);
			record_send(slot, &command_ring, FAMILY_PROCESS_EXIT, 0);
		}
	}
	if (key)
		process_leave(key);
	if (outer)
		process_leave(outer);
	return 0;
}

/*
 * Whether it is a login server for one connection: begun by one that listens, or by a socket; or
 * that has outlived the one that listened, and has its connection.
 */
static __noinline int is_monitor(struct task_struct *task, struct task_struct *parent)
{
	__u64 of = address_of(task);

	return login_server_at(of) &&
	       (login_server(parent) || has_socket_as_input(of) || serves_connection(of));
}

/* The session of a process that was there before its parent was known to be in one, or 0. */
static __noinline __u64 session_of(struct task_struct *task, struct task_struct *parent)
{
	__u32 pid = BPF_CORE_READ(parent, tgid);
	struct process *process = bpf_map_lookup_elem(&processes, &pid);
	__u32 audit = audit_session(task);
	__u64 key = audit;

	if (process && process->session && process->role == ROLE_USER)
		return process->session;
	/* Its parent is gone, and its login is not. sshd's monitor and the helpers of PAM are none.
	 */
	if (audit != AUDIT_UNSET && !is_monitor(task, parent) &&
	    !is_monitor(parent, BPF_CORE_READ(parent, real_parent)) &&
	    bpf_map_lookup_elem(&sessions, &key))
		return key;
	return 0;
}

/*
 * Each process that is there when the daemon starts, again and again until no more are found; and
 * when the ends of calls are hooked again, those that may have acted as the user's side by then.
 */
static __always_inline int task_look(struct task_struct *task)
{
	struct control *control = shared();
	struct task_struct *parent;
	struct process *process;
	__u64 key, outer, leader;
	__u32 pid;

	if (!task || !control || BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid))
		return 0;
	pid = BPF_CORE_READ(task, tgid);
	parent = BPF_CORE_READ(task, real_parent);
	process = bpf_map_lookup_elem(&processes, &pid);
	if (!process) {
		/* Its birth was seen. */
		if (control->unhooked)
			return 0;
		key = session_of(task, parent);
		if (login_server(parent))
			process_serve(key, pid);
		else if (key)
			process_join(key, pid, ROLE_USER);
		else
			return 0;
		process = bpf_map_lookup_elem(&processes, &pid);
		if (!process)
			return 0;
		/* What was taken down is the reader's. */
		process->audit_session_id = 0;
		/* Looked at behind the entry: what shares it from now on is noted there. */
		if (BPF_CORE_READ(task, mm, mm_users.counter) > 1)
			process->shares_memory = 1;
		__sync_fetch_and_add(&control->found, 1);
	}
	/* Which is the task itself, as a number. */
	leader = (__u64)BPF_CORE_READ(task, group_leader);
	if (process->login && process->role != ROLE_BROKER &&
	    (login_join(leader) || (control->unhooked && broker_join(leader)))) {
		process->audit_session_id = 0;
		__sync_fetch_and_add(&control->found, 1);
	}
	/* Its exit may have been over before it was put in. */
	if (BPF_CORE_READ(task, signal, live.counter) <= 0) {
		key = process->session;
		outer = process->outer;
		if (!process_remove(pid)) {
			if (key)
				process_leave(key);
			if (outer)
				process_leave(outer);
		}
	}
	return 0;
}

SEC("iter/task")
int session_found(__u64 *context)
{
	return RUN(task_look((void *)context[1]));
}
