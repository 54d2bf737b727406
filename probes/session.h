/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Who belongs to a session: one answer for every probe.
 */
#ifndef SESSION_H
#define SESSION_H

#include "filter.h"

/* How many of a login's file descriptors are searched for its connection. */
#define CONNECTION_SEARCH 64

static __always_inline int is_sshd(struct task_struct *task)
{
	char name[PROGRAM_LENGTH];

	BPF_CORE_READ_INTO(&name, task, comm);
	return name[0] == 's' && name[1] == 's' && name[2] == 'h' && name[3] == 'd';
}

static __always_inline __u32 audit_session(struct task_struct *task)
{
	if (!bpf_core_field_exists(task->sessionid))
		return AUDIT_UNSET;
	return BPF_CORE_READ(task, sessionid);
}

static __always_inline void endpoints(struct sock *sk, struct endpoint *local,
				      struct endpoint *remote)
{
	local->port = BPF_CORE_READ(sk, __sk_common.skc_num);
	remote->port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) {
		local->version = remote->version = 6;
		BPF_CORE_READ_INTO(&local->address, sk,
				   __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
		BPF_CORE_READ_INTO(&remote->address, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	} else {
		local->version = remote->version = 4;
		*(__u32 *)local->address = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		*(__u32 *)remote->address = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	}
}

/* The socket behind a file, if it is one. */
static __always_inline struct sock *socket_of(struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	__u64 before = bpf_core_field_offset(struct socket_alloc, vfs_inode);

	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return BPF_CORE_READ((struct socket_alloc *)((void *)inode - before), socket.sk);
}

static __always_inline int is_inet(__u16 family)
{
	return family == AF_INET || family == AF_INET6;
}

/*
 * The socket behind the descriptor in a table of files, as a number, if it is a TCP connection; one
 * that is just being begun is not.
 */
__u64 connection_of(__u64 files, __u32 descriptor)
{
	struct file *file = NULL;
	struct sock *sk;

	bpf_probe_read_kernel(&file, sizeof(file), (struct file **)files + descriptor);
	if (!file)
		return 0;
	sk = socket_of(file);
	if (!sk || !is_inet(BPF_CORE_READ(sk, __sk_common.skc_family)) ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP ||
	    !BPF_CORE_READ(sk, __sk_common.skc_dport) || !BPF_CORE_READ(sk, __sk_common.skc_num))
		return 0;
	return (__u64)sk;
}

static __noinline int find_connection(struct task_struct *task, struct session *session)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	__u64 files = (__u64)BPF_CORE_READ(table, fd);
	__u32 count = BPF_CORE_READ(table, max_fds);

	for (__u32 i = 0; i < CONNECTION_SEARCH; i++) {
		struct sock *sk;

		if (i >= count)
			break;
		sk = (struct sock *)connection_of(files, i);
		if (sk) {
			endpoints(sk, &session->local, &session->remote);
			return 1;
		}
	}
	return 0;
}

static __noinline int ids_read(struct ids *ids)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	const struct cred *cred = BPF_CORE_READ(task, cred);

	ids->uid = BPF_CORE_READ(cred, uid.val);
	ids->gid = BPF_CORE_READ(cred, gid.val);
	ids->euid = BPF_CORE_READ(cred, euid.val);
	ids->egid = BPF_CORE_READ(cred, egid.val);
	return 0;
}

static __always_inline __u32 login_uid(struct task_struct *task)
{
	if (!bpf_core_field_exists(task->loginuid))
		return ID_NONE;
	return BPF_CORE_READ(task, loginuid.val);
}

/* Takes down what session.privilege compares with later. */
static __always_inline void process_note(struct process *process)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	ids_read(&process->ids);
	process->audit_session_id = audit_session(task);
	process->loginuid = login_uid(task);
}

/* Puts a process into a session; the session lives for as long as it has one. */
static __noinline int process_join(__u64 key, __u32 pid, __u32 role)
{
	struct process process = {.session = key, .role = role};
	struct session *session = bpf_map_lookup_elem(&sessions, &key);
	struct control *control = shared();
	long error;

	if (!session || !control)
		return 0;
	process_note(&process);
	error = bpf_map_update_elem(&processes, &pid, &process, BPF_NOEXIST);
	if (!error) {
		__sync_fetch_and_add(&session->processes, 1);
	} else if (error != -17 /* EEXIST: another of its threads was first */) {
		__sync_fetch_and_add(&control->processes_full, 1);
		lose(key, FAMILY_SESSION, LOSS_TABLE_FULL);
		return 0;
	}
	return 1;
}

