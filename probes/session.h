/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Who belongs to a session: one answer for every probe.
 */
#ifndef SESSION_H
#define SESSION_H

#include "connection.h"
#include "filter.h"
#include "job.h"
#include "process.h"
#include "share.h"
#include "title.h"

/* Names of programs as the numbers that their bytes are, with the zero byte behind them. */
#define SSHD 0x64687373ULL
#define DROPBEAR 0x72616562706f7264ULL
#define LOGIN 0x6e69676f6cULL
#define CRON 0x6e6f7263ULL
#define CROND 0x646e6f7263ULL
#define ATD 0x647461ULL
#define SU 0x7573ULL

/* By these begin the jobs that sessions have asked for, whatever logins the config names. */
#define LOGINS_OF_JOBS (1ULL << LOGIN_CRON | 1ULL << LOGIN_AT)

/* The key of a session without audit id is a time behind this: above all audit ids. */
#define LOGIN_KEY (1ULL << 63)

/* Kernels before 5.11 leave behind a name what was there. */
union name {
	char text[PROGRAM_LENGTH];
	__u64 word;
};

static __always_inline union name name_of(struct task_struct *task)
{
	union name name;

	BPF_CORE_READ_INTO(&name.text, task, comm);
	return name;
}

/* What sshd runs for a login has names of its own that begin with it. */
static __always_inline int is_name_of_sshd(union name name)
{
	return FIRST(name.word, 4) == SSHD;
}

static __always_inline int is_name_of_dropbear(union name name)
{
	return name.word == DROPBEAR && !name.text[8];
}

static __always_inline int is_sshd(struct task_struct *task)
{
	return is_name_of_sshd(name_of(task));
}

static __always_inline int is_dropbear(struct task_struct *task)
{
	return is_name_of_dropbear(name_of(task));
}

/* How users log in by this program, going by its name. */
static __always_inline __u32 login_program(struct task_struct *task)
{
	union name name = name_of(task);

	if (is_name_of_sshd(name) || is_name_of_dropbear(name))
		return LOGIN_SSH;
	if (FIRST(name.word, 6) == LOGIN)
		return LOGIN_CONSOLE;
	if (FIRST(name.word, 5) == CRON || FIRST(name.word, 6) == CROND)
		return LOGIN_CRON;
	if (FIRST(name.word, 4) == ATD)
		return LOGIN_AT;
	if (FIRST(name.word, 3) == SU)
		return LOGIN_SU;
	return LOGIN_NONE;
}

/*
 * How users log in by it, if such logins are noticed: its children may become the user's side of a
 * login. Only root's can do that; su may have been run by anybody.
 */
__noinline __u32 login_server_at(__u64 of)
{
	struct task_struct *task = (void *)of;
	__u32 login = login_program(task);
	struct control *control = shared();

	if (!login || !control || !control->logins ||
	    !((control->logins | (control->jobs ? LOGINS_OF_JOBS : 0)) >> login & 1))
		return LOGIN_NONE;
	if (BPF_CORE_READ(task, cred, uid.val) &&
	    (login != LOGIN_SU || BPF_CORE_READ(task, cred, euid.val)))
		return LOGIN_NONE;
	return login;
}

static __always_inline __u32 login_server(struct task_struct *task)
{
	return login_server_at((__u64)task);
}

static __always_inline __u32 audit_session(struct task_struct *task)
{
	if (!bpf_core_field_exists(task->sessionid))
		return AUDIT_UNSET;
	return BPF_CORE_READ(task, sessionid);
}

/* Takes down what session.privilege compares with later. */
static __always_inline void process_note(struct process *process)
{
	ids_read(&process->ids);
	process->audit_session_id = current_audit_session();
	process->loginuid = current_loginuid();
}

/* Counts a process into a session; if the daemon has just removed its entry, that is put back. */
static __always_inline void session_count(__u64 key, struct session *session)
{
	__sync_fetch_and_add(&session->processes, 1);
	__sync_fetch_and_add(&session->changes, 1);
	if (!bpf_map_lookup_elem(&sessions, &key))
		bpf_map_update_elem(&sessions, &key, session, BPF_NOEXIST);
}