/* What a session begins as: it would take up most of the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct session);
} blank_session SEC(".maps");

/*
 * Starts the session of an audit session id, with the connection that `holder` has open, and
 * tells the daemon. Only the first of several at once does.
 */
static __noinline int session_open(__u32 audit, struct task_struct *holder, __u32 uid)
{
	__u64 key = audit;
	struct slot *slot;
	struct session_start *start;
	struct session *session;
	struct control *control = shared();
	__u32 zero = 0;
	long error;

	if (!control || !control->logins)
		return 0;
	if (bpf_map_lookup_elem(&sessions, &key))
		return 1;
	session = bpf_map_lookup_elem(&blank_session, &zero);
	if (!session)
		return 0;
	error = bpf_map_update_elem(&sessions, &key, session, BPF_NOEXIST);
	if (error == -17 /* EEXIST */)
		return 1;
	if (error) {
		/* It is one login, however much it does. */
		if (!bpf_map_update_elem(&refused, &key, &uid, BPF_NOEXIST))
			__sync_fetch_and_add(&control->sessions_full, 1);
		return 0;
	}
	session = bpf_map_lookup_elem(&sessions, &key);
	if (!session)
		return 0;
	session->time = bpf_ktime_get_boot_ns();
	session->uid = uid;
	session->audit_session_id = audit;
	session->pid = bpf_get_current_pid_tgid() >> 32;
	session->connection_pid = BPF_CORE_READ(holder, tgid);
	session->families_left_out = families_left_out(uid);
	find_connection(holder, session);
	slot = record_begin(key, FAMILY_SESSION, KIND_SESSION_START, sizeof(*start));
	if (!slot)
		return 1;
	start = (struct session_start *)slot->record;
	start->local = session->local;
	start->remote = session->remote;
	start->uid = uid;
	start->connection_pid = session->connection_pid;
	record_send(slot, &session_ring, FAMILY_SESSION, 1);
	return 1;
}

/*
 * The user's side of an ssh login, seen for the first time. The audit session id tells the login,
 * but sshd's monitor and the helpers of PAM carry it too and are not the user's doing:
 * - the monitor of an unprivileged login forks a child that becomes the user, and is still sshd;
 * - a root login has no such child: its one sshd process forks the user's programs, which, unlike
 *   PAM's, lead a session of terminals of their own.
 */
static __noinline int login_role(struct task_struct *task, __u32 audit)
{
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	__u32 uid = BPF_CORE_READ(task, cred, uid.val);

	if (audit_session(parent) != audit || !is_sshd(parent) ||
	    BPF_CORE_READ(parent, cred, uid.val) != 0 || BPF_CORE_READ(task, loginuid.val) != uid)
		return 0;
	if (!uid) {
		if (BPF_CORE_READ(task, signal, pids[PIDTYPE_SID]) !=
			BPF_CORE_READ(task, thread_pid) ||
		    !session_open(audit, parent, uid))
			return 0;
		process_join(audit, BPF_CORE_READ(parent, tgid), ROLE_BROKER);
	} else {
		if (!is_sshd(task) || BPF_CORE_READ(task, cred, euid.val) != uid ||
		    BPF_CORE_READ(task, cred, suid.val) != uid || !session_open(audit, task, uid))
			return 0;
	}
	return process_join(audit, BPF_CORE_READ(task, tgid), ROLE_USER);
}

/* The session entry of the current process, or nothing if it is not recorded. */
static __always_inline struct process *recorded_process(void)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct process *process = bpf_map_lookup_elem(&processes, &pid);
	struct task_struct *task;
	__u32 audit;

	if (process)
		return process;
	task = (void *)bpf_get_current_task();
	audit = audit_session(task);
	if (audit == AUDIT_UNSET || !login_role(task, audit))
		return NULL;
	return bpf_map_lookup_elem(&processes, &pid);
}

/* The sshd process of a root login, when it acts for the user. */
static __noinline int broker_join(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	__u32 audit = audit_session(task);

	if (audit == AUDIT_UNSET || audit_session(parent) == audit || !is_sshd(task) ||
	    BPF_CORE_READ(task, loginuid.val) != 0 || BPF_CORE_READ(task, cred, uid.val) != 0 ||
	    !session_open(audit, task, 0))
		return 0;
	return process_join(audit, BPF_CORE_READ(task, tgid), ROLE_BROKER);
}

/* Its session entry, or nothing if it is something else. */
static __always_inline struct process *broker_process(void)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	return broker_join() ? bpf_map_lookup_elem(&processes, &pid) : NULL;
}

/* The same for what only the user's own processes do. */
static __always_inline struct process *recorded_user(void)
{
	struct process *process = recorded_process();

	return process && process->role == ROLE_USER ? process : NULL;
}

#endif