/* A process found no room: it is not recorded, and counted. */
static __noinline int process_refuse(__u64 session, __u32 loss)
{
	struct control *control = shared();

	if (control)
		__sync_fetch_and_add(&control->processes_full, 1);
	lose(session, FAMILY_SESSION, loss);
	return 0;
}

/*
 * Puts a process into a session; the session lives for as long as it has one. A process that is in
 * another one, because its login server is, stays counted there.
 */
__noinline int process_join(__u64 key, __u32 pid, __u32 role)
{
	struct session *session = bpf_map_lookup_elem(&sessions, &key);
	struct process process = {.session = key, .role = role};
	struct process *known;
	int error;

	if (!session)
		return 0;
	if (!share_take(key, session->uid, TABLE_PROCESSES, PROCESSES_SIZE)) {
		known = bpf_map_lookup_elem(&processes, &pid);
		return known && known->session == key ? 1 : process_refuse(key, LOSS_SHARE_FULL);
	}
	process_note(&process);
	error = process_add(pid, &process);
	if (!error) {
		session_count(key, session);
		return 1;
	}
	if (error != -EEXIST) {
		share_give(key, session->uid, TABLE_PROCESSES);
		return process_refuse(key, LOSS_TABLE_FULL);
	}
	known = bpf_map_lookup_elem(&processes, &pid);
	/* Another of its threads may have been first. */
	if (!known || known->session == key) {
		share_give(key, session->uid, TABLE_PROCESSES);
		return 1;
	}
	/*
	 * Who has once been the user's stays that, whatever it calls itself and does. And nobody is
	 * counted in more than two, so that each is counted out of all.
	 */
	if (known->outer || (known->session && known->role == ROLE_USER && role != ROLE_USER)) {
		share_give(key, session->uid, TABLE_PROCESSES);
		return 1;
	}
	known->outer = known->session;
	known->session = key;
	known->role = role;
	process_note(known);
	/* sshd of a root login may have more children. */
	if (role == ROLE_USER)
		known->login = 0;
	session_count(key, session);
	return 1;
}

/* Has the daemon hook the ends of calls: its reader finds nothing, and is woken all the same. */
static __noinline int hook_ask(void)
{
	void *nothing = bpf_ringbuf_reserve(&session_ring, sizeof(__u64), 0);

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* A child of a login server: it may become the user's side of a login. */
static __noinline void process_serve(__u64 session, __u32 pid)
{
	struct process process = {.session = session, .role = session ? ROLE_USER : ROLE_SERVED};
	struct session *counts = bpf_map_lookup_elem(&sessions, &session);
	struct control *control = shared();
	int error;

	if (!control)
		return;
	if (counts && !share_take(session, counts->uid, TABLE_PROCESSES, PROCESSES_SIZE)) {
		process_refuse(session, LOSS_SHARE_FULL);
		return;
	}
	process_note(&process);
	process.login = LOGIN_KEY | bpf_ktime_get_boot_ns();
	error = process_add(pid, &process);
	if (!error && counts)
		session_count(session, counts);
	else if (counts)
		share_give(session, counts->uid, TABLE_PROCESSES);
	if (error && error != -EEXIST)
		process_refuse(session, LOSS_TABLE_FULL);
	if (control->unhooked)
		hook_ask();
}

/*
 * A program outside of sessions that may be a login server which is begun for one connection, by a
 * socket unit or inetd.
 */
static __noinline int login_server_begin(void)
{
	__u64 task = bpf_get_current_task();

	if (login_server((void *)task) == LOGIN_SSH && has_socket_as_input(task) &&
	    !known_process())
		process_serve(0, bpf_get_current_pid_tgid() >> 32);
	return 0;
}

/*
 * Starts a session for the process `of`, with the connection that `connected` has open, and tells
 * the daemon. Only the first of several at once does. `origin` is the session that has asked for it
 * as a job.
 */
__noinline int session_open(__u64 key, __u32 login, __u64 of, __u64 connected, __u64 origin)
{
	struct task_struct *task = (void *)of;
	struct task_struct *holder = (void *)connected;
	struct control *control = shared();
	struct session_start *start;
	struct session *session, *outer;
	struct slot *slot;
	struct process *known;
	struct sock *sk;
	int error;
	__u32 uid;

	if (!control)
		return 0;
	if (bpf_map_lookup_elem(&sessions, &key))
		return 1;
	slot = record_begin(key, FAMILY_SESSION, KIND_SESSION_START, sizeof(*start));
	if (!slot)
		return 0;
	uid = BPF_CORE_READ(task, cred, uid.val);
	start = (struct session_start *)slot->record;
	/* The entry is too large for the stack. */
	session = (struct session *)slot->path;
	__builtin_memset(session, 0, sizeof(*session));
	session->time = start->record.time;
	session->uid = uid;
	session->login = login;
	session->parent = origin;
	session->audit_session_id = key < LOGIN_KEY ? key : AUDIT_UNSET;
	session->pid = BPF_CORE_READ(task, tgid);
	session->connection_pid = BPF_CORE_READ(holder, tgid);
	session->families_excluded = families_excluded(uid);
	sk = login == LOGIN_SSH ? (void *)find_connection(connected) : NULL;
	if (sk) {
		endpoints(sk, 0, &session->local, &session->remote);
		session->parent = client_session((__u64)sk);
	}
	known = bpf_map_lookup_elem(&processes, &session->pid);
	if (known && known->session) {
		session->parent = known->session;
		/* No session frees itself of a family by what it begins. */
		outer = bpf_map_lookup_elem(&sessions, &session->parent);
		if (outer)
			session->families_excluded &= outer->families_excluded;
	}
	/* If it is its own doing that is seen, and all is seen, nothing was missed. */
	if ((__u64)task != bpf_get_current_task() || control->unhooked) {
		session->began = BPF_CORE_READ(task, start_boottime);
		/* That of the next program is not what sshd has set, if the recorder was not there.
		 */
		session->environment_sent = !control->unhooked;
	}
	error = -1;
	if (share_take(key, uid, TABLE_SESSIONS, SESSIONS_SIZE)) {
		error = bpf_map_update_elem(&sessions, &key, session, BPF_NOEXIST);
		if (error)
			share_give(key, uid, TABLE_SESSIONS);
	}
	if (error) {
		slot_release(slot);
		if (error == -EEXIST)
			return 1;
		/* It is one login, however much it does. */
		if (!bpf_map_update_elem(&refused, &key, &uid, BPF_NOEXIST))
			__sync_fetch_and_add(&control->sessions_full, 1);
		return 0;
	}
	start->record.pid = session->pid;
	start->record.audit_session_id = session->audit_session_id;
	start->local = session->local;
	start->remote = session->remote;
	start->parent = session->parent;
	start->began = session->began;
	start->uid = uid;
	start->connection_pid = session->connection_pid;
	start->login = login;
	start->title_length = 0;
	if (login == LOGIN_SSH && of == bpf_get_current_task() && is_sshd(task))
		title_append(slot->index);
	record_send(slot, &session_ring, FAMILY_SESSION, 1);
	return 1;
}

static __always_inline int leads_terminal_session(struct task_struct *task)
{
	return BPF_CORE_READ(task, signal, pids[PIDTYPE_SID]) == BPF_CORE_READ(task, thread_pid);
}

/* Whether all its ids are the user's. */
static __always_inline int has_become(struct task_struct *task, __u32 uid)
{
	return BPF_CORE_READ(task, cred, euid.val) == uid &&
	       BPF_CORE_READ(task, cred, suid.val) == uid;
}

static __always_inline __u64 child_handler(struct task_struct *task)
{
	return (__u64)BPF_CORE_READ(task, sighand, action[SIGCHLD - 1].sa.sa_handler);
}

/*
 * Whether a login server serves the channels of a connection: it wants to hear of the ends of its
 * children. sshd does so once the login is complete, behind all that PAM does for it, and its
 * monitor of an unprivileged login never does; dropbear always. The handler is not the one that a
 * child of the server that listens is born with.
 */
__noinline int serves_channels(__u64 of)
{
	struct task_struct *task = (void *)of;
	__u64 handler = child_handler(task);

	return handler > SIG_IGN && handler != child_handler(BPF_CORE_READ(task, real_parent));
}

/* sshd talks with those who have yet to prove who they are from a process under seccomp. */
static __always_inline int is_confined(struct task_struct *task)
{
	return bpf_core_field_exists(task->seccomp.mode) && BPF_CORE_READ(task, seccomp.mode);
}

/*
 * Whether this child of a login server is the user's side of a login. sshd's monitor and the
 * helpers of PAM are not the user's doing:
 * - the monitor of an unprivileged login forks a child that becomes the user, and is still sshd;
 * - a root login has no such child: its one sshd process forks the user's programs, which, unlike
 *   PAM's, lead a session of terminals of their own.
 * The child of another server may act for the first time when it runs a program, and root's is not
 * always a leader.
 */
static __noinline int is_user_side(struct task_struct *task, __u32 login, __u32 uid)
{
	if (uid)
		return has_become(task, uid) && (login != LOGIN_SSH || is_sshd(task));
	return leads_terminal_session(task) || (login != LOGIN_SSH && login_program(task) != login);
}

/*
 * Whether this is the process by which sshd serves a login of root's, whatever the connection is:
 * the child of a monitor that has been given an audit id of its own. Since OpenSSH 9.8 there is
 * one.
 */
__noinline int serves_login(__u64 of)
{
	struct task_struct *task = (void *)of;
	struct task_struct *monitor = BPF_CORE_READ(task, real_parent);
	__u32 audit = audit_session(task);

	return audit != AUDIT_UNSET && is_sshd(task) && login_server(monitor) == LOGIN_SSH &&
	       audit_session(monitor) == audit &&
	       audit_session(BPF_CORE_READ(monitor, real_parent)) != audit;
}

/*
 * The key of the session that a child of a login server begins as the user's side of a login, or 0.
 * Where the login has an audit session id of its own, that is the key. Where it has none, the
 * process that serves its connection tells it.
 */
__noinline __u64 login_key(__u64 child, __u64 server_of, __u32 login, __u32 uid)
{
	struct task_struct *task = (void *)child;
	struct task_struct *parent = (void *)server_of;
	__u32 audit = audit_session(task);
	__u32 pid = BPF_CORE_READ(task, tgid);
	__u32 server = BPF_CORE_READ(parent, tgid);
	struct process *process = bpf_map_lookup_elem(&processes, &pid);
	struct process *served = bpf_map_lookup_elem(&processes, &server);

	/* su leaves the audit id as it is. */
	if (login == LOGIN_SU)
		return process && !process->session &&
			       (uid ? has_become(task, uid) : login_program(task) != login)
			   ? process->login
			   : 0;
	if (audit_session(parent) != audit)
		return 0;
	if (audit != AUDIT_UNSET && audit_session(BPF_CORE_READ(parent, real_parent)) != audit)
		return !is_dropbear(parent) && BPF_CORE_READ(task, loginuid.val) == uid &&
			       is_user_side(task, login, uid)
			   ? audit
			   : 0;
	/* A login server that a session has started is that session's doing. */
	if (login != LOGIN_SSH || !process || process->session || !served || !served->login)
		return 0;
	if (is_dropbear(parent)) {
		if (uid ? !has_become(task, uid) : is_dropbear(task))
			return 0;
	} else if (!is_user_side(task, login, uid) ||
		   (uid && (is_confined(task) || !find_connection(child)))) {
		return 0;
	}
	return serves_connection(server_of) || serves_login(server_of) || (uid && is_sshd(parent))
		   ? served->login
		   : 0;
}

/* Notes that a login server has begun this process for a channel. */
static __noinline int channel_begin(__u32 pid)
{
	struct process *process = bpf_map_lookup_elem(&processes, &pid);

	if (process)
		process->is_channel = 1;
	return 0;
}

/* Puts a child of a login server into the session that it begins or belongs to, if there is one. */
__noinline int login_join(__u64 child)
{
	struct task_struct *task = (void *)child;
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	__u32 uid = BPF_CORE_READ(task, cred, uid.val);
	struct task_struct *holder = task;
	__u32 login = login_server(parent);
	struct control *control = shared();
	__u64 key, origin;

	if (!login || !control)
		return 0;
	key = login_key(child, (__u64)parent, login, uid);
	if (!key)
		return 0;
	origin = job_session(task, login, uid);
	if (!origin && !(control->logins >> login & 1))
		return 0;
	/* Only an unprivileged login by sshd has a process of its own for the user's side. */
	if (login == LOGIN_SSH && (!uid || is_dropbear(parent)))
		holder = parent;
	if (!session_open(key, login, child, (__u64)holder, origin))
		return 0;
	if (holder == task)
		return process_join(key, BPF_CORE_READ(task, tgid), ROLE_USER);
	process_join(key, BPF_CORE_READ(parent, tgid), ROLE_BROKER);
	/* What it has run before it was seen is not known. */
	if (!process_join(key, BPF_CORE_READ(task, tgid), ROLE_USER))
		return 0;
	if ((child == bpf_get_current_task() || login_program(task) == login) &&
	    serves_channels((__u64)parent))
		channel_begin(BPF_CORE_READ(task, tgid));
	return 1;
}

/* The entry of the current process, which known_process() has given, if it is in a session. */
static __always_inline struct process *recorded_process(struct process *process)
{
	if (!process)
		return NULL;
	if (process->login && process->role != ROLE_BROKER)
		login_join(bpf_get_current_task());
	return process->session ? process : NULL;
}

/*
 * The login server's process of a root login, when it acts for the user. It is a child of another,
 * and in no session: what runs in one never becomes it.
 */
__noinline int broker_join(__u64 server)
{
	struct task_struct *task = (void *)server;
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	__u32 pid = BPF_CORE_READ(task, tgid);
	struct process *process = bpf_map_lookup_elem(&processes, &pid);
	__u32 audit = audit_session(task);
	__u64 key = audit;

	if (!process || process->session || !process->login || login_server(task) != LOGIN_SSH)
		return 0;
	if (audit == AUDIT_UNSET || audit_session(parent) == audit) {
		/*
		 * Until the login is complete, it has a child that talks with the client; but not
		 * at once, when it does nothing yet. sshd tells by what it does when it is.
		 */
		if (!(serves_connection(server) || serves_login(server)) ||
		    !((is_sshd(task) && serves_channels(server)) ||
		      (server == bpf_get_current_task() &&
		       (__u64)BPF_CORE_READ(task, children.next) == (__u64)&task->children)))
			return 0;
		key = process->login;
	} else if (BPF_CORE_READ(task, loginuid.val) != 0) {
		return 0;
	}
	return session_open(key, LOGIN_SSH, (__u64)task, (__u64)task, 0) &&
	       process_join(key, pid, ROLE_BROKER);
}

/* Its session entry, or nothing if it is something else. */
static __always_inline struct process *broker_process(void)
{
	return broker_join(bpf_get_current_task()) ? known_process() : NULL;
}

/*
 * The entry of the current process if it is in a session, as one of the user's or, where `carries`
 * tells that it can be, as the login server that carries for them.
 */
static __always_inline struct process *carrying_process(struct process *known, int carries)
{
	struct process *process = recorded_process(known);

	if (!process && known && carries && serves_channels(bpf_get_current_task()))
		process = broker_process();
	return process && (process->role == ROLE_USER || carries) ? process : NULL;
}

/* The process, if it is one of the user's own. */
static __always_inline struct process *recorded_user(struct process *process)
{
	process = recorded_process(process);
	return process && process->role == ROLE_USER ? process : NULL;
}

/*
 * Whether the current process is the one of sshd that serves a login. It never runs a program, nor
 * does it do what a client asks of sftp: its children do.
 */
static __always_inline int is_server(struct process *process)
{
	__u64 key = process->session;
	struct session *session = bpf_map_lookup_elem(&sessions, &key);

	if (process->role != ROLE_USER)
		return process->role == ROLE_BROKER;
	return session && session->uid && session->pid == bpf_get_current_pid_tgid() >> 32;
}

#endif
